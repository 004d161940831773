//! Labels and the selectors that match them, in the syntax of `kubectl -l`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::limits;
use crate::validate::{Invalid, Validate};

/// Labels of a resource, sorted by key.
pub type Labels = BTreeMap<String, String>;

impl Validate for Labels {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        if self.len() > limits::LABELS_MAX {
            problems.push(Invalid::new(
                path,
                format!(
                    "at most {} labels are allowed, here are {}",
                    limits::LABELS_MAX,
                    self.len()
                ),
            ));
        }
        for (key, value) in self {
            let at = format!("{path}.{key}");
            if !is_label(key) || key.is_empty() {
                problems.push(Invalid::new(
                    &at,
                    "a label's key has letters, digits, `-`, `_`, `.` and `/`, and at most 253 of them",
                ));
            }
            if !is_label(value) {
                problems.push(Invalid::new(
                    &at,
                    "a label's value has letters, digits, `-`, `_`, `.` and `/`, and at most 253 of them",
                ));
            }
        }
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= limits::LABEL_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
}

/// What one label must be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Equal(String),
    NotEqual(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

/// A conjunction of requirements: `app=web,zone!=b,tier in (a,b),gpu,!spot`.
/// The empty selector matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<(String, Requirement)>);

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{part}` is not a label requirement: write key=value, key!=value, key in (a,b), key notin (a,b), key or !key"
)]
pub struct SelectorError {
    /// The part that could not be read.
    pub part: String,
}

impl Selector {
    /// Whether `labels` meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, requirement)| {
            let value = labels.get(key);
            match requirement {
                Requirement::Equal(wanted) => value == Some(wanted),
                Requirement::NotEqual(unwanted) => value != Some(unwanted),
                Requirement::In(wanted) => value.is_some_and(|v| wanted.contains(v)),
                Requirement::NotIn(unwanted) => value.is_none_or(|v| !unwanted.contains(v)),
                Requirement::Exists => value.is_some(),
                Requirement::Absent => value.is_none(),
            }
        })
    }

    /// Whether it matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        split_outside_parentheses(text)
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, requirement)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match requirement {
                Requirement::Equal(value) => write!(f, "{key}={value}")?,
                Requirement::NotEqual(value) => write!(f, "{key}!={value}")?,
                Requirement::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Requirement::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Requirement::Exists => f.write_str(key)?,
                Requirement::Absent => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn requirement(part: &str) -> Result<(String, Requirement), SelectorError> {
    let error = || SelectorError { part: limits::clip(part, 80) };
    let (key, requirement) = if let Some((key, value)) = part.split_once("!=") {
        (key, Requirement::NotEqual(value.trim().to_owned()))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Requirement::Equal(value.trim().to_owned()))
    } else if let Some((key, set)) = part.split_once(" notin ") {
        (key, Requirement::NotIn(set_of(set).ok_or_else(error)?))
    } else if let Some((key, set)) = part.split_once(" in ") {
        (key, Requirement::In(set_of(set).ok_or_else(error)?))
    } else if let Some(key) = part.strip_prefix('!') {
        (key, Requirement::Absent)
    } else {
        (part, Requirement::Exists)
    };
    let key = key.trim();
    let values_legal = match &requirement {
        Requirement::Equal(value) | Requirement::NotEqual(value) => is_label(value),
        Requirement::In(values) | Requirement::NotIn(values) => values.iter().all(|v| is_label(v)),
        Requirement::Exists | Requirement::Absent => true,
    };
    if key.is_empty() || !is_label(key) || !values_legal {
        return Err(error());
    }
    Ok((key.to_owned(), requirement))
}

fn set_of(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn selectors_match_as_kubectl_does() {
        let web = labels(&[("app", "web"), ("zone", "a")]);
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,zone=a", true),
            ("app=db", false),
            ("zone!=b", true),
            ("gpu!=yes", true),
            ("zone in (a, b)", true),
            ("zone notin (a,b)", false),
            ("gpu notin (yes)", true),
            ("zone", true),
            ("!gpu", true),
            ("gpu", false),
            ("app=web,!zone", false),
        ] {
            let parsed: Selector = selector.parse().unwrap();
            assert_eq!(parsed.matches(&web), expected, "{selector}");
            assert_eq!(parsed.to_string().parse::<Selector>().unwrap(), parsed, "{selector}");
        }
    }

    #[test]
    fn a_broken_selector_names_the_part() {
        for (selector, part) in
            [("=x", "=x"), ("a in b", "a in b"), ("a=b,c d=e", "c d=e"), ("!", "!")]
        {
            assert_eq!(selector.parse::<Selector>().unwrap_err().part, part);
        }
    }
}
