//! A hash that is the same in every release and on every machine, so that it can
//! be stored. The hashers of the standard library promise neither.

/// A 64-bit fingerprint of some texts: FNV-1a. It tells texts apart that differ by
/// mistake; it is no defence against somebody who looks for two with the same one.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Default for Fingerprint {
    fn default() -> Self {
        Self(OFFSET_BASIS)
    }
}

impl Fingerprint {
    /// The fingerprint of one text, as plain FNV-1a has it.
    #[must_use]
    pub fn of(text: &str) -> u64 {
        Self::default().bytes(text.as_bytes()).0
    }

    /// Adds a text. Its length is part of it: `ab` and `c` are not `a` and `bc`.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(&(text.len() as u64).to_le_bytes()).bytes(text.as_bytes())
    }

    /// The fingerprint of all that was added.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.0
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of FNV's authors.
    #[test]
    fn it_is_the_published_function() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(Fingerprint::of(text), hash, "{text}");
        }
    }

    /// Stored values depend on this one: it must never change.
    #[test]
    fn several_texts_have_a_fixed_fingerprint_that_depends_on_where_they_end() {
        let of = |texts: &[&str]| {
            texts.iter().fold(Fingerprint::default(), |all, text| all.text(text)).finish()
        };
        assert_eq!(of(&["Workload", "default", "web"]), STORED);
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a"]), of(&["a", ""]));
    }

    const STORED: u64 = 0xaeaf_f6a3_aa03_2b87;
}
