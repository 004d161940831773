//! Reads units as systemd does, to see what arrives: the other way round than they are written.

use std::collections::BTreeMap;

/// The settings of a unit, in their order.
pub(super) struct Unit(Vec<(String, String)>);

impl Unit {
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with(['[', '#', ';']));
        let settings = lines.filter_map(|line| line.split_once('='));
        Self(settings.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }

    fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// The words of a command line.
    pub(super) fn command(&self, key: &str) -> Vec<String> {
        let mut words = self.words(key);
        let rest = words.split_off(1);
        words.iter().map(|word| specifiers(word)).chain(rest.iter().map(|w| arrived(w))).collect()
    }

    /// The words of a command line as they are before specifiers and variables are resolved.
    pub(super) fn words(&self, key: &str) -> Vec<String> {
        let [line] = self.values(key).collect::<Vec<_>>()[..] else { panic!("one {key}") };
        words(line)
    }

    /// The entry point of a container: JSON, which is put on a command line as it is.
    pub(super) fn entrypoint(&self) -> Vec<String> {
        let [list] = self.values("Entrypoint").collect::<Vec<_>>()[..] else { panic!("one") };
        serde_json::from_str(&arrived(list)).unwrap()
    }

    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        self.assignments(specifiers)
    }

    /// Quadlet puts the variables of a container on a command line.
    pub(super) fn container_environment(&self) -> BTreeMap<String, String> {
        self.assignments(arrived)
    }

    fn assignments(&self, resolve: impl Fn(&str) -> String) -> BTreeMap<String, String> {
        let assignments = self.values("Environment").flat_map(words);
        let split = assignments.map(|word| {
            let (name, value) = word.split_once('=').unwrap();
            (name.to_owned(), resolve(value))
        });
        split.collect()
    }
}

/// A file of variables as podman reads it.
pub(super) fn variables_of_podman(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(|line| line.trim_start_matches([' ', '\t']));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = lines.filter_map(|line| line.split_once('='));
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Splits at spaces, and removes quotes and backslashes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '\\') => {
                let escaped = chars.next().expect("a character after a backslash");
                assert!(matches!(escaped, '\\' | '"'), "\\{escaped} is not written");
                word.get_or_insert_default().push(escaped);
            }
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "a quote is not closed: {line}");
    words.extend(word);
    words
}

/// A word of a command line when specifiers and variables are resolved.
pub(super) fn arrived(word: &str) -> String {
    doubled(&specifiers(word), '$')
}

fn specifiers(text: &str) -> String {
    doubled(text, '%')
}

/// Halves each pair of a character that is special alone.
fn doubled(text: &str, special: char) -> String {
    let pair = format!("{special}{special}");
    let rest = text.replace(&pair, "");
    assert!(!rest.contains(special), "a {special} alone: {text}");
    text.replace(&pair, &special.to_string())
}
