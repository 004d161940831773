//! What a manifest may cost to read. A file comes from anywhere, so each way to make the reader
//! work or allocate without end has a bound, and crossing one is an ordinary problem.

/// The bounds for one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the source, in bytes.
    pub bytes_max: usize,
    /// Nesting of lists and maps; at most [`Limits::DEPTH_CEILING`] has effect.
    pub depth_max: usize,
    /// Values in the source, those that aliases copy included.
    pub nodes_max: usize,
    /// Documents in the source.
    pub documents_max: usize,
    /// Values that YAML anchors and aliases may copy.
    pub alias_nodes_max: usize,
    /// Text that YAML anchors and aliases may copy, in bytes.
    pub alias_bytes_max: usize,
    /// Problems after which reading stops.
    pub problems_max: usize,
}

impl Limits {
    /// Default of [`Limits::bytes_max`]: 4 MiB.
    pub const BYTES_MAX: usize = 4 << 20;
    /// Default of [`Limits::depth_max`].
    pub const DEPTH_MAX: usize = 64;
    /// Default of [`Limits::nodes_max`].
    pub const NODES_MAX: usize = 250_000;
    /// Default of [`Limits::documents_max`].
    pub const DOCUMENTS_MAX: usize = 10_000;
    /// Default of [`Limits::alias_nodes_max`].
    pub const ALIAS_NODES_MAX: usize = 20_000;
    /// Default of [`Limits::alias_bytes_max`]: 1 MiB.
    pub const ALIAS_BYTES_MAX: usize = 1 << 20;
    /// Default of [`Limits::problems_max`].
    pub const PROBLEMS_MAX: usize = 50;
    /// The readers recurse once per level, so no setting may exceed what any thread's stack holds.
    pub const DEPTH_CEILING: usize = 128;

    /// The depth that is enforced.
    pub(crate) fn depth_allowed(&self) -> usize {
        self.depth_max.min(Self::DEPTH_CEILING)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: Self::BYTES_MAX,
            depth_max: Self::DEPTH_MAX,
            nodes_max: Self::NODES_MAX,
            documents_max: Self::DOCUMENTS_MAX,
            alias_nodes_max: Self::ALIAS_NODES_MAX,
            alias_bytes_max: Self::ALIAS_BYTES_MAX,
            problems_max: Self::PROBLEMS_MAX,
        }
    }
}
