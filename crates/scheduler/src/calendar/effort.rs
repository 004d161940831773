//! How much a search may look at.

/// What is left of the effort that a search may take, in questions to calendars.
/// It is counted and not timed: the same question has the same answer on every
/// machine, however busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    given: u64,
    left: u64,
}

impl Effort {
    /// No search at all.
    #[must_use]
    pub const fn none() -> Self {
        Self::of(0)
    }

    /// For the arrangements of one batch: a fraction of a second.
    #[must_use]
    pub const fn batch() -> Self {
        Self::of(100_000)
    }

    /// For everything that one request looks for: some seconds.
    #[must_use]
    pub const fn request() -> Self {
        Self::of(500_000)
    }

    /// So many questions.
    #[must_use]
    pub const fn of(questions: u64) -> Self {
        Self { given: questions, left: questions }
    }

    /// Takes so many questions; all that are left when there are fewer.
    pub fn spend(&mut self, questions: u64) {
        self.left = self.left.saturating_sub(questions);
    }

    /// Whether nothing is to be looked for.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.given == 0
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }
}
