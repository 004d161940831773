//! Mutants of inputs, for tests: always the same for the same seed and input.
//!
//! The one idea: what breaks parsers is mostly a known input with a small fault, two inputs put
//! together, or a number at its end. libFuzzer finds what takes luck; this keeps what it found from
//! coming back in a slightly other form.

/// Pieces that mean something to some parser.
const PIECES: &[&str] = &[
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u{feff}",
    "\u{301}",
    "\u{1f600}",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":",
    ": ",
    ",",
    "-",
    "--",
    "---\n",
    "..",
    "...",
    "*",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "%",
    "%00",
    "#",
    "|",
    ">",
    "~",
    "=",
    "!",
    "/",
    "?",
    "${ ",
    " }",
    ".",
    "0",
    "-0",
    "-1",
    "1e999",
    "0.1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "null",
    "true",
    "nan",
    "infinite",
    "P1D",
    "9999-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "-9999-01-01T00:00:00Z",
    "100y",
    "999999999999h",
];

/// A generator of numbers (SplitMix64, by Steele, Lea and Flood).
#[derive(Clone, Debug)]
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Two places in so many bytes, in their order.
    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let (a, b) = (self.below(len + 1), self.below(len + 1));
        a.min(b)..a.max(b)
    }
}

/// So many mutants of `inputs`, none longer than `bytes_max`.
pub fn mutants(
    inputs: &[Vec<u8>],
    seed: u64,
    count: usize,
    bytes_max: usize,
) -> impl Iterator<Item = Vec<u8>> {
    let mut numbers = Numbers(seed);
    (0..if inputs.is_empty() { 0 } else { count }).map(move |_| {
        let mut bytes = inputs[numbers.below(inputs.len())].clone();
        for _ in 0..=numbers.below(4) {
            mutate(&mut bytes, inputs, &mut numbers);
        }
        bytes.truncate(bytes_max);
        bytes
    })
}

fn mutate(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    match numbers.below(8) {
        0 => drop(bytes.drain(numbers.range(bytes.len()))),
        1 => bytes.truncate(at),
        2 => {
            // A piece of itself, many times: depth and length.
            let range = numbers.range(bytes.len().min(40));
            let piece = bytes[range].repeat(1 + numbers.below(200));
            drop(bytes.splice(at..at, piece));
        }
        3 => {
            let other = &inputs[numbers.below(inputs.len())];
            let piece = other[numbers.range(other.len())].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        4 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
        5 if at < bytes.len() => bytes[at] = numbers.next() as u8,
        _ => {
            let piece = PIECES[numbers.below(PIECES.len())].bytes();
            let replaced = numbers.below(4).min(bytes.len() - at);
            drop(bytes.splice(at..at + replaced, piece));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_always_the_same_and_within_bounds() {
        let inputs = [b"kind: Workload".to_vec(), Vec::new()];
        let some = || mutants(&inputs, 7, 500, 64).collect::<Vec<_>>();
        assert_eq!(some(), some());
        assert!(some().iter().all(|bytes| bytes.len() <= 64));
        assert!(some().iter().filter(|bytes| !inputs.contains(bytes)).count() > 400);
        assert_eq!(mutants(&[], 7, 500, 64).count(), 0);
    }
}
