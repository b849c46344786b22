//! Statements, the values bound to them, and what reads a row.

use super::{Row, StoreError};
use crate::base::Timestamp;

/// One SQL statement under a name that logs and errors show instead of its text. Parameters are `$1`, `$2`, … in both.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// `seal.find`: the room, then what it does.
    pub name: &'static str,
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

impl Statement {
    /// One text for both engines.
    pub const fn portable(name: &'static str, sql: &'static str) -> Self {
        Self { name, sqlite: sql, postgres: sql }
    }

    /// The text for SQLite, for the test that asks how it is answered.
    pub const fn on_sqlite(&self) -> &'static str {
        self.sqlite
    }

    /// A text for each, where one cannot serve both.
    pub const fn split(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self { name, sqlite, postgres }
    }
}

/// A value to bind. `None` is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// `TEXT`.
    Text(Option<&'a str>),
    /// `INTEGER` in SQLite, `BIGINT` in PostgreSQL.
    Int(Option<i64>),
    /// `BLOB`, `BYTEA`.
    Bytes(Option<&'a [u8]>),
    /// `INTEGER` 0 or 1, `BOOLEAN`.
    Bool(Option<bool>),
}

/// What a row becomes.
pub trait FromRow: Sized {
    /// Reads the columns by their place, from 0. Fails where a column is missing, NULL or of another type.
    fn from_row(row: &Row) -> Result<Self, StoreError>;
}

macro_rules! values {
    ($($from:ty, $value:ident => $made:expr;)*) => {$(
        impl<'a> From<$from> for Value<'a> {
            fn from($value: $from) -> Self {
                $made
            }
        }
    )*};
}

values! {
    &'a str, text => Self::Text(Some(text));
    &'a String, text => Self::Text(Some(text));
    Option<&'a str>, text => Self::Text(text);
    &'a Option<String>, text => Self::Text(text.as_deref());
    i64, number => Self::Int(Some(number));
    Option<i64>, number => Self::Int(number);
    u32, number => Self::Int(Some(i64::from(number)));
    &'a [u8], bytes => Self::Bytes(Some(bytes));
    &'a Vec<u8>, bytes => Self::Bytes(Some(bytes));
    Option<&'a [u8]>, bytes => Self::Bytes(bytes);
    bool, truth => Self::Bool(Some(truth));
    Option<bool>, truth => Self::Bool(truth);
    Timestamp, instant => Self::Int(Some(instant.ms()));
    Option<Timestamp>, instant => Self::Int(instant.map(Timestamp::ms));
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

macro_rules! single_columns {
    ($($type:ty => $read:ident;)*) => {$(
        impl FromRow for $type {
            fn from_row(row: &Row) -> Result<Self, StoreError> {
                row.$read(0)
            }
        }
    )*};
}

single_columns! {
    String => text;
    Option<String> => opt_text;
    i64 => int;
    Option<i64> => opt_int;
    Vec<u8> => bytes;
    Option<Vec<u8>> => opt_bytes;
    bool => bool;
    Timestamp => timestamp;
    Option<Timestamp> => opt_timestamp;
}
