//! What is left out of JSON, since leaving it out says the same.

/// Whether a value is what its absence is read as, for `skip_serializing_if`.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
