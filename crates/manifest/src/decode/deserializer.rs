//! Serde's view of the tree. Wherever a type asks for the next value or key, an error that comes
//! back gets that value or key as its place.

use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, Found, Kind, Place};
use super::hole::Hole;
use super::wording;
use crate::tree::{Entry, Node, Number, Value};

/// What one pass leaves out or makes up, so that it gets past the mistakes of earlier passes.
/// Values are told apart by their address.
#[derive(Default)]
pub(super) struct Patch {
    skipped: HashSet<*const Node>,
    holes: Vec<(*const Node, &'static str)>,
}

impl Patch {
    /// Whether a pass sees all that is there, and nothing else.
    pub(super) fn is_empty(&self) -> bool {
        self.skipped.is_empty() && self.holes.is_empty()
    }

    pub(super) fn skip(&mut self, node: &Node) {
        self.skipped.insert(node);
    }

    pub(super) fn skips(&self, node: &Node) -> bool {
        self.skipped.contains(&std::ptr::from_ref(node))
    }

    /// Makes up a value for a field that a map lacks; `false` if it has one already.
    pub(super) fn fill(&mut self, map: &Node, field: &'static str) -> bool {
        let hole = (std::ptr::from_ref(map), field);
        let new = !self.holes.contains(&hole);
        self.holes.push(hole);
        new
    }

    /// Whether anything at or below a value is left out or made up.
    pub(super) fn touches(&self, node: &Node) -> bool {
        node.any(&mut |node| self.skips(node) || !self.holes_of(node).is_empty())
    }

    fn holes_of(&self, map: &Node) -> Vec<&'static str> {
        let of_map = |&&(node, _): &&(*const Node, _)| std::ptr::eq(node, map);
        self.holes.iter().filter(of_map).map(|&(_, field)| field).collect()
    }
}

/// A value as serde sees it.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'de, 'p> {
    pub(super) node: &'de Node,
    pub(super) patch: &'p Patch,
}

impl<'de, 'p> NodeDeserializer<'de, 'p> {
    /// Decodes the value, and says of an error without a place that it is here.
    pub(super) fn decode<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault<'de>> {
        seed.deserialize(self).map_err(|fault| fault.at(Place::Value(self.node)))
    }

    fn elements(self, elements: &'de [Node]) -> Elements<'de, 'p> {
        Elements { elements: elements.iter(), patch: self.patch }
    }

    fn entries(self, entries: &'de [Entry]) -> Entries<'de, 'p> {
        let holes = self.patch.holes_of(self.node);
        Entries { entries: entries.iter(), value: None, holes, node: self.node, patch: self.patch }
    }

    fn wrong_type(self, expected: String) -> Fault<'de> {
        Fault::new(Kind::WrongType { found: Found::of(self.node), expected })
    }

    fn visit_seq<V: Visitor<'de>>(
        self,
        elements: &'de [Node],
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        let mut elements_left = self.elements(elements);
        let value = visitor.visit_seq(&mut elements_left)?;
        match elements_left.elements.len() {
            0 => Ok(value),
            left => {
                let expected = format!("a list of {}", elements.len() - left);
                Err(Fault::new(Kind::InvalidLength { length: elements.len(), expected }))
            }
        }
    }
}

