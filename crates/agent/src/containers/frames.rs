//! Takes apart the one stream in which a runtime sends both streams of a container.
//!
//! Each frame has a header of eight bytes: which stream, three zeros, and the length in network
//! byte order.

use crate::logs::Stream;

const HEADER_BYTES: usize = 8;
const STDOUT: u8 = 1;

/// Where in the stream we are.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; HEADER_BYTES],
    /// How much of the header there is.
    have: usize,
    /// How much of the present frame is to come.
    left: usize,
}

impl Frames {
    /// Takes the next piece of output off the front of `block`; none when `block` is used up.
    pub(crate) fn next<'a>(&mut self, block: &mut &'a [u8]) -> Option<(Stream, &'a [u8])> {
        while self.left == 0 {
            let taken = split(block, HEADER_BYTES - self.have);
            self.header[self.have..self.have + taken.len()].copy_from_slice(taken);
            self.have += taken.len();
            if self.have < HEADER_BYTES {
                return None;
            }
            let [_, _, _, _, length @ ..] = self.header;
            self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            self.have = 0;
        }
        let piece = split(block, self.left);
        self.left -= piece.len();
        (!piece.is_empty()).then(|| (self.stream(), piece))
    }

    fn stream(&self) -> Stream {
        // What the runtime itself has to say about the container comes as a stream of its own.
        if self.header[0] <= STDOUT { Stream::Stdout } else { Stream::Stderr }
    }
}

fn split<'a>(block: &mut &'a [u8], at_most: usize) -> &'a [u8] {
    let (front, rest) = block.split_at(at_most.min(block.len()));
    *block = rest;
    front
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(frames: &[(bool, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (err, payload) in frames {
            bytes.extend([if *err { 2 } else { 1 }, 0, 0, 0]);
            bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
            bytes.extend(payload);
        }
        bytes
    }

    fn of(frames: &[(bool, Vec<u8>)], err: bool) -> Vec<u8> {
        frames.iter().filter(|frame| frame.0 == err).flat_map(|frame| frame.1.clone()).collect()
    }

    proptest! {
        /// However the stream is cut into blocks, each of the two streams comes out as it went in.
        #[test]
        fn cuts_do_not_matter(
            frames in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..10),
            cut in 1_usize..30,
        ) {
            let (mut out, mut err): (Vec<u8>, Vec<u8>) = Default::default();
            let mut reader = Frames::default();
            for mut block in encode(&frames).chunks(cut) {
                while let Some((stream, piece)) = reader.next(&mut block) {
                    match stream {
                        Stream::Stdout => out.extend(piece),
                        Stream::Stderr | Stream::Notice => err.extend(piece),
                    }
                }
                prop_assert!(block.is_empty());
            }
            prop_assert_eq!(out, of(&frames, false));
            prop_assert_eq!(err, of(&frames, true));
        }
    }
}
