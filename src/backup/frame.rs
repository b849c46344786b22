//! Records within the chunks, and rows within the records.

use super::{BackupError, envelope::Opened};
use crate::store::Cell;
use std::io::Read;

/// Kinds of records.
pub(super) mod kind {
    pub(in crate::backup) const BEGINNING: u8 = b'B';
    pub(in crate::backup) const FILE: u8 = b'F';
    pub(in crate::backup) const PIECE: u8 = b'D';
    pub(in crate::backup) const TABLE: u8 = b'T';
    pub(in crate::backup) const ROW: u8 = b'R';
    pub(in crate::backup) const MANIFEST: u8 = b'M';
    pub(in crate::backup) const SIGNATURE: u8 = b'S';
}

/// The longest body: a row with the longest document twice over.
const BODY_MAX: usize = 1 << 31;
/// Octets that are made room for before they have come.
const ROOM: usize = 1 << 20;

/// The five octets before a body.
pub(super) fn head(kind: u8, body: &[u8]) -> Result<[u8; 5], BackupError> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= BODY_MAX);
    let length =
        length.ok_or_else(|| BackupError::DoesNotFit { says: "a row is longer than 2 GiB".into() })?;
    let [a, b, c, d] = length.to_be_bytes();
    Ok([kind, a, b, c, d])
}

/// The next record; `None` at the end.
pub(super) fn next<R: Read>(from: &mut Opened<R>) -> Result<Option<(u8, Vec<u8>)>, BackupError> {
    let mut head = [0; 5];
    if !from.fill(&mut head)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > BODY_MAX {
        return Err(BackupError::damaged("a record is longer than any of ours"));
    }
    let mut body = Vec::new();
    while body.len() < length {
        let had = body.len();
        body.resize(length.min(had + ROOM), 0);
        if !from.fill(&mut body[had..])? {
            return Err(BackupError::damaged("a record breaks off at its end"));
        }
    }
    Ok(Some((head[0], body)))
}

/// A row's body, put into `body`.
pub(super) fn row(cells: &[Cell], body: &mut Vec<u8>) {
    body.clear();
    for cell in cells {
        match cell {
            Cell::Null => body.push(0),
            Cell::Int(number) => {
                body.push(1);
                body.extend_from_slice(&number.to_be_bytes());
            }
            Cell::Text(text) => long(2, text.as_bytes(), body),
            Cell::Bytes(octets) => long(3, octets, body),
        }
    }
}

fn long(mark: u8, octets: &[u8], body: &mut Vec<u8>) {
    body.push(mark);
    // Longer than a record may be: `head` refuses the row.
    body.extend_from_slice(&u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend_from_slice(octets);
}

/// The cells of a row's body.
pub(super) fn cells(body: &[u8]) -> Result<Vec<Cell>, BackupError> {
    let mut rest = body;
    let mut cells = Vec::new();
    while let Some((mark, after)) = rest.split_first() {
        let (cell, after) = match mark {
            0 => (Cell::Null, after),
            1 => {
                let (number, after) = after.split_first_chunk().ok_or_else(bad_row)?;
                (Cell::Int(i64::from_be_bytes(*number)), after)
            }
            2 | 3 => {
                let (length, after) = after.split_first_chunk().ok_or_else(bad_row)?;
                let length = u32::from_be_bytes(*length) as usize;
                let (octets, after) = after.split_at_checked(length).ok_or_else(bad_row)?;
                let cell = match mark {
                    2 => Cell::Text(String::from_utf8(octets.to_vec()).map_err(|_| bad_row())?),
                    _ => Cell::Bytes(octets.to_vec()),
                };
                (cell, after)
            }
            _ => return Err(bad_row()),
        };
        cells.push(cell);
        rest = after;
    }
    Ok(cells)
}

fn bad_row() -> BackupError {
    BackupError::damaged("a row is not readable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was() {
        let cells_in = [
            Cell::Null,
            Cell::Int(i64::MIN),
            Cell::Int(1),
            Cell::Text("某市公章".into()),
            Cell::Text(String::new()),
            Cell::Bytes(vec![0, 255]),
        ];
        let mut body = vec![9; 100];
        row(&cells_in, &mut body);
        assert_eq!(cells(&body).unwrap(), cells_in);
        assert_eq!(cells(&[]).unwrap(), []);
        for length in 1..body.len() {
            // A cut row is refused, or has fewer cells: the table's columns tell.
            if let Ok(cut) = cells(&body[..length]) {
                assert!(cut.len() < cells_in.len());
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_without_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            if let Ok(found) = cells(&body) {
                let mut again = Vec::new();
                row(&found, &mut again);
                proptest::prop_assert_eq!(again, body);
            }
        }
    }
}
