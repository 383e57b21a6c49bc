//! Values as requests write them, checked while they are read. What the schema says and what is
//! taken are one thing: both are here.

use crate::web::api::problem::Problem;
use lango_domain::quantity::DataSize;
use lango_domain::time::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use std::borrow::Cow;
use std::fmt;

/// One line of text, of so many signs at most, not empty and without control signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line<const MOST: usize>(pub(crate) String);

impl<const MOST: usize> Line<MOST> {
    fn check(text: &str) -> Result<(), String> {
        if text.trim().is_empty() {
            return Err("it must not be empty".to_owned());
        }
        if text.chars().count() > MOST {
            return Err(format!("it must have at most {MOST} signs"));
        }
        if text.chars().any(is_control) {
            return Err("it must be one line without control signs".to_owned());
        }
        Ok(())
    }
}

/// PostgreSQL takes no NUL, people read no escapes.
fn is_control(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}')
}

impl<'de, const MOST: usize> Deserialize<'de> for Line<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Line::<MOST>::check(&text).map_err(D::Error::custom)?;
        Ok(Line(text))
    }
}

impl<const MOST: usize> JsonSchema for Line<MOST> {
    fn schema_name() -> Cow<'static, str> {
        format!("Line{MOST}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // At least one sign that is neither space nor control sign.
        const PATTERN: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*\
                               [^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\s]\
                               [^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$";
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MOST, "pattern": PATTERN })
    }
}

impl<const MOST: usize> fmt::Display for Line<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A length of time in whole seconds, from 1 to ten years.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seconds(pub(crate) i64);

const MOST_SECONDS: i64 = 10 * 366 * 86_400;

impl Seconds {
    pub(crate) fn span(self) -> Span {
        Span::seconds(self.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = i64::deserialize(deserializer)?;
        if (1..=MOST_SECONDS).contains(&seconds) {
            Ok(Seconds(seconds))
        } else {
            Err(D::Error::custom(format!("it must be from 1 to {MOST_SECONDS} seconds")))
        }
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST_SECONDS })
    }
}

/// An amount of data in bytes, from 1 to an exabyte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

const MOST_BYTES: u64 = 1_000_000_000_000_000_000;

impl Bytes {
    pub(crate) fn size(self) -> DataSize {
        DataSize::bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = u64::deserialize(deserializer)?;
        if (1..=MOST_BYTES).contains(&bytes) {
            Ok(Bytes(bytes))
        } else {
            Err(D::Error::custom(format!("it must be from 1 to {MOST_BYTES} bytes")))
        }
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST_BYTES })
    }
}

/// A whole number between two others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Whole<const LEAST: u32, const MOST: u32>(pub(crate) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        if (LEAST..=MOST).contains(&number) {
            Ok(Whole(number))
        } else {
            Err(D::Error::custom(format!("it must be from {LEAST} to {MOST}")))
        }
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Whole<LEAST, MOST> {
    fn schema_name() -> Cow<'static, str> {
        format!("Whole{LEAST}To{MOST}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }
}

/// A field of a change: left out is as it was, null takes it away, a value replaces it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Field<T> {
    #[default]
    AsItWas,
    Gone,
    Now(T),
}

impl<T> Field<T> {
    /// None is as it was; an inner none takes it away.
    pub(crate) fn change(self) -> Option<Option<T>> {
        match self {
            Field::AsItWas => None,
            Field::Gone => Some(None),
            Field::Now(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Field::Gone, Field::Now))
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// Reads JSON and says where it is wrong.
pub(crate) fn read_json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let at = format!("/{}", error.path().to_string().replace('.', "/"));
        let detail = error.inner().to_string();
        Problem::unreadable(detail).at(if at == "/." || at == "//" { "/".to_owned() } else { at })
    })?;
    reader.end().map_err(|error| Problem::unreadable(error.to_string()))?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[allow(dead_code, reason = "only reading it is tested")]
        name: Line<5>,
        #[serde(default)]
        phone: Field<String>,
    }

    #[test]
    fn left_out_null_and_a_value_are_three_things() {
        let read = |text: &str| read_json::<Body>(text.as_bytes()).unwrap().phone.change();
        assert_eq!(read(r#"{"name":"a"}"#), None);
        assert_eq!(read(r#"{"name":"a","phone":null}"#), Some(None));
        assert_eq!(read(r#"{"name":"a","phone":"07"}"#), Some(Some("07".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (wrong, word) in [
            (r#"{"name":""}"#, "empty"),
            (r#"{"name":"abcdef"}"#, "5 signs"),
            ("{\"name\":\"a\\u0000\"}", "control"),
            (r#"{"name":"a","nmae":1}"#, "nmae"),
            (r#"{"name":"a"} x"#, "trailing"),
            ("", "EOF"),
        ] {
            let problem = format!("{:?}", read_json::<Body>(wrong.as_bytes()).unwrap_err());
            assert!(problem.contains(word), "{wrong}: {problem}");
        }
        let problem = read_json::<Body>(br#"{"name":1}"#).unwrap_err();
        assert!(format!("{problem:?}").contains("/name"), "{problem:?}");
    }
}
