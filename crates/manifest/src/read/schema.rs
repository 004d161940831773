//! What an unquoted YAML scalar means: the core schema of YAML 1.2 (section 10.3.2), in which
//! `yes`, `on` and dates are text.
//!
//! One case is refused rather than resolved: `0644` is octal to YAML 1.1 and decimal to YAML 1.2,
//! and people who write it rarely mean either.

use crate::tree::{Number, Value};

/// Why a number cannot be taken as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberFault {
    /// It does not fit in 64 bits.
    Range,
    /// It has leading zeros.
    LeadingZero,
}

pub(super) fn resolve(text: &str) -> Result<Value, NumberFault> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text)? {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        },
    })
}

fn number(text: &str) -> Result<Option<Number>, NumberFault> {
    if let Some(digits) = text.strip_prefix("0x").filter(|digits| all(digits, 16)) {
        return whole(false, digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|digits| all(digits, 8)) {
        return whole(false, digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    if all(unsigned, 10) {
        return match unsigned.len() > 1 && unsigned.starts_with('0') {
            true => Err(NumberFault::LeadingZero),
            false => whole(negative, unsigned, 10),
        };
    }
    Ok(special(negative, unsigned, text).or_else(|| decimal(unsigned, text)).map(Number::Float))
}

fn whole(negative: bool, digits: &str, radix: u32) -> Result<Option<Number>, NumberFault> {
    Number::whole(negative, digits, radix).ok_or(NumberFault::Range).map(Some)
}

fn all(digits: &str, radix: u32) -> bool {
    !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))
}

fn special(negative: bool, unsigned: &str, text: &str) -> Option<f64> {
    match (unsigned, text) {
        (".inf" | ".Inf" | ".INF", _) => {
            Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        (_, ".nan" | ".NaN" | ".NAN") => Some(f64::NAN),
        _ => None,
    }
}

/// A number with a fraction or an exponent, of the form that the schema names. What else Rust
/// would parse (`inf`, `1e`, `_`) is text.
fn decimal(unsigned: &str, text: &str) -> Option<f64> {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent
        .is_none_or(|exponent| all(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), 10));
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => all(fraction, 10),
        Some((whole, fraction)) => all(whole, 10) && (fraction.is_empty() || all(fraction, 10)),
        None => all(mantissa, 10),
    };
    if exponent_fits && mantissa_fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> Value {
        Value::String(source.to_owned())
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        assert_eq!(resolve("true"), Ok(Value::Bool(true)));
        assert_eq!(resolve("FALSE"), Ok(Value::Bool(false)));
        for word in ["yes", "no", "on", "off", "y", "n", "tRue"] {
            assert_eq!(resolve(word), Ok(text(word)));
        }
    }

    #[test]
    fn what_only_resembles_a_number_is_text() {
        let words = [
            "1_000",
            "12:30",
            "2024-01-01",
            "1.2.3",
            "0x",
            "0b1",
            "e5",
            ".",
            "-",
            "+.nan",
            "1e",
            "inf",
            "nan",
            "-0x1",
            "1e5x",
            "15m",
        ];
        for word in words {
            assert_eq!(resolve(word), Ok(text(word)), "{word}");
        }
    }

    #[test]
    fn numbers_keep_their_sort() {
        let whole = |number| Ok(Value::Number(Number::Unsigned(number)));
        let float = |number| Ok(Value::Number(Number::Float(number)));
        assert_eq!(resolve("0"), whole(0));
        assert_eq!(resolve("+12"), whole(12));
        assert_eq!(resolve("0o17"), whole(15));
        assert_eq!(resolve("0xfF"), whole(255));
        assert_eq!(resolve("-3"), Ok(Value::Number(Number::Negative(-3))));
        assert_eq!(resolve("1."), float(1.0));
        assert_eq!(resolve(".5"), float(0.5));
        assert_eq!(resolve("-1.5e-3"), float(-0.0015));
        assert_eq!(resolve("1e3"), float(1000.0));
        assert_eq!(resolve("-.inf"), float(f64::NEG_INFINITY));
    }

    #[test]
    fn a_number_that_readers_take_differently_is_refused() {
        assert_eq!(resolve("0644"), Err(NumberFault::LeadingZero));
        assert_eq!(resolve("-01"), Err(NumberFault::LeadingZero));
        assert_eq!(resolve("18446744073709551616"), Err(NumberFault::Range));
        assert_eq!(resolve("0xfffffffffffffffff"), Err(NumberFault::Range));
    }
}
