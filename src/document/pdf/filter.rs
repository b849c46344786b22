//! Stream filters (ISO 32000-2, 7.4): Flate with predictors, ASCIIHex, ASCII85, RunLength. Each output is bounded.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};

use super::PdfError;
use super::object::{Dict, Object};
use super::syntax::{hex_digit, is_space};

/// Most filters one stream may name.
const MAX_FILTERS: usize = 8;
/// Deflate gives at most this many octets for one.
const MAX_DEFLATE_RATIO: usize = 1032;

type Result<T> = std::result::Result<T, PdfError>;

/// What `/DecodeParms` says about rows of samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Predictor {
    pub(super) kind: i64,
    pub(super) colors: usize,
    pub(super) bits: usize,
    pub(super) columns: usize,
}

/// One step of decoding.
#[derive(Debug, Clone, Copy)]
pub(super) enum Filter {
    Flate(Option<Predictor>),
    AsciiHex,
    Ascii85,
    RunLength,
}

/// The filters that `dict` names, in the order of decoding. `follow` resolves references.
pub(super) fn chain(dict: &Dict, follow: &dyn Fn(&Object) -> Result<Object>) -> Result<Vec<Filter>> {
    if dict.find(b"F").is_some_and(|file| !file.is_null()) {
        return Err(PdfError::Unsupported { what: "a stream kept in another file" });
    }
    let listed = |key: &[u8]| -> Result<Vec<Object>> {
        match follow(dict.find(key).unwrap_or(&Object::Null))? {
            Object::Null => Ok(vec![]),
            Object::Array(items) => items.iter().take(MAX_FILTERS + 1).map(follow).collect(),
            one => Ok(vec![one]),
        }
    };
    let names = listed(b"Filter")?;
    let parameters = listed(b"DecodeParms")?;
    if names.len() > MAX_FILTERS {
        return Err(PdfError::TooLarge { what: "filters on a stream", limit: MAX_FILTERS });
    }
    let mut chain = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let parameters = parameters.get(index).and_then(Object::as_dict);
        chain.push(match name.as_name() {
            Some(b"FlateDecode" | b"Fl") => {
                Filter::Flate(parameters.map(|p| predictor(p, follow)).transpose()?)
            }
            Some(b"ASCIIHexDecode" | b"AHx") => Filter::AsciiHex,
            Some(b"ASCII85Decode" | b"A85") => Filter::Ascii85,
            Some(b"RunLengthDecode" | b"RL") => Filter::RunLength,
            Some(_) => {
                return Err(PdfError::Unsupported {
                    what: "a stream filter other than Flate, ASCII or RunLength",
                });
            }
            None => return Err(PdfError::malformed("a stream's Filter is no name", 0)),
        });
    }
    Ok(chain)
}

fn predictor(parameters: &Dict, follow: &dyn Fn(&Object) -> Result<Object>) -> Result<Predictor> {
    let number = |key: &[u8], default: i64| -> Result<i64> {
        let value = follow(parameters.find(key).unwrap_or(&Object::Null))?;
        if value.is_null() { Ok(default) } else { value.as_integer().ok_or_else(out_of_range) }
    };
    let size = |key: &[u8], default: i64| usize::try_from(number(key, default)?).map_err(|_| out_of_range());
    Ok(Predictor {
        kind: number(b"Predictor", 1)?,
        colors: size(b"Colors", 1)?,
        bits: size(b"BitsPerComponent", 8)?,
        columns: size(b"Columns", 1)?,
    })
}

/// Runs `octets` through `chain`; no step may give more than `limit` octets. `spend` is told what each step cost,
/// also one that failed, so that a caller can bound them all together.
pub(super) fn decode(
    octets: &[u8],
    chain: &[Filter],
    limit: usize,
    spend: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut octets = Cow::Borrowed(octets);
    for filter in chain {
        let output = match filter {
            Filter::Flate(None) => flate(&octets, limit),
            Filter::Flate(Some(predictor)) => {
                flate(&octets, limit).and_then(|rows| unpredict(rows, *predictor))
            }
            Filter::AsciiHex => ascii_hex(&octets),
            Filter::Ascii85 => ascii_85(&octets, limit),
            Filter::RunLength => run_length(&octets, limit),
        };
        let most = octets.len().saturating_mul(MAX_DEFLATE_RATIO).min(limit);
        spend(output.as_ref().map_or(most, Vec::len))?;
        octets = Cow::Owned(output?);
    }
    Ok(octets.into_owned())
}

