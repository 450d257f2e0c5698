//! Between Rust values and database columns: ids as text, times and counts as 64-bit integers.

use std::error::Error;
use std::str::FromStr;

use miteos_core::content::Sha256;
use miteos_core::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row};

use crate::error::StoreError;

/// All rows of a query.
pub(crate) fn rows<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params, read)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// The first rows of a query, up to and with the one that brings their sizes to `max_bytes`.
pub(crate) fn rows_within<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    max_bytes: usize,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    size: impl Fn(&T) -> usize,
) -> Result<Vec<T>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    for row in statement.query_map(params, read)? {
        let row = row?;
        bytes = bytes.saturating_add(size(&row));
        found.push(row);
        if bytes >= max_bytes {
            break;
        }
    }
    Ok(found)
}

/// A count as the database stores it. Counts here stay far below 2^63.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn opt_time(value: Option<Timestamp>) -> Option<i64> {
    value.map(|at| int(at.millis()))
}

/// A page size: at most [`crate::MAX_LIST_ROWS`].
pub(crate) fn page(limit: usize) -> i64 {
    int(limit.min(crate::MAX_LIST_ROWS) as u64)
}

pub(crate) fn id<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    parse(column, row.get_ref(column)?.as_str()?)
}

pub(crate) fn opt_id<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    row.get_ref(column)?.as_str_or_null()?.map(|text| parse(column, text)).transpose()
}

pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|source| damaged(column, Type::Integer, source))
}

pub(crate) fn opt_count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|n| u64::try_from(n).map_err(|source| damaged(column, Type::Integer, source))).transpose()
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    count(row, column).map(Timestamp::from_millis)
}

pub(crate) fn time_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(opt_count(row, column)?.map(Timestamp::from_millis))
}

/// A column that holds something this program did not write.
pub(crate) fn damaged(
    column: usize,
    kind: Type,
    source: impl Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(source))
}

fn parse<T>(column: usize, text: &str) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    text.parse().map_err(|source| damaged(column, Type::Text, source))
}

pub(crate) fn sha256(row: &Row<'_>, column: usize) -> rusqlite::Result<Sha256> {
    Sha256::parse(row.get_ref(column)?.as_str()?).ok_or_else(|| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "this is no SHA-256");
        damaged(column, Type::Text, source)
    })
}
