//! How long an ASN.1 element is, by its own length octets: enough to cut a value off its padding.

/// Elements of indefinite length in one another.
const MAX_OPEN: usize = 64;

/// Octets of the first element in `octets`, head included; definite (DER) and indefinite (BER) lengths. `None` where
/// it does not end within `octets`.
pub(super) fn encoded_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut open = 0usize;
    loop {
        let head = head(octets.get(at..)?)?;
        at = at.checked_add(head.octets)?;
        match head.content {
            _ if head.ends_contents => open = open.checked_sub(1)?,
            Some(content) => at = at.checked_add(content).filter(|at| *at <= octets.len())?,
            None if open == MAX_OPEN => return None,
            None => open += 1,
        }
        if open == 0 {
            return Some(at);
        }
    }
}

/// The identifier and length of an element.
struct Head {
    octets: usize,
    /// `None`: until end-of-contents.
    content: Option<usize>,
    ends_contents: bool,
}

fn head(octets: &[u8]) -> Option<Head> {
    let [tag, rest @ ..] = octets else { return None };
    let mut identifier = 1;
    if tag & 0x1f == 0x1f {
        identifier += rest.iter().take(5).position(|octet| octet & 0x80 == 0)? + 1;
    }
    let length = octets.get(identifier..)?;
    let (octets, content) = match length {
        [0x80, ..] if tag & 0x20 != 0 => (identifier + 1, None),
        [short @ 0..=0x7f, ..] => (identifier + 1, Some(usize::from(*short))),
        [long, digits @ ..] => {
            let count = usize::from(long & 0x7f);
            let digits = digits.get(..count).filter(|_| (1..=4).contains(&count))?;
            let value = digits.iter().fold(0, |value, digit| value << 8 | usize::from(*digit));
            (identifier + 1 + count, Some(value))
        }
        [] => return None,
    };
    Some(Head { octets, content, ends_contents: *tag == 0 && content == Some(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_says_where_it_ends() {
        let table: &[(&[u8], Option<usize>)] = &[
            (b"\x30\x03\x02\x01\x00\x00\x00", Some(5)),
            (b"\x30\x81\x03\x02\x01\x00", Some(6)),
            (b"\x30\x80\x02\x01\x05\x00\x00\x00", Some(7)),
            (b"\x30\x80\x30\x80\x00\x00\x00\x00", Some(8)),
            (b"\x3f\x81\x01\x01\xff", Some(5)),
            (b"\x30\x80\x02\x01\x05\x00", None),
            (b"\x30\x04\x02\x01\x00", None),
            (b"\x30\x85\x01\x00\x00\x00\x00", None),
            (b"\x04\x80\x00\x00", None),
            (b"\x00\x00", None),
            (b"\x30", None),
            (b"", None),
        ];
        for (octets, length) in table {
            assert_eq!(encoded_length(octets), *length, "{octets:02x?}");
        }
        assert_eq!(encoded_length(&[0x30, 0x80].repeat(100_000)), None);
    }
}
