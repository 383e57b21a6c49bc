//! Values on their way into and out of a statement.
//!
//! Four kinds exist in both databases: nothing, integer, text, bytes. Money,
//! instants and flags are integers (an instant is µs since 1970, UTC); JSON is
//! text. A newtype says once how it is stored, see [`stored_as!`](crate::stored_as).

use std::borrow::Cow;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::error::{Error, Result};

/// An argument of a statement.
#[derive(Clone, PartialEq, Eq)]
pub enum Arg<'a> {
    /// SQL's NULL.
    Null,
    /// An integer, a flag, an instant, an amount.
    Int(i64),
    /// Text or JSON.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

/// Shows the kind only: values are phone numbers, codes and keys.
impl std::fmt::Debug for Arg<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Int(_) => "Int(…)",
            Self::Text(_) => "Text(…)",
            Self::Blob(_) => "Blob(…)",
        })
    }
}

/// The arguments of a statement: `&args![now, limit]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { [$($crate::ToArg::to_arg(&$value)),*] as [$crate::Arg<'_>; _] };
}

/// Can be an argument.
pub trait ToArg {
    /// As an argument.
    fn to_arg(&self) -> Arg<'_>;
}

impl ToArg for Arg<'_> {
    fn to_arg(&self) -> Arg<'_> {
        match self {
            Self::Null => Arg::Null,
            Self::Int(value) => Arg::Int(*value),
            Self::Text(value) => Arg::Text(Cow::Borrowed(value)),
            Self::Blob(value) => Arg::Blob(Cow::Borrowed(value)),
        }
    }
}

impl<T: ToArg + ?Sized> ToArg for &T {
    fn to_arg(&self) -> Arg<'_> {
        (**self).to_arg()
    }
}

impl<T: ToArg> ToArg for Option<T> {
    fn to_arg(&self) -> Arg<'_> {
        self.as_ref().map_or(Arg::Null, ToArg::to_arg)
    }
}

macro_rules! integers {
    ($($kind:ty),*) => { $(
        impl ToArg for $kind {
            fn to_arg(&self) -> Arg<'_> {
                Arg::Int(i64::from(*self))
            }
        }
    )* };
}
integers!(i64, i32, i16, i8, u32, u16, u8, bool);

impl ToArg for str {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Text(Cow::Borrowed(self))
    }
}

impl ToArg for String {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Text(Cow::Borrowed(self))
    }
}

impl ToArg for [u8] {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Blob(Cow::Borrowed(self))
    }
}

impl ToArg for Vec<u8> {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Blob(Cow::Borrowed(self))
    }
}

impl<const N: usize> ToArg for [u8; N] {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Blob(Cow::Borrowed(self))
    }
}

/// One row of a bulk statement.
pub trait ToArgs {
    /// The arguments `$1…$n`.
    fn to_args(&self) -> Vec<Arg<'_>>;
}

impl<T: ToArgs + ?Sized> ToArgs for &T {
    fn to_args(&self) -> Vec<Arg<'_>> {
        (**self).to_args()
    }
}

/// A value as it lies in a row.
#[derive(Debug, Clone, Copy)]
pub enum Value<'r> {
    /// SQL's NULL.
    Null,
    /// An integer or a flag.
    Int(i64),
    /// Text or JSON.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
    /// Something this layer does not read, such as a float or PostgreSQL's NUMERIC
    /// (which `SUM` makes of integers there: write `CAST(SUM(x) AS BIGINT)`).
    Strange(&'static str),
}

impl Value<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Int(_) => "an integer",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
            Self::Strange(what) => what,
        }
    }
}

/// A reader did not find what it expected; the text says what that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch(pub &'static str);

