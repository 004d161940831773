//! The values that one field may have.

/// The values that a field may have; none stands for every value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(pub(super) Vec<Component>);

/// A value, a range of them, or the values of either at a distance of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Component {
    pub(super) start: u64,
    /// The last value of a range, included.
    pub(super) stop: Option<u64>,
    /// The distance; zero for a single value. Without a `stop` it goes on to the field's last.
    pub(super) step: u64,
}

/// Why a chain cannot be one of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A value is outside of the field, or beyond what its place in a list allows.
    Outside { value: u64, last: u64 },
    /// The range that starts with this value ends before.
    Backward(u64),
    /// The step is so large that it never comes to a second value.
    Step(u64),
}

impl Component {
    pub(super) fn single(start: u64) -> Self {
        Self { start, stop: None, step: 0 }
    }

    /// Shortens a range to its last value, and turns one of a single value into that.
    fn normalize(&mut self) {
        let Some(stop) = self.stop else { return };
        if stop < self.start {
            // No range at all, which is for `check` to say.
        } else if self.start + self.step > stop {
            *self = Self::single(self.start);
        } else {
            self.stop = Some(stop - (stop - self.start) % self.step);
        }
    }

    /// The least value that is not below `value`, up to `last`.
    fn at_or_after(&self, value: u64, last: u64) -> Option<u64> {
        let found = if self.start >= value {
            self.start
        } else if self.step == 0 {
            return None;
        } else {
            self.start + (value - self.start).div_ceil(self.step) * self.step
        };
        (found <= self.stop.unwrap_or(last).min(last)).then_some(found)
    }

    /// The same values, counted from the other end of a field of `length` values from 1. None
    /// where the first of them is not in it.
    fn mirrored(self, length: u64) -> Option<Self> {
        let mirror = |value: u64| (length + 1).checked_sub(value).filter(|day| *day > 0);
        let start = mirror(self.start)?;
        Some(match self.stop {
            None => Self { start, ..self },
            Some(stop) => Self { start: mirror(stop)?, stop: Some(start), ..self },
        })
    }
}

impl Chain {
    pub(super) fn single(value: u64) -> Self {
        Self(vec![Component::single(value)])
    }

    /// Puts the components into their order, each once and in its shortest form.
    pub(super) fn normalize(&mut self) {
        self.0.iter_mut().for_each(Component::normalize);
        self.0.sort_by_key(|component| {
            // Those without an end come before those with one.
            (component.start, component.stop.map_or(-1, i128::from), component.step)
        });
        self.0.dedup();
    }

    /// Whether every value is one of the field. `from_end` is for days that count from the end of
    /// a month: only those that every month has are allowed.
    pub(super) fn check(&self, (first, last): (u64, u64), from_end: bool) -> Result<(), Misfit> {
        let mut last = last;
        for component in &self.0 {
            // 28 for the first of a list. For each further one systemd takes off three again, and
            // what it refuses no timer can have.
            last -= if from_end { 3 } else { 0 };
            let inside = |value: u64| {
                let fits = (first..=last).contains(&value);
                if fits { Ok(()) } else { Err(Misfit::Outside { value, last }) }
            };
            inside(component.start)?;
            component.stop.map_or(Ok(()), inside)?;
            if component.stop.is_some_and(|stop| stop < component.start) {
                return Err(Misfit::Backward(component.start));
            }
            let room = match component.stop {
                Some(stop) => stop - component.start,
                None if from_end => component.start - first,
                None => last - component.start,
            };
            if component.step > room {
                return Err(Misfit::Step(component.step));
            }
        }
        Ok(())
    }

    /// The least value that is not below `value`, up to the field's last.
    pub(super) fn at_or_after(&self, value: u64, last: u64) -> Option<u64> {
        if self.0.is_empty() {
            return (value <= last).then_some(value);
        }
        self.0.iter().filter_map(|component| component.at_or_after(value, last)).min()
    }

    /// [`Chain::at_or_after`] for days that count from the end of a month of so many days.
    pub(super) fn at_or_after_from_end(&self, value: u64, length: u64) -> Option<u64> {
        let from_start = self.0.iter().filter_map(|component| component.mirrored(length));
        from_start.filter_map(|component| component.at_or_after(value, length)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_at_its_last_value() {
        let mut chain = Chain(vec![Component { start: 0, stop: Some(10), step: 3 }]);
        chain.normalize();
        assert_eq!(chain.0[0].stop, Some(9));
        assert_eq!(chain.at_or_after(7, 23), Some(9));
        assert_eq!(chain.at_or_after(10, 23), None);
    }

    #[test]
    fn days_count_from_the_end() {
        let last_week = Chain(vec![Component { start: 7, stop: None, step: 1 }]);
        assert_eq!(last_week.at_or_after_from_end(1, 30), Some(24));
        assert_eq!(last_week.at_or_after_from_end(30, 30), Some(30));
        let range = Chain(vec![Component { start: 3, stop: Some(5), step: 1 }]);
        assert_eq!(range.at_or_after_from_end(1, 28), Some(24));
        assert_eq!(range.at_or_after_from_end(27, 28), None);
    }
}
