//! The structure of a PNG file: chunks, checksums, header (ISO/IEC 15948, clauses 5 and 11).

use std::sync::Arc;

use flate2::Crc;

use super::{Limits, PngError};

pub(super) const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// What a PNG file says of itself; every chunk's place, length and checksum is checked.
#[derive(Default)]
pub(super) struct File<'a> {
    pub width_px: u32,
    pub height_px: u32,
    depth: u8,
    colour: u8,
    pub interlaced: bool,
    palette: Option<&'a [u8]>,
    ramp: Option<&'a [u8]>,
    rows: Vec<&'a [u8]>,
}

impl<'a> File<'a> {
    pub fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, PngError> {
        let Some(mut rest) = bytes.strip_prefix(SIGNATURE) else { return Err(PngError::NotPng) };
        if bytes.len() > limits.bytes {
            return Err(PngError::TooLarge);
        }
        let mut file = Self::default();
        let mut last = *b"    ";
        // Each turn takes at least twelve octets of at most `limits.bytes`.
        loop {
            let Chunk { kind, content, after } = take_chunk(rest)?;
            if (last == *b"    ") != (kind == *b"IHDR") {
                return Err(PngError::Malformed("IHDR is not the first chunk, or not the only one"));
            }
            if kind == *b"IEND" {
                return file.end(content, after);
            }
            file.take(kind, content, last, limits)?;
            (rest, last) = (after, kind);
        }
    }

    fn take(
        &mut self,
        kind: [u8; 4],
        content: &'a [u8],
        last: [u8; 4],
        limits: &Limits,
    ) -> Result<(), PngError> {
        match &kind {
            b"IHDR" => self.header(content, limits),
            b"PLTE" if self.palette.is_some() || !self.rows.is_empty() => {
                Err(PngError::Malformed("PLTE out of place"))
            }
            b"PLTE" => {
                self.palette = Some(content);
                Ok(())
            }
            b"tRNS" if self.ramp.is_some() || !self.rows.is_empty() => {
                Err(PngError::Malformed("tRNS out of place"))
            }
            b"tRNS" => {
                self.ramp = Some(content);
                Ok(())
            }
            b"IDAT" if !self.rows.is_empty() && last != kind => {
                Err(PngError::Malformed("IDAT chunks lie apart"))
            }
            b"IDAT" => {
                self.rows.push(content);
                Ok(())
            }
            b"acTL" | b"fcTL" | b"fdAT" => Err(PngError::Animated),
            // Bit 5 of the first letter clear: a chunk without which the picture can't be understood.
            [first, ..] if first & 0x20 == 0 => Err(PngError::Malformed("unknown critical chunk")),
            _ => Ok(()),
        }
    }

    fn header(&mut self, content: &[u8], limits: &Limits) -> Result<(), PngError> {
        let Ok([w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, packing, filters, interlace]) =
            <[u8; 13]>::try_from(content)
        else {
            return Err(PngError::Malformed("IHDR has not 13 octets"));
        };
        (self.width_px, self.height_px) =
            (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
        (self.depth, self.colour, self.interlaced) = (depth, colour, interlace == 1);
        // ISO/IEC 15948, table 11.1.
        let known =
            matches!((colour, depth), (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) | (2 | 4 | 6, 8 | 16));
        if self.width_px == 0
            || self.height_px == 0
            || !known
            || packing != 0
            || filters != 0
            || interlace > 1
        {
            return Err(PngError::Malformed("IHDR holds values that don't exist"));
        }
        if self.width_px > limits.side_px || self.height_px > limits.side_px {
            return Err(PngError::TooLarge);
        }
        Ok(())
    }

    fn end(self, content: &[u8], after: &[u8]) -> Result<Self, PngError> {
        if !content.is_empty() || !after.is_empty() {
            return Err(PngError::Malformed("bytes after the end"));
        }
        if self.rows.iter().all(|r| r.is_empty()) {
            return Err(PngError::Malformed("no pixels"));
        }
        self.check_palette()?;
        Ok(self)
    }

    /// Lengths of palette and transparency: the decoder panics on a palette that ends within a colour.
    fn check_palette(&self) -> Result<(), PngError> {
        let entries = self.palette.map(|p| p.len() / 3);
        let whole = self.palette.is_none_or(|p| p.len() % 3 == 0 && (3..=768).contains(&p.len()));
        if !whole || (self.colour == 3 && entries.is_none()) {
            return Err(PngError::Malformed("no palette, or one of an odd length"));
        }
        let fits = match (self.ramp.map(<[u8]>::len), self.colour) {
            (None, _) => true,
            (Some(length), 0) => length == 2,
            (Some(length), 2) => length == 6,
            (Some(length), 3) => entries.is_some_and(|n| (1..=n).contains(&length)),
            _ => false,
        };
        if fits { Ok(()) } else { Err(PngError::Malformed("transparency of an odd length")) }
    }

    /// The one colour, if the file has the form of [`encode_mask`].
    pub fn mask_colour(&self) -> Option<[u8; 3]> {
        if self.colour != 3 || self.depth != 8 || self.interlaced {
            return None;
        }
        let ramp = self.ramp?;
        let identity = ramp.len() == 256 && ramp.iter().zip(0u8..=255).all(|(found, index)| *found == index);
        let (colours, []) = self.palette?.as_chunks::<3>() else { return None };
        let (first, others) = colours.split_first()?;
        (identity && others.len() == 255 && others.iter().all(|c| c == first)).then_some(*first)
    }

    /// The compressed rows as received, all IDAT chunks joined.
    pub fn idat(&self) -> Result<Arc<[u8]>, PngError> {
        let joined: Vec<u8> = self.rows.concat();
        let [cmf, flg, ..] = joined[..] else { return Err(PngError::Malformed("no zlib stream")) };
        // RFC 1950: deflate, window of at most 32 kB, no preset dictionary, check bits.
        let header = cmf & 0x0F == 8
            && cmf >> 4 <= 7
            && flg & 0x20 == 0
            && (u32::from(cmf) << 8 | u32::from(flg)).is_multiple_of(31);
        // Deflate shrinks 1032-fold at most: fewer octets than that cannot hold the rows.
        let rows = (u64::from(self.width_px) + 1) * u64::from(self.height_px);
        if !header || (joined.len() as u64).saturating_mul(1032) < rows {
            return Err(PngError::Malformed("no zlib stream that could hold the rows"));
        }
        Ok(joined.into())
    }
}

/// A chunk whose checksum holds, and what follows it.
struct Chunk<'a> {
    kind: [u8; 4],
    content: &'a [u8],
    after: &'a [u8],
}

fn take_chunk(bytes: &[u8]) -> Result<Chunk<'_>, PngError> {
    const CUT: PngError = PngError::Malformed("the file ends early");
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(CUT)?;
    let length = u32::from_be_bytes(*length) as usize;
    // Checked before use: `length` is outside's word.
    let (body, rest) = length.checked_add(4).and_then(|n| rest.split_at_checked(n)).ok_or(CUT)?;
    let (checksum, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
    let (kind, content) = body.split_first_chunk::<4>().ok_or(CUT)?;
    let mut crc = Crc::new();
    crc.update(body);
    if crc.sum() != u32::from_be_bytes(*checksum) {
        return Err(PngError::Malformed("a chunk's checksum is wrong"));
    }
    Ok(Chunk { kind: *kind, content, after: rest })
}

pub(super) fn put_chunk(png: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(content);
    png.extend((content.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(content);
    png.extend(crc.sum().to_be_bytes());
}
