//! A value made up for a missing field, so that a pass gets past it and finds what else is wrong.
//!
//! It takes whatever shape the type asks for. Nothing that is decoded with it ever leaves this
//! crate: a missing field was reported before. Where the type refuses it, the error is known by its
//! place, and the map around it is skipped instead.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Visitor};

use super::fault::{Fault, Kind};

pub(super) struct Hole;

/// Text that most checks of names let pass.
const TEXT: &str = "x";

macro_rules! visit {
    ($($deserialize:ident => $visit:ident($value:expr)),* $(,)?) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
            visitor.$visit($value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Hole {
    type Error = Fault<'de>;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault<'de>> {
        Err(refused())
    }

    visit! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i64(1), deserialize_i16 => visit_i64(1),
        deserialize_i32 => visit_i64(1), deserialize_i64 => visit_i64(1),
        deserialize_u8 => visit_u64(1), deserialize_u16 => visit_u64(1),
        deserialize_u32 => visit_u64(1), deserialize_u64 => visit_u64(1),
        deserialize_f32 => visit_f64(1.0), deserialize_f64 => visit_f64(1.0),
        deserialize_char => visit_char('x'),
        deserialize_str => visit_borrowed_str(TEXT), deserialize_string => visit_borrowed_str(TEXT),
        deserialize_seq => visit_seq(SeqDeserializer::new(std::iter::empty::<()>())),
        deserialize_map => visit_map(MapDeserializer::new(std::iter::empty::<((), ())>())),
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fault<'de>> {
        Err(refused())
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit_struct tuple tuple_struct identifier
    }
}

/// The error of a type that wants a shape which cannot be made up.
fn refused<'de>() -> Fault<'de> {
    Fault::new(Kind::Custom(String::new()))
}
