//! Readers of the texts that have rules of their own: names, versions, durations, amounts,
//! schedules and images.

use std::str::FromStr;

use jiff::tz::TimeZone;
use tessera_manifest::{Node, Value, quoted};
use tessera_types::{Bytes, Duration, Millicores, Name, catalogue::Version};

use super::code;
use super::reader::Reader;
use crate::calendar::Calendar;

/// The most cpu that a manifest can ask for: ten thousand cores.
const CPU_MAX: Millicores = Millicores(10_000_000);
/// The most memory: a pebibyte.
const MEMORY_MAX: Bytes = Bytes(1 << 50);

impl<'d> Reader<'d> {
    /// A DNS label.
    pub(crate) fn name(&mut self, node: &'d Node) -> Option<Name> {
        let text = self.text(node)?;
        match Name::new(text) {
            Ok(name) => Some(name),
            Err(error) => {
                let (message, hint) = (error.to_string(), suggestion(text));
                self.wrong(node, code::INVALID_NAME, message, hint);
                None
            }
        }
    }

    pub(crate) fn version(&mut self, node: &'d Node) -> Option<Version> {
        if let Value::Number(_) = node.value {
            let source = self.document.source_of(node);
            let hint = format!("a version is text and has three numbers: \"{source}.0\"");
            return self.wrong_type(node, "a string", Some(hint));
        }
        let text = self.text(node)?;
        let version = text.parse().ok();
        if version.is_none() {
            let message = format!("{} is not a semantic version", quoted(text));
            self.wrong(node, code::INVALID_VERSION, message, version_meant(text));
        }
        version
    }

    /// A duration that is not zero.
    pub(crate) fn duration(&mut self, node: &'d Node, example: &str) -> Option<Duration> {
        if let Value::Number(_) = node.value {
            let hint = Some(format!("write it with a unit, such as \"{example}\""));
            return self.wrong_type(node, "a string with a duration", hint);
        }
        let text = self.text(node)?;
        let (message, hint) = match Duration::from_str(text) {
            Ok(duration) if duration.as_millis() >= 1000 => return Some(duration),
            Ok(_) => ("it is shorter than a second".to_owned(), format!("write {example}")),
            Err(_) => (
                format!("{} is not a duration of at most 100 years", quoted(text)),
                format!("write it as 90s, 15m, {example} or PT15M"),
            ),
        };
        self.wrong(node, code::INVALID_DURATION, message, hint);
        None
    }

    pub(crate) fn cpu(&mut self, node: &'d Node) -> Option<Millicores> {
        self.amount(node, Millicores, CPU_MAX, "an amount of cpu", "\"500m\" or \"1.5\"")
    }

    pub(crate) fn memory(&mut self, node: &'d Node) -> Option<Bytes> {
        self.amount(node, Bytes, MEMORY_MAX, "an amount of memory", "\"256MiB\" or \"2GiB\"")
    }

    fn amount<T: FromStr + Copy + Ord>(
        &mut self,
        node: &'d Node,
        of: impl Fn(u64) -> T,
        most: T,
        what: &str,
        examples: &str,
    ) -> Option<T> {
        let amount = match &node.value {
            Value::Number(tessera_manifest::Number::Unsigned(number)) => Some(of(*number)),
            Value::Number(_) => None,
            Value::String(text) => text.parse().ok(),
            _ => return self.wrong_type(node, what, Some(format!("write {examples}"))),
        };
        if let Some(amount) = amount.filter(|amount| (of(1)..=most).contains(amount)) {
            return Some(amount);
        }
        let why = match amount {
            None => format!("is not {what}"),
            Some(amount) if amount < of(1) => "is nothing at all".to_owned(),
            Some(_) => "is more than any machine has".to_owned(),
        };
        let message = format!("{} {why}", quoted(self.document.source_of(node).trim_matches('"')));
        self.wrong(node, code::INVALID_QUANTITY, message, format!("write {examples}"));
        None
    }

