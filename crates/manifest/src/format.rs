//! Which of the three notations a manifest is written in.

use std::fmt;
use std::path::Path;

use crate::source::without_bom;

/// The notation of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML 1.2; many documents, separated by `---`.
    Yaml,
    /// JSON; one document, an array of documents, or several one after the other.
    Json,
    /// TOML 1.1; always one document.
    Toml,
}

impl Format {
    /// The format that a file's extension names, or `None` if it names none of them.
    pub fn of_path(path: impl AsRef<Path>) -> Option<Self> {
        let extension = path.as_ref().extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }

    /// A guess for text without a file name, such as standard input: JSON if it starts like JSON,
    /// else YAML.
    pub fn detect(text: &str) -> Self {
        match without_bom(text).trim_start().as_bytes().first() {
            Some(b'{' | b'[') => Self::Json,
            _ => Self::Yaml,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Toml => "TOML",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case() {
        assert_eq!(Format::of_path("a/web.yaml"), Some(Format::Yaml));
        assert_eq!(Format::of_path("web.YML"), Some(Format::Yaml));
        assert_eq!(Format::of_path("web.json"), Some(Format::Json));
        assert_eq!(Format::of_path("tessera-tenant.toml"), Some(Format::Toml));
        assert_eq!(Format::of_path("web"), None);
        assert_eq!(Format::of_path(".yaml"), None);
        assert_eq!(Format::of_path("web.txt"), None);
    }

    #[test]
    fn text_is_json_only_if_it_starts_like_json() {
        assert_eq!(Format::detect("\u{feff} \n{\"a\": 1}"), Format::Json);
        assert_eq!(Format::detect("[1]"), Format::Json);
        assert_eq!(Format::detect("- 1"), Format::Yaml);
        assert_eq!(Format::detect(""), Format::Yaml);
    }
}
