//! "Did you mean": the nearest of a set of known words.

/// The known word nearest to `word`, when it is near enough to be a slip of the
/// fingers: about one edit for every three letters.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let edits_max = word.chars().count() / 3 + 1;
    known
        .into_iter()
        .map(|candidate| {
            (strsim::osa_distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(edits, candidate)| *edits <= edits_max && *edits < candidate.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_slips_and_nothing_else() {
        let fields = ["command", "args", "env", "working_dir"];
        assert_eq!(nearest("comand", fields), Some("command"));
        assert_eq!(nearest("workingDir", fields), Some("working_dir"));
        assert_eq!(nearest("replicas", fields), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
