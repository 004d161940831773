//! What tells whether a node has what is declared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::TenantSpec;

/// The SHA-256 of all that an agent needs to install a tenant: whoever has the same hash
/// has the same.
///
/// It is over these texts, each preceded by its length in bytes as eight bytes, the least
/// significant first: the manifest; the folder and the organisation, empty where they are
/// not given; then the name and the text of each unit, in the order of the names. Where a
/// tenant is to be is no part of it.
///
/// On the wire 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantHash([u8; 32]);

impl TenantSpec {
    /// The hash of what is to be installed.
    #[must_use]
    pub fn hash(&self) -> TenantHash {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.manifest);
        add(self.folder.as_deref().unwrap_or_default());
        add(self.org.as_ref().map_or("", |org| org.as_str()));
        for (name, text) in &self.units {
            add(name);
            add(text);
        }
        TenantHash(hash.finalize().into())
    }
}

impl TenantHash {
    /// The first digits, which are enough for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for TenantHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TenantHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<TenantHash> for String {
    fn from(hash: TenantHash) -> Self {
        hash.to_string()
    }
}

impl FromStr for TenantHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no hash: it has 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, i) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[i..i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for TenantHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn spec(manifest: &str, units: &[(&str, &str)]) -> TenantSpec {
        let unit = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let units: BTreeMap<_, _> = units.iter().map(unit).collect();
        TenantSpec { manifest: manifest.to_owned(), units, ..TenantSpec::default() }
    }

    /// Agents keep it over a release: it must never change.
    #[test]
    fn it_is_the_documented_function() {
        let all = TenantSpec {
            folder: Some("/srv".to_owned()),
            org: Some("library".parse().unwrap()),
            ..spec("a", &[("b", "cd")])
        };
        let mut bytes = Vec::new();
        for text in ["a", "/srv", "library", "b", "cd"] {
            bytes.extend_from_slice(&[u8::try_from(text.len()).unwrap(), 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend_from_slice(text.as_bytes());
        }
        let expected: [u8; 32] = Sha256::digest(&bytes).into();
        assert_eq!(all.hash(), TenantHash(expected));
        assert_eq!(all.hash().to_string().parse(), Ok(all.hash()));
    }

    #[test]
    fn it_tells_apart_what_only_differs_in_where_texts_end() {
        let hashes = [
            spec("ab", &[]).hash(),
            spec("a", &[("b", "")]).hash(),
            spec("a", &[("", "b")]).hash(),
            TenantSpec { folder: Some("b".to_owned()), ..spec("a", &[]) }.hash(),
        ];
        for (i, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..i].contains(hash), "{i}");
        }
        let elsewhere = TenantSpec {
            node_selector: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
            ..spec("ab", &[])
        };
        assert_eq!(elsewhere.hash(), hashes[0]);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in ["", "ab", &"g".repeat(64), &"é".repeat(32)] {
            assert!(text.parse::<TenantHash>().is_err(), "{text}");
        }
    }
}
