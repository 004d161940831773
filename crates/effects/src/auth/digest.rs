//! Digest authentication (RFC 7616): MD5 and SHA-256, with `qop=auth` and without.

use http::{HeaderMap, StatusCode, header};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tessera_workflow::machine::Error;

use super::Properties;
use super::jwt::random;
use crate::fault;
use crate::http::{Answer, Ask, Http, Redirects};

/// Sends a request, and again with the answer to the server's challenge.
pub(super) async fn call(
    http: &Http,
    properties: &Properties,
    ask: Ask,
    redirects: Redirects,
) -> Result<Answer, Error> {
    let (user, password) = (properties.text("username")?, properties.text("password")?);
    let first = http.send(ask.clone(), redirects).await?;
    if first.status != StatusCode::UNAUTHORIZED {
        return Ok(first);
    }
    if first.uri.origin() != ask.uri.origin() {
        // What a redirect led to is not told who asks.
        return Ok(first);
    }
    let challenge = challenges(&first.headers).into_iter().max_by_key(|it| it.algorithm.strength());
    let Some(challenge) = challenge else {
        return Err(fault::authentication(
            "the service offers no Digest authentication of an algorithm that is known (MD5, SHA-256)",
        ));
    };
    let mut again = Ask { uri: first.uri.clone(), method: first.asked.0.clone(), ..ask };
    let target = match again.uri.query() {
        Some(query) => format!("{}?{query}", again.uri.path()),
        None => again.uri.path().to_owned(),
    };
    let answer = challenge.answer(user, password, again.method.as_str(), &target, &random()?);
    again.set(header::AUTHORIZATION, &answer)?;
    http.send(again, redirects).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn strength(self) -> u8 {
        match self {
            Self::Md5 => 0,
            Self::Sha256 => 1,
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a server wants answered.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    algorithm: Algorithm,
    /// The algorithm as the server named it.
    named: Option<String>,
    is_session: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    has_qop: bool,
}

impl Challenge {
    fn of(parameters: &[(String, String)]) -> Option<Self> {
        let get = |name: &str| {
            parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let named = get("algorithm");
        let name = named.clone().unwrap_or_default().to_ascii_lowercase();
        let (name, is_session) = match name.strip_suffix("-sess") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let algorithm = match name {
            "" | "md5" => Algorithm::Md5,
            "sha-256" => Algorithm::Sha256,
            _ => return None,
        };
        let qop = get("qop");
        let has_qop = match &qop {
            // Only the integrity of the body as well is asked for.
            Some(qop) if !qop.split(',').any(|it| it.trim().eq_ignore_ascii_case("auth")) => {
                return None;
            }
            qop => qop.is_some(),
        };
        let (realm, nonce) = (get("realm").unwrap_or_default(), get("nonce")?);
        let opaque = get("opaque");
        Some(Self { algorithm, named, is_session, realm, nonce, opaque, has_qop })
    }

    /// The value of `Authorization`.
    fn answer(
        &self,
        user: &str,
        password: &str,
        method: &str,
        target: &str,
        cnonce: &str,
    ) -> String {
        let hash = |text: &str| self.algorithm.hash(text);
        let Self { realm, nonce, .. } = self;
        let mut a1 = hash(&format!("{user}:{realm}:{password}"));
        if self.is_session {
            a1 = hash(&format!("{a1}:{nonce}:{cnonce}"));
        }
        let a2 = hash(&format!("{method}:{target}"));
        let response = match self.has_qop {
            true => hash(&format!("{a1}:{nonce}:00000001:{cnonce}:auth:{a2}")),
            false => hash(&format!("{a1}:{nonce}:{a2}")),
        };
        let mut answer = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce),
            quoted(target)
        );
        if let Some(named) = &self.named {
            answer += &format!(", algorithm={named}");
        }
        if self.has_qop || self.is_session {
            answer += &format!(", cnonce={}", quoted(cnonce));
        }
        if self.has_qop {
            answer += ", qop=auth, nc=00000001";
        }
        if let Some(opaque) = &self.opaque {
            answer += &format!(", opaque={}", quoted(opaque));
        }
        answer
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What is answered to each challenge in these headers.
#[cfg(feature = "fuzzing")]
pub(crate) fn answers(headers: &HeaderMap) -> Vec<String> {
    let all = challenges(headers).into_iter();
    all.map(|it| it.answer("ada", "pass\"word", "GET", "/a?b=c", "nonce")).collect()
}

/// The challenges of the scheme that can be answered.
fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let all = values.flat_map(schemes).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest"));
    all.filter_map(|(_, parameters)| Challenge::of(&parameters)).collect()
}

type Parameters = Vec<(String, String)>;

/// The schemes of a `WWW-Authenticate` with their parameters: a list in which a comma parts both
/// schemes and parameters.
fn schemes(value: &str) -> Vec<(String, Parameters)> {
    let mut all: Vec<(String, Parameters)> = Vec::new();
    let mut rest = value.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let spaced = after.trim_start();
        rest = match spaced.strip_prefix('=') {
            Some(value) => {
                let (value, after) = parameter(value.trim_start());
                if let Some((_, parameters)) = all.last_mut() {
                    parameters.push((word.to_ascii_lowercase(), value));
                }
                after
            }
            None => {
                all.push((word.to_owned(), Vec::new()));
                spaced
            }
        };
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    all
}

/// The value that a text begins with, quoted or not, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &inside[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, it)| it)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUFASA: (&str, &str) = ("Mufasa", "Circle of Life");

    fn challenge(value: &str) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        headers.insert(header::WWW_AUTHENTICATE, value.parse().unwrap());
        challenges(&headers)
    }

    /// The example of RFC 7616, section 3.9.1.
    #[test]
    fn the_examples_of_the_standard_come_out() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let value = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"{nonce}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let challenge = &challenge(&value)[0];
            let answer = challenge.answer(MUFASA.0, MUFASA.1, "GET", "/dir/index.html", cnonce);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
        }
    }

    #[test]
    fn what_a_server_may_write_is_read() {
        let all = challenge(
            "Basic realm=\"a, b\", Digest realm=\"x \\\"y\\\"\",nonce=abc , algorithm=SHA-256, Digest nonce=\"n\", Bearer",
        );
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].realm.as_str(), all[0].nonce.as_str()), ("x \"y\"", "abc"));
        assert_eq!(all[0].algorithm, Algorithm::Sha256);
        for useless in [
            "",
            "Digest",
            "Digest nonce=a, algorithm=SHA-512-256",
            "Digest nonce=a, qop=auth-int",
            "Digest nonce=\"",
            ",,=,=\"",
            "Negotiate abc==",
        ] {
            let found = challenge(useless);
            assert!(found.iter().all(|it| it.nonce.is_empty()), "{useless}: {found:?}");
        }
    }
}