/// Inflates a zlib stream into at most `limit` octets.
pub(super) fn flate(input: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut inflater = Decompress::new(true);
    let mut output = Vec::new();
    loop {
        if output.len() > limit {
            return Err(too_large(limit));
        }
        output.reserve((input.len().saturating_mul(3)).clamp(4096, 1 << 20));
        let read = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
        let before = output.len();
        let rest = input.get(read..).unwrap_or_default();
        let status =
            inflater.decompress_vec(rest, &mut output, FlushDecompress::None).map_err(|_| broken())?;
        match status {
            Status::StreamEnd if output.len() > limit => return Err(too_large(limit)),
            Status::StreamEnd => return Ok(output),
            _ if output.len() == before && usize::try_from(inflater.total_in()) == Ok(read) => {
                return Err(broken());
            }
            _ => {}
        }
    }
}

/// Undoes a PNG (10…15) or TIFF (2) predictor.
pub(super) fn unpredict(octets: Vec<u8>, predictor: Predictor) -> Result<Vec<u8>> {
    let Predictor { kind, colors, bits, columns } = predictor;
    if kind == 1 {
        return Ok(octets);
    }
    if !(1..=32).contains(&colors) || !matches!(bits, 1 | 2 | 4 | 8 | 16) || !(1..=1 << 24).contains(&columns)
    {
        return Err(out_of_range());
    }
    let row = (colors * bits * columns).div_ceil(8);
    let pixel = (colors * bits).div_ceil(8);
    match kind {
        2 if bits == 8 => Ok(undo_tiff(octets, row, pixel)),
        2 => Err(PdfError::Unsupported { what: "a TIFF predictor of other than 8 bits" }),
        10..=15 => undo_png(octets, row, pixel),
        _ => Err(out_of_range()),
    }
}

fn undo_tiff(mut octets: Vec<u8>, row: usize, pixel: usize) -> Vec<u8> {
    for line in octets.chunks_mut(row) {
        for i in pixel..line.len() {
            line[i] = line[i].wrapping_add(line[i - pixel]);
        }
    }
    octets
}

fn undo_png(octets: Vec<u8>, row: usize, pixel: usize) -> Result<Vec<u8>> {
    let mut output: Vec<u8> = Vec::with_capacity(octets.len());
    for line in octets.chunks(row + 1) {
        let (kind, line) = (line[0], &line[1..]);
        let start = output.len();
        for (i, value) in line.iter().enumerate() {
            let left = if i >= pixel { output[start + i - pixel] } else { 0 };
            let up = if start > 0 { output[start - row + i] } else { 0 };
            let corner = if start > 0 && i >= pixel { output[start - row + i - pixel] } else { 0 };
            let guess = match kind {
                0 => 0,
                1 => left,
                2 => up,
                3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                4 => paeth(left, up, corner),
                _ => return Err(PdfError::malformed("a row has no such PNG filter", 0)),
            };
            output.push(value.wrapping_add(guess));
        }
    }
    Ok(output)
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let estimate = a + b - c;
    let [to_left, to_up, to_corner] = [a, b, c].map(|value| (estimate - value).abs());
    if to_left <= to_up && to_left <= to_corner {
        left
    } else if to_up <= to_corner {
        up
    } else {
        corner
    }
}

/// Hexadecimal digits up to `>`.
pub(super) fn ascii_hex(input: &[u8]) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(input.len() / 2);
    let mut high = None;
    for byte in input.iter().copied().take_while(|b| *b != b'>').filter(|b| !is_space(*b)) {
        if !byte.is_ascii_hexdigit() {
            return Err(PdfError::malformed("an ASCIIHex stream holds something else", 0));
        }
        match high.take() {
            None => high = Some(hex_digit(byte)),
            Some(first) => output.push(first << 4 | hex_digit(byte)),
        }
    }
    output.extend(high.map(|first| first << 4));
    Ok(output)
}