/// Can be read from a column.
pub trait Column: Sized {
    /// Reads the value, or says what was expected.
    ///
    /// # Errors
    /// [`Mismatch`] when the value is of another kind or out of range.
    fn from_value(value: Value<'_>) -> Result<Self, Mismatch>;
}

impl Column for i64 {
    fn from_value(value: Value<'_>) -> Result<Self, Mismatch> {
        match value {
            Value::Int(value) => Ok(value),
            _ => Err(Mismatch("an integer")),
        }
    }
}

macro_rules! narrow_integers {
    ($($kind:ty: $words:literal),*) => { $(
        impl Column for $kind {
            fn from_value(value: Value<'_>) -> Result<Self, Mismatch> {
                <$kind>::try_from(i64::from_value(value)?).map_err(|_| Mismatch($words))
            }
        }
    )* };
}
narrow_integers!(
    i32: "an integer of 32 bits", i16: "an integer of 16 bits", u32: "an unsigned integer of 32 bits",
    u16: "an unsigned integer of 16 bits", u8: "an unsigned integer of 8 bits"
);

impl Column for bool {
    fn from_value(value: Value<'_>) -> Result<Self, Mismatch> {
        match value {
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            _ => Err(Mismatch("0 or 1")),
        }
    }
}

impl Column for String {
    fn from_value(value: Value<'_>) -> Result<Self, Mismatch> {
        match value {
            Value::Text(value) => Ok(value.to_owned()),
            _ => Err(Mismatch("text")),
        }
    }
}

impl Column for Vec<u8> {
    fn from_value(value: Value<'_>) -> Result<Self, Mismatch> {
        match value {
            Value::Blob(value) => Ok(value.to_owned()),
            _ => Err(Mismatch("bytes")),
        }
    }
}

impl<const N: usize> Column for [u8; N] {
    fn from_value(value: Value<'_>) -> Result<Self, Mismatch> {
        match value {
            Value::Blob(value) => value.try_into().map_err(|_| Mismatch("bytes of a fixed length")),
            _ => Err(Mismatch("bytes")),
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn from_value(value: Value<'_>) -> Result<Self, Mismatch> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// Says how a newtype is stored: its inner kind, how to make one, how to open it.
///
/// ```
/// use lango_store::stored_as;
/// struct GrantId(i64);
/// stored_as!(GrantId: i64, |value| Some(GrantId(value)), |id| id.0);
/// ```
///
/// The first closure returns an `Option`: `None` means that no such value is
/// possible and the row is damaged.
#[macro_export]
macro_rules! stored_as {
    ($kind:ty: $inner:ty, |$value:ident| $make:expr, |$this:ident| $open:expr $(,)?) => {
        impl $crate::Column for $kind {
            fn from_value(
                value: $crate::Value<'_>,
            ) -> ::core::result::Result<Self, $crate::Mismatch> {
                let $value: $inner = <$inner as $crate::Column>::from_value(value)?;
                let made: ::core::option::Option<$kind> = $make;
                made.ok_or($crate::Mismatch(concat!("a valid ", stringify!($kind))))
            }
        }
        impl $crate::ToArg for $kind {
            fn to_arg(&self) -> $crate::Arg<'_> {
                let $this = self;
                $crate::IntoArg::into_arg($open)
            }
        }
    };
}

/// What the opening closure of [`stored_as!`](crate::stored_as) may return.
pub trait IntoArg<'a> {
    /// As an argument.
    fn into_arg(self) -> Arg<'a>;
}

impl<'a> IntoArg<'a> for i64 {
    fn into_arg(self) -> Arg<'a> {
        Arg::Int(self)
    }
}

impl<'a> IntoArg<'a> for &'a str {
    fn into_arg(self) -> Arg<'a> {
        Arg::Text(Cow::Borrowed(self))
    }
}

impl<'a> IntoArg<'a> for String {
    fn into_arg(self) -> Arg<'a> {
        Arg::Text(Cow::Owned(self))
    }
}

impl<'a> IntoArg<'a> for &'a [u8] {
    fn into_arg(self) -> Arg<'a> {
        Arg::Blob(Cow::Borrowed(self))
    }
}

impl<'a> IntoArg<'a> for Vec<u8> {
    fn into_arg(self) -> Arg<'a> {
        Arg::Blob(Cow::Owned(self))
    }
}

/// A row of a result.
#[derive(Debug)]
pub struct Row<'r> {
    source: Source<'r>,
    at: &'static str,
}

#[derive(Debug)]
enum Source<'r> {
    Lite(&'r rusqlite::Row<'r>),
    Pg(&'r tokio_postgres::Row),
}

impl<'r> Row<'r> {
    pub(crate) fn lite(row: &'r rusqlite::Row<'r>, at: &'static str) -> Self {
        Self { source: Source::Lite(row), at }
    }

    pub(crate) fn pg(row: &'r tokio_postgres::Row, at: &'static str) -> Self {
        Self { source: Source::Pg(row), at }
    }

    /// The column at this position, from 0.
    ///
    /// # Errors
    /// [`Error::Column`] when there is no such column or it holds something else.
    pub fn get<T: Column>(&self, position: usize) -> Result<T> {
        let value = self.value(position);
        T::from_value(value).map_err(|wrong| self.mismatch(position.to_string(), wrong, value))
    }

    /// The column with this name. Prefer [`Row::get`] on hot paths.
    ///
    /// # Errors
    /// [`Error::Column`] when there is no such column or it holds something else.
    pub fn named<T: Column>(&self, name: &str) -> Result<T> {
        let value =
            self.position(name).map_or(Value::Strange("no such column"), |at| self.value(at));
        T::from_value(value).map_err(|wrong| self.mismatch(name.to_owned(), wrong, value))
    }

    fn mismatch(&self, column: String, expected: Mismatch, found: Value<'_>) -> Error {
        Error::Column { column, at: self.at.to_owned(), expected: expected.0, found: found.kind() }
    }

    fn position(&self, name: &str) -> Option<usize> {
        match self.source {
            Source::Lite(row) => row.as_ref().column_index(name).ok(),
            Source::Pg(row) => row.columns().iter().position(|column| column.name() == name),
        }
    }

