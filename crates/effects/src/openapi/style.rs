//! How values of parameters are written (OpenAPI 3, "Style Values"; Swagger 2, `collectionFormat`).

use serde_json::Value as Json;

use crate::json::text;

/// A way to write a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) shape: Shape,
    /// Whether each element of a list and field of an object stands for itself.
    pub(super) explode: bool,
    /// Whether characters that mean something in URIs stay as they are.
    pub(super) allow_reserved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `a,b`
    Simple,
    /// `.a.b`
    Label,
    /// `;name=a,b`
    Matrix,
    /// `name=a,b`, or exploded `name=a&name=b`
    Form,
    /// `name=a|b`
    Delimited(&'static str),
    /// `name[field]=a`
    Deep,
    /// JSON
    Json,
}

impl Style {
    /// The value in a place of its own: a path, a header. `encode` is what the place does to texts;
    /// what the style itself writes stays.
    pub(super) fn inline(
        self,
        name: &str,
        value: &Json,
        encode: impl Fn(&str) -> String,
    ) -> String {
        let one = |value: &Json| encode(&text(value));
        let fields = |between: &str, separator: &str| match value {
            Json::Array(all) => all.iter().map(one).collect::<Vec<_>>().join(separator),
            Json::Object(fields) => {
                let fields =
                    fields.iter().map(|(k, v)| format!("{}{between}{}", encode(k), one(v)));
                fields.collect::<Vec<_>>().join(separator)
            }
            value => one(value),
        };
        let between = if self.explode { "=" } else { "," };
        match self.shape {
            Shape::Label => format!(".{}", fields(between, if self.explode { "." } else { "," })),
            Shape::Matrix => match (value, self.explode) {
                (Json::Array(all), true) => {
                    all.iter().map(|it| format!(";{name}={}", one(it))).collect()
                }
                (Json::Object(fields), true) => {
                    fields.iter().map(|(k, v)| format!(";{}={}", encode(k), one(v))).collect()
                }
                _ => format!(";{name}={}", fields(",", ",")),
            },
            Shape::Json => encode(&value.to_string()),
            Shape::Delimited(separator) => fields(between, &encode(separator)),
            _ => fields(between, ","),
        }
    }

    /// The value as names and values of a query or a form, not encoded.
    pub(super) fn pairs(self, name: &str, value: &Json) -> Vec<(String, String)> {
        let named = |value: String| vec![(name.to_owned(), value)];
        match (self.shape, value) {
            (Shape::Json, value) => named(value.to_string()),
            (Shape::Deep, Json::Object(fields)) => {
                fields.iter().map(|(k, v)| (format!("{name}[{k}]"), text(v))).collect()
            }
            (_, Json::Array(all)) if self.explode => {
                all.iter().map(|it| (name.to_owned(), text(it))).collect()
            }
            (_, Json::Object(fields)) if self.explode => {
                fields.iter().map(|(k, v)| (k.clone(), text(v))).collect()
            }
            (shape, Json::Array(all)) => {
                let separator = if let Shape::Delimited(it) = shape { it } else { "," };
                named(all.iter().map(text).collect::<Vec<_>>().join(separator))
            }
            (_, Json::Object(fields)) => {
                let flat = fields.iter().flat_map(|(k, v)| [k.clone(), text(v)]);
                named(flat.collect::<Vec<_>>().join(","))
            }
            (_, value) => named(text(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn style(shape: Shape, explode: bool) -> Style {
        Style { shape, explode, allow_reserved: false }
    }

    /// The table "Style Examples" of OpenAPI 3.1.
    #[test]
    fn the_examples_of_the_standard_come_out() {
        let (text, list, object) =
            (json!("blue"), json!(["blue", "black"]), json!({"R": 100, "G": 200}));
        for (shape, explode, expected) in [
            (Shape::Matrix, false, [";color=blue", ";color=blue,black", ";color=R,100,G,200"]),
            (Shape::Matrix, true, [";color=blue", ";color=blue;color=black", ";R=100;G=200"]),
            (Shape::Label, false, [".blue", ".blue,black", ".R,100,G,200"]),
            (Shape::Label, true, [".blue", ".blue.black", ".R=100.G=200"]),
            (Shape::Simple, false, ["blue", "blue,black", "R,100,G,200"]),
            (Shape::Simple, true, ["blue", "blue,black", "R=100,G=200"]),
        ] {
            for (value, expected) in [&text, &list, &object].into_iter().zip(expected) {
                let written = style(shape, explode).inline("color", value, str::to_owned);
                assert_eq!(in_any_order(&written), in_any_order(expected), "{shape:?} {explode}");
            }
        }
        for (shape, explode, expected) in [
            (Shape::Form, false, ["color=blue", "color=blue,black", "color=R,100,G,200"]),
            (Shape::Form, true, ["color=blue", "color=blue&color=black", "R=100&G=200"]),
        ] {
            for (value, expected) in [&text, &list, &object].into_iter().zip(expected) {
                let pairs = style(shape, explode).pairs("color", value);
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
                assert_eq!(in_any_order(&pairs.join("&")), in_any_order(expected));
            }
        }
        let pairs = style(Shape::Deep, true).pairs("color", &json!({"R": 100}));
        assert_eq!(pairs, [("color[R]".to_owned(), "100".to_owned())]);
        let pairs = style(Shape::Delimited("|"), false).pairs("color", &list);
        assert_eq!(pairs, [("color".to_owned(), "blue|black".to_owned())]);
    }

    /// Objects of JSON keep the order of their fields or not, as whoever builds it decides.
    fn in_any_order(text: &str) -> Vec<char> {
        let mut all: Vec<char> = text.chars().collect();
        all.sort_unstable();
        all
    }
}