/// Base 85 up to `~>`.
pub(super) fn ascii_85(input: &[u8], limit: usize) -> Result<Vec<u8>> {
    let wrong = || PdfError::malformed("an ASCII85 stream holds something else", 0);
    let mut output = Vec::with_capacity(input.len() / 5 * 4);
    let mut group = [0u8; 5];
    let mut filled = 0;
    for byte in input.iter().copied().take_while(|b| *b != b'~').filter(|b| !is_space(*b)) {
        match byte {
            b'z' if filled == 0 => output.extend([0; 4]),
            b'!'..=b'u' => {
                group[filled] = byte - b'!';
                filled += 1;
            }
            _ => return Err(wrong()),
        }
        if filled == 5 {
            output.extend(group_85(group).ok_or_else(wrong)?);
            filled = 0;
        }
        if output.len() > limit {
            return Err(too_large(limit));
        }
    }
    if filled == 1 {
        return Err(wrong());
    }
    if filled > 1 {
        group[filled..].fill(84);
        output.extend(&group_85(group).ok_or_else(wrong)?[..filled - 1]);
    }
    Ok(output)
}

fn group_85(group: [u8; 5]) -> Option<[u8; 4]> {
    let value = group.iter().fold(0u64, |value, digit| value * 85 + u64::from(*digit));
    u32::try_from(value).ok().map(u32::to_be_bytes)
}

/// Runs: a length octet below 128 copies, above repeats, 128 ends.
pub(super) fn run_length(input: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut output = Vec::new();
    let mut rest = input;
    while let [length, tail @ ..] = rest {
        match (*length, tail) {
            (128, _) => break,
            (copied @ 0..=127, _) => {
                let (run, after) = tail.split_at_checked(usize::from(copied) + 1).ok_or_else(broken)?;
                output.extend_from_slice(run);
                rest = after;
            }
            (repeated, [value, after @ ..]) => {
                output.resize(output.len() + 257 - usize::from(repeated), *value);
                rest = after;
            }
            _ => return Err(broken()),
        }
        if output.len() > limit {
            return Err(too_large(limit));
        }
    }
    Ok(output)
}

fn too_large(limit: usize) -> PdfError {
    PdfError::TooLarge { what: "decoded octets of a stream", limit }
}

fn out_of_range() -> PdfError {
    PdfError::malformed("the parameters of a predictor are out of range", 0)
}

fn broken() -> PdfError {
    PdfError::malformed("a stream's compressed octets are broken", 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn deflated(octets: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn flate_gives_back_what_went_in_and_stops_at_its_limit() {
        let plain: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        let packed = deflated(&plain);
        assert_eq!(flate(&packed, 100_000).unwrap(), plain);
        assert!(matches!(flate(&packed, 99_999), Err(PdfError::TooLarge { .. })));
        assert!(flate(&packed[..packed.len() / 2], 200_000).is_err());
        assert!(flate(b"", 10).is_err());
        assert!(matches!(flate(&deflated(&vec![0; 50_000_000]), 1 << 20), Err(PdfError::TooLarge { .. })));
    }

    #[test]
    fn every_png_filter_is_undone() {
        let predictor = Predictor { kind: 15, colors: 1, bits: 8, columns: 3 };
        let rows = [[0, 1, 2, 3], [1, 1, 1, 1], [2, 1, 1, 1], [3, 10, 10, 10], [4, 1, 1, 1]].concat();
        let plain = unpredict(rows, predictor).unwrap();
        assert_eq!(plain, [1, 2, 3, 1, 2, 3, 2, 3, 4, 11, 17, 20, 12, 18, 21]);
        assert!(unpredict(vec![9, 0, 0, 0], predictor).is_err());
        assert!(unpredict(vec![0; 9], Predictor { columns: usize::MAX, ..predictor }).is_err());
    }

    #[test]
    fn the_text_filters_follow_the_standard() {
        assert_eq!(ascii_hex(b"4 1 42 5>zz").unwrap(), b"ABP");
        assert_eq!(ascii_85(b"87cURD]i,\"Ebo80~>", 99).unwrap(), b"Hello World!");
        assert_eq!(ascii_85(b"z5l~>", 99).unwrap(), [0, 0, 0, 0, b'A']);
        assert!(ascii_85(b"uuuuu~>", 99).is_err());
        assert_eq!(run_length(&[2, 1, 2, 3, 254, 9, 128, 7], 99).unwrap(), [1, 2, 3, 9, 9, 9]);
        assert!(run_length(&[129, 0, 129, 0], 99).is_err());
    }
}