    fn value(&self, position: usize) -> Value<'_> {
        match self.source {
            Source::Lite(row) => row.get_ref(position).map_or(NO_COLUMN, from_lite),
            Source::Pg(row) if position < row.len() => {
                row.try_get(position).unwrap_or(Value::Strange("a type this layer does not read"))
            }
            Source::Pg(_) => NO_COLUMN,
        }
    }
}

const NO_COLUMN: Value<'static> = Value::Strange("no such column");

fn from_lite(value: rusqlite::types::ValueRef<'_>) -> Value<'_> {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(_) => Value::Strange("a float"),
        ValueRef::Text(value) => {
            std::str::from_utf8(value).map_or(Value::Strange("text that is not UTF-8"), Value::Text)
        }
        ValueRef::Blob(value) => Value::Blob(value),
    }
}

/// A type of PostgreSQL as this layer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PgKind {
    Int8,
    Int4,
    Int2,
    Bool,
    Text,
    Json,
    Jsonb,
    Bytes,
}

impl PgKind {
    pub(crate) fn of(kind: &Type) -> Option<Self> {
        Some(match *kind {
            Type::INT8 => Self::Int8,
            Type::INT4 => Self::Int4,
            Type::INT2 => Self::Int2,
            Type::BOOL => Self::Bool,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Self::Text,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            Type::BYTEA => Self::Bytes,
            _ => return None,
        })
    }
}

impl<'r> FromSql<'r> for Value<'r> {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, crate::error::Cause> {
        Ok(match PgKind::of(kind) {
            Some(PgKind::Int8) => Self::Int(i64::from_sql(kind, raw)?),
            Some(PgKind::Int4) => Self::Int(i32::from_sql(kind, raw)?.into()),
            Some(PgKind::Int2) => Self::Int(i16::from_sql(kind, raw)?.into()),
            Some(PgKind::Bool) => Self::Int(bool::from_sql(kind, raw)?.into()),
            Some(PgKind::Text | PgKind::Json) => Self::Text(std::str::from_utf8(raw)?),
            // One version byte goes before the text.
            Some(PgKind::Jsonb) => {
                Self::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?)
            }
            Some(PgKind::Bytes) => Self::Blob(raw),
            None => Self::Strange("a type this layer does not read"),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, crate::error::Cause> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Arg<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, crate::error::Cause> {
        match (self, PgKind::of(kind)) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(value), Some(PgKind::Int8)) => value.to_sql(kind, out),
            (Self::Int(value), Some(PgKind::Int4)) => i32::try_from(*value)?.to_sql(kind, out),
            (Self::Int(value), Some(PgKind::Int2)) => i16::try_from(*value)?.to_sql(kind, out),
            (Self::Int(value), Some(PgKind::Bool)) => (*value != 0).to_sql(kind, out),
            (Self::Text(value), Some(PgKind::Text)) => value.as_ref().to_sql(&Type::TEXT, out),
            (Self::Text(value), Some(PgKind::Json)) => {
                out.extend_from_slice(value.as_bytes());
                Ok(IsNull::No)
            }
            (Self::Text(value), Some(PgKind::Jsonb)) => {
                out.extend_from_slice(&[1]);
                out.extend_from_slice(value.as_bytes());
                Ok(IsNull::No)
            }
            (Self::Blob(value), Some(PgKind::Bytes)) => value.as_ref().to_sql(kind, out),
            (argument, _) => Err(format!("{argument:?} cannot be a {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl rusqlite::ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

/// Can be made of a row: a column alone, a tuple of columns, or your own.
pub trait FromRow: Sized {
    /// Reads the row.
    ///
    /// # Errors
    /// [`Error::Column`] from the getters of [`Row`].
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

impl<T: Column> FromRow for T {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        row.get(0)
    }
}

macro_rules! tuples {
    ($($kind:ident $position:tt),*) => {
        impl<$($kind: Column),*> FromRow for ($($kind,)*) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.get::<$kind>($position)?,)*))
            }
        }

        impl<$($kind: ToArg),*> ToArgs for ($($kind,)*) {
            fn to_args(&self) -> Vec<Arg<'_>> {
                vec![$(self.$position.to_arg()),*]
            }
        }
    };
}
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

#[cfg(test)]
mod tests {
    use super::*;

    struct Colour(i64);
    stored_as!(Colour: i64, |value| (value < 3).then_some(Colour(value)), |this| this.0);

    #[test]
    fn a_newtype_refuses_what_it_cannot_be() {
        assert_eq!(Colour(2).to_arg(), Arg::Int(2));
        assert!(Colour::from_value(Value::Int(2)).is_ok_and(|colour| colour.0 == 2));
        assert_eq!(Colour::from_value(Value::Int(9)).err(), Some(Mismatch("a valid Colour")));
        assert_eq!(Colour::from_value(Value::Text("2")).err(), Some(Mismatch("an integer")));
    }

    #[test]
    fn an_argument_never_shows_its_value() {
        assert_eq!(format!("{:?}", args!["0700123456", 5]), "[Text(…), Int(…)]");
    }
}