    /// A calendar expression that fires again, with what the changes of the clock do to it.
    pub(crate) fn schedule(&mut self, node: &'d Node) -> Option<(String, Calendar)> {
        let text = self.text(node)?;
        let calendar = Calendar::parse(text, self.zones).and_then(|calendar| {
            calendar.refuse_past(text, self.now, &TimeZone::UTC).map(|()| calendar)
        });
        match calendar {
            Ok(calendar) => {
                // Without a zone it is that of the machine, which nobody knows here.
                for change in calendar.changes(self.now, &TimeZone::UTC) {
                    let hint = "choose a time at which no clock is changed, or end the expression \
                                with UTC";
                    self.warn(node, code::CLOCK_CHANGE, change.to_string(), hint.to_owned());
                }
                Some((text.to_owned(), calendar))
            }
            Err(fault) => {
                let span = self.span_within(node, fault.span).unwrap_or(node.span);
                let message = format!("no schedule: {}", fault.message);
                self.wrong_at(node, span, code::INVALID_SCHEDULE, message, fault.hint);
                None
            }
        }
    }

    /// A reference to a container image.
    pub(crate) fn image(&mut self, node: &'d Node) -> Option<String> {
        let text = self.text(node)?;
        if !is_image(text) {
            let message = format!("{} is not the name of a container image", quoted(text));
            let hint = "write it as REGISTRY/NAME:TAG, in lower case before the tag, such as \
                        localhost/circ-trans:1";
            self.wrong(node, code::INVALID_IMAGE, message, hint.to_owned());
            return None;
        }
        if !names_registry(text) {
            let message = format!("{} does not say which registry it is from", quoted(text));
            let hint = format!("write localhost/{text} if it is built here, or docker.io/…");
            self.warn(node, code::SHORT_IMAGE, message, hint);
        }
        Some(text.to_owned())
    }
}

/// The name that was meant by one that is none.
pub(crate) fn suggestion(text: &str) -> Option<String> {
    let label = joined_words(text, '-');
    let valid = Name::new(&label).is_ok() && label != text;
    valid.then(|| format!("did you mean {}?", quoted(&label)))
}

/// The words of a text in lower case, joined by what names of a sort have between them.
pub(crate) fn joined_words(text: &str, separator: char) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(separator.encode_utf8(&mut [0; 4]))
}

fn version_meant(text: &str) -> String {
    let numbers = text.trim().trim_start_matches(['v', 'V', '=']);
    let candidates = [numbers.to_owned(), format!("{numbers}.0"), format!("{numbers}.0.0")];
    let meant = candidates.iter().find(|candidate| candidate.parse::<Version>().is_ok());
    match meant {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => "write three numbers, such as 1.2.0".to_owned(),
    }
}

/// Whether a text is a reference as container engines read it: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
fn is_image(text: &str) -> bool {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match rest[last..].find(':') {
        Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
        None => (rest, None),
    };
    let mut parts = path.split('/');
    let first = parts.clone().count() > 1 && names_registry(text);
    let host = if first { parts.next() } else { None };
    text.len() <= 512
        && host.is_none_or(is_host)
        && parts.all(is_path_part)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

/// Whether what stands before the first slash is a host rather than a part of the path.
fn names_registry(image: &str) -> bool {
    let first = image.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first == "localhost" || first.contains(['.', ':']))
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "1"));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.bytes().all(legal) && port.parse::<u16>().is_ok()
}

fn is_path_part(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
    ends && part.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let hexadecimal = digest.strip_prefix("sha256:");
    hexadecimal.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_as_container_engines_do() {
        let digest = format!("quay.io/a/b@sha256:{}", "0a".repeat(32));
        for good in
            ["localhost/circ-trans:1", "busybox", "docker.io/library/redis:8", "h:5000/x", &digest]
        {
            assert!(is_image(good), "{good}");
        }
        for bad in
            ["", " ", "a b", "Localhost/X", "h:port/x", "a//b", "a:", "a@sha256:0", "x:t:t", "a/"]
        {
            assert!(!is_image(bad), "{bad}");
        }
        assert!(!names_registry("library/redis:8"));
    }

    #[test]
    fn what_was_meant_is_told() {
        assert_eq!(suggestion("Circ Trans"), Some("did you mean `circ-trans`?".to_owned()));
        assert_eq!(suggestion("ä"), None);
        assert_eq!(version_meant("v1.2"), "did you mean `1.2.0`?");
        assert_eq!(version_meant("one"), "write three numbers, such as 1.2.0");
    }
}
