//! Amounts of cpu and memory, as integers with units.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use schemars::r#gen::SchemaGenerator;
use schemars::schema::{InstanceType, Metadata, Schema, SchemaObject, SubschemaValidation};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A share of cpu in thousandths of a core. A number is millicores; a text may
/// also be `500m` or, in cores, `1.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Millicores(pub u64);

/// An amount of memory in bytes. A number is bytes; a text may carry a unit:
/// `64MiB`, `64Mi`, `64MB`, `64M`, and so on up to `Ti`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not an amount of cpu.
    #[error("`{0}` is not an amount of cpu: write millicores (500, \"500m\") or cores (\"1.5\")")]
    Cpu(String),
    /// Not an amount of memory.
    #[error("`{0}` is not an amount of memory: write bytes or a unit, such as 64MiB or 2GiB")]
    Memory(String),
}

impl FromStr for Millicores {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError::Cpu(crate::limits::clip(text, 40));
        if let Some(millis) = text.strip_suffix('m') {
            return millis.parse().map(Self).map_err(|_| error());
        }
        let cores = scaled(text, 1000).ok_or_else(error)?;
        Ok(Self(cores))
    }
}

impl Millicores {
    /// As people count: cores, such as `1.5`.
    #[must_use]
    pub fn in_cores(self) -> impl fmt::Display {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

const UNITS: [(&str, u64); 17] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1000),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(suffix, size)| Some((text.strip_suffix(suffix)?.trim_end(), *size)))
            .unwrap_or((text, 1));
        scaled(number, unit)
            .map(Self)
            .ok_or_else(|| QuantityError::Memory(crate::limits::clip(text, 40)))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= size {
                let tenths = (u128::from(self.0) * 10 / u128::from(size)) as u64;
                return match tenths % 10 {
                    0 => write!(f, "{}{unit}", tenths / 10),
                    tenth => write!(f, "{}.{tenth}{unit}", tenths / 10),
                };
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// A decimal number times `unit`, exactly; none when it is no such number, has
/// more than nine decimals, or does not fit.
fn scaled(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || !digits(whole)
        || !digits(fraction)
        || fraction.len() > 9
        || text.ends_with('.')
    {
        return None;
    }
    let denominator = 10u128.pow(fraction.len() as u32);
    let numerator: u128 = format!("{whole}{fraction}").parse().ok()?;
    u64::try_from(numerator.checked_mul(u128::from(unit))? / denominator).ok()
}

macro_rules! number_or_text {
    ($type:ident, $name:literal, $expecting:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Amount;
                impl de::Visitor<'_> for Amount {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_u64<E: de::Error>(self, value: u64) -> Result<$type, E> {
                        Ok($type(value))
                    }
                    fn visit_i64<E: de::Error>(self, value: i64) -> Result<$type, E> {
                        u64::try_from(value)
                            .map($type)
                            .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Amount)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> String {
                $name.to_owned()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let one = |instance_type: InstanceType| {
                    Schema::from(SchemaObject {
                        instance_type: Some(instance_type.into()),
                        ..Default::default()
                    })
                };
                SchemaObject {
                    subschemas: Some(Box::new(SubschemaValidation {
                        any_of: Some(vec![one(InstanceType::Integer), one(InstanceType::String)]),
                        ..Default::default()
                    })),
                    metadata: Some(Box::new(Metadata {
                        description: Some($expecting.to_owned()),
                        ..Default::default()
                    })),
                    ..Default::default()
                }
                .into()
            }
        }
    };
}

number_or_text!(
    Millicores,
    "Millicores",
    "an amount of cpu: millicores (500, \"500m\") or cores (\"1.5\")"
);
number_or_text!(Bytes, "Bytes", "an amount of memory: bytes, or a text with a unit such as 64MiB");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_in_millicores_and_cores() {
        for (text, millis) in [("500m", 500), ("1.5", 1500), ("2", 2000), ("0.001", 1)] {
            assert_eq!(text.parse::<Millicores>().unwrap().0, millis, "{text}");
        }
        for bad in ["", "m", "-1", "1.", ".5", "1e3", "1,5", "99999999999999999999"] {
            assert!(bad.parse::<Millicores>().is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<Millicores>("250").unwrap().0, 250);
        assert!(serde_json::from_str::<Millicores>("-250").is_err());
    }

    #[test]
    fn memory_is_read_with_units() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("64Mi", 64 << 20),
            ("64M", 64_000_000),
            ("1.5GiB", 3 << 29),
            ("512", 512),
            ("7B", 7),
        ] {
            assert_eq!(text.parse::<Bytes>().unwrap().0, bytes, "{text}");
        }
        for bad in ["", "MiB", "1 potato", "-5M", "1.5.5G", "18446744073709551616"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!(Bytes(3 << 29).to_string(), "1.5GiB");
        assert_eq!(Bytes(64 << 20).to_string(), "64MiB");
    }
}
