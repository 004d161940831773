//! The one source of chance: SplitMix64 (Steele, Lea, Flood 2014), which is
//! small, good enough for schedules, and the same everywhere.

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A stream of its own: what one draws changes nothing for another.
    pub(crate) fn of(seed: u64, stream: u64) -> Self {
        // Two numbers that differ in one bit make streams that have nothing in common.
        Self(Self(seed ^ Self(stream).next().rotate_left(32)).next())
    }

    /// The same, named by a text.
    pub(crate) fn of_text(seed: u64, text: &str) -> Self {
        // FNV-1a, the same everywhere.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        Self::of(seed, text.bytes().fold(0xCBF2_9CE4_8422_2325, mix))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `from` up to but without `to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.between(0, 100) < chance
    }

    /// Any of the list.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.between(0, list.len() as u64) as usize]
    }
}
