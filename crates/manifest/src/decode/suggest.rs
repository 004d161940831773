//! Which known name somebody may have meant.

/// The known name nearest to `name`, if one is near enough to be meant: the same but for case and
/// separators, or about one letter in three away.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if let Some(same) = known.iter().find(|candidate| bare(candidate) == bare(name)) {
        return Some(*same);
    }
    let distance = |candidate: &str| strsim::damerau_levenshtein(&bare(candidate), &bare(name));
    let nearest = known.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    let (distance, candidate) = nearest;
    let letters = name.chars().count().min(candidate.chars().count());
    (distance <= (letters / 3).clamp(1, 4) && distance < letters).then_some(candidate)
}

/// The longest name for which distances are worth computing.
const NAME_CHARS_MAX: usize = 64;

/// A name without what conventions differ in.
fn bare(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["command", "args", "working_dir", "env", "not_before", "cpu"];

    #[test]
    fn a_slip_finds_its_name() {
        assert_eq!(nearest("comand", KNOWN), Some("command"));
        assert_eq!(nearest("workingDir", KNOWN), Some("working_dir"));
        assert_eq!(nearest("working-dir", KNOWN), Some("working_dir"));
        assert_eq!(nearest("agrs", KNOWN), Some("args"));
        assert_eq!(nearest("CPU", KNOWN), Some("cpu"));
        assert_eq!(nearest("not_befor", KNOWN), Some("not_before"));
    }

    #[test]
    fn something_else_finds_nothing() {
        assert_eq!(nearest("replicas", KNOWN), None);
        assert_eq!(nearest("x", KNOWN), None);
        assert_eq!(nearest("", KNOWN), None);
        assert_eq!(nearest("command", &[]), None);
    }
}