impl<'de, 'p> de::Deserializer<'de> for NodeDeserializer<'de, 'p> {
    type Error = Fault<'de>;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(Number::Unsigned(number)) => visitor.visit_u64(*number),
            Value::Number(Number::Negative(number)) => visitor.visit_i64(*number),
            Value::Number(Number::Float(number)) => visitor.visit_f64(*number),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Seq(elements) => self.visit_seq(elements, visitor),
            Value::Map(entries) => visitor.visit_map(self.entries(entries)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        visitor.visit_newtype_struct(self)
    }

    /// A struct is a map. Derived types would take a list for their fields in order, too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        match self.node.value {
            Value::Seq(_) => Err(self.wrong_type("a map".to_owned())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        let Value::Map(entries) = &self.node.value else {
            return match self.node.as_str() {
                Some(_) => visitor.visit_enum(Variant { holder: self, entry: None }),
                None => Err(self.wrong_type(wording::one_of(variants))),
            };
        };
        let mut present = entries.iter().filter(|entry| !self.patch.skips(&entry.value));
        match (present.next(), present.next()) {
            (Some(entry), None) => visitor.visit_enum(Variant { holder: self, entry: Some(entry) }),
            _ => {
                let expected = format!("a map with one key, {}", wording::one_of(variants));
                Err(Fault::new(Kind::InvalidLength { length: entries.len(), expected }))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// The elements of a list that are not skipped.
struct Elements<'de, 'p> {
    elements: std::slice::Iter<'de, Node>,
    patch: &'p Patch,
}

impl<'de, 'p> SeqAccess<'de> for Elements<'de, 'p> {
    type Error = Fault<'de>;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault<'de>> {
        match self.elements.find(|element| !self.patch.skips(element)) {
            Some(node) => NodeDeserializer { node, patch: self.patch }.decode(seed).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.elements.size_hint().1
    }
}

/// The entries of a map that are not skipped, and after them those that are made up.
struct Entries<'de, 'p> {
    entries: std::slice::Iter<'de, Entry>,
    /// The value of the key that was read last; none if that was made up.
    value: Option<&'de Node>,
    holes: Vec<&'static str>,
    node: &'de Node,
    patch: &'p Patch,
}

impl<'de, 'p> MapAccess<'de> for Entries<'de, 'p> {
    type Error = Fault<'de>;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault<'de>> {
        if let Some(entry) = self.entries.find(|entry| !self.patch.skips(&entry.value)) {
            self.value = Some(&entry.value);
            let key = KeyDeserializer { key: &entry.key };
            return seed.deserialize(key).map(Some).map_err(|fault| fault.at(Place::Key(entry)));
        }
        self.value = None;
        let Some(key) = self.holes.pop() else { return Ok(None) };
        let key = KeyDeserializer { key };
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(Place::Hole(self.node)))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Fault<'de>> {
        match self.value.take() {
            Some(node) => NodeDeserializer { node, patch: self.patch }.decode(seed),
            None => seed.deserialize(Hole).map_err(|fault| fault.at(Place::Hole(self.node))),
        }
    }
}

/// A key of a map. Keys are text; a type of key that is a number or a boolean reads it from that.
struct KeyDeserializer<'de> {
    key: &'de str,
}

macro_rules! deserialize_parsed_key {
    ($($deserialize:ident => $visit:ident),* $(,)?) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
            match self.key.parse() {
                Ok(key) => visitor.$visit(key),
                Err(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for KeyDeserializer<'de> {
    type Error = Fault<'de>;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        visitor.visit_borrowed_str(self.key)
    }

    deserialize_parsed_key! {
        deserialize_bool => visit_bool,
        deserialize_i8 => visit_i8, deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32, deserialize_i64 => visit_i64,
        deserialize_u8 => visit_u8, deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32, deserialize_u64 => visit_u64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault<'de>> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        let key: StrDeserializer<'de, Fault<'de>> = self.key.into_deserializer();
        key.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }
}

/// A variant of an enum: text, or a map whose one key names it.
struct Variant<'de, 'p> {
    holder: NodeDeserializer<'de, 'p>,
    entry: Option<&'de Entry>,
}

impl<'de, 'p> EnumAccess<'de> for Variant<'de, 'p> {
    type Error = Fault<'de>;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Fault<'de>> {
        let (name, place) = match self.entry {
            Some(entry) => (entry.key.as_str(), Place::Key(entry)),
            None => (self.holder.node.as_str().unwrap_or_default(), Place::Value(self.holder.node)),
        };
        let variant = seed.deserialize(KeyDeserializer { key: name });
        Ok((variant.map_err(|fault| fault.at(place))?, self))
    }
}

impl<'de, 'p> Variant<'de, 'p> {
    /// The variant's content, which this variant needs.
    fn content(&self) -> Result<NodeDeserializer<'de, 'p>, Fault<'de>> {
        match self.entry {
            Some(entry) => Ok(NodeDeserializer { node: &entry.value, patch: self.holder.patch }),
            None => {
                let name = wording::quoted(self.holder.node.as_str().unwrap_or_default());
                Err(self.holder.wrong_type(format!("a map with the key {name}")))
            }
        }
    }
}

impl<'de, 'p> VariantAccess<'de> for Variant<'de, 'p> {
    type Error = Fault<'de>;

    fn unit_variant(self) -> Result<(), Fault<'de>> {
        match self.entry {
            Some(entry) if entry.value.value != Value::Null => {
                let content = NodeDeserializer { node: &entry.value, patch: self.holder.patch };
                let expected = format!("only the word {}", wording::quoted(&entry.key));
                Err(content.wrong_type(expected).at(Place::Value(&entry.value)))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, Fault<'de>> {
        self.content()?.decode(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault<'de>> {
        let content = self.content()?;
        let place = Place::Value(content.node);
        de::Deserializer::deserialize_seq(content, visitor).map_err(|fault| fault.at(place))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'de>> {
        let content = self.content()?;
        let place = Place::Value(content.node);
        de::Deserializer::deserialize_struct(content, "", fields, visitor)
            .map_err(|fault| fault.at(place))
    }
}
