//! Just enough ZIP to take signatures out of sample OFD files. Real reading of OFD is another room's.

use flate2::{Decompress, FlushDecompress};

fn number(bytes: &[u8], at: usize, octets: usize) -> usize {
    bytes[at..at + octets].iter().rev().fold(0, |sum, &octet| sum << 8 | usize::from(octet))
}

/// Every entry of the central directory, with its name.
pub(super) fn entries(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let end = file.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let (count, mut at) = (number(file, end + 10, 2), number(file, end + 16, 4));
    let mut found = Vec::new();
    for _ in 0..count {
        assert_eq!(&file[at..at + 4], b"PK\x01\x02");
        let (method, packed, size) =
            (number(file, at + 10, 2), number(file, at + 20, 4), number(file, at + 24, 4));
        let lengths = [28, 30, 32].map(|field| number(file, at + field, 2));
        let name = String::from_utf8(file[at + 46..at + 46 + lengths[0]].to_vec()).unwrap();
        let local = number(file, at + 42, 4);
        let start = local + 30 + number(file, local + 26, 2) + number(file, local + 28, 2);
        found.push((name, unpack(&file[start..start + packed], method, size)));
        at += 46 + lengths.iter().sum::<usize>();
    }
    found
}

fn unpack(packed: &[u8], method: usize, size: usize) -> Vec<u8> {
    if method == 0 {
        return packed.to_vec();
    }
    let mut out = Vec::with_capacity(size);
    Decompress::new(false).decompress_vec(packed, &mut out, FlushDecompress::Finish).unwrap();
    out
}
