//! Octets to objects (ISO 32000-2, 7.2 and 7.3). Reads forward from an offset and never past a bound.

use std::ops::Range;

use super::object::{Dict, Object, ObjectId, PdfString, Stream};
use super::{Limits, PdfError};

/// Largest object number ISO 32000-1 Annex C lets a file use.
pub(super) const MAX_OBJECT_NUMBER: u32 = 8_388_607;

/// Deepest nesting whatever the [`Limits`] say: what a thread's stack surely holds.
const HARD_MAX_DEPTH: usize = 128;

type Result<T> = std::result::Result<T, PdfError>;

/// A reader of objects over `bytes`: the file, or the decoded octets of an object stream.
pub(super) struct Parser<'s> {
    bytes: &'s [u8],
    /// Where the next token is sought.
    pub(super) at: usize,
    limits: &'s Limits,
    /// Values that may still be read.
    pub(super) values_left: usize,
    in_file: bool,
}

/// An indirect object with where it lies, from its number to the end of `endobj`.
pub(super) struct Indirect {
    pub(super) id: ObjectId,
    pub(super) object: Object,
    pub(super) span: Range<usize>,
}

impl<'s> Parser<'s> {
    pub(super) fn in_file(bytes: &'s [u8], at: usize, limits: &'s Limits) -> Self {
        Self { bytes, at, limits, values_left: limits.max_values, in_file: true }
    }

    pub(super) fn in_object_stream(bytes: &'s [u8], at: usize, limits: &'s Limits) -> Self {
        Self { in_file: false, ..Self::in_file(bytes, at, limits) }
    }

    /// One object; a stream's octets are not looked for.
    pub(super) fn object(&mut self) -> Result<Object> {
        self.nested(0)
    }

    /// `12 0 obj … endobj`. `length` gives the value of a stream's `/Length`.
    pub(super) fn indirect(&mut self, length: &dyn Fn(&Object) -> Result<usize>) -> Result<Indirect> {
        self.skip_space();
        let start = self.at;
        let id = self.object_id()?;
        self.expect(b"obj", "expected the keyword obj")?;
        let mut object = self.object()?;
        if let Object::Dict(dict) = &mut object
            && self.accept(b"stream")
        {
            let length = length(dict.find(b"Length").unwrap_or(&Object::Null))?;
            let span = self.stream_span(length)?;
            object = Object::Stream(Stream { dict: std::mem::take(dict), span });
        }
        self.expect(b"endobj", "expected endobj after an object")?;
        Ok(Indirect { id, object, span: start..self.at })
    }

    fn object_id(&mut self) -> Result<ObjectId> {
        let at = self.at;
        let number = self.unsigned().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= MAX_OBJECT_NUMBER);
        self.skip_space();
        let generation = self.unsigned().and_then(|n| u16::try_from(n).ok());
        match (number, generation) {
            (Some(number), Some(generation)) => Ok(ObjectId { number, generation }),
            _ => Err(PdfError::malformed("no object starts where one is said to", at)),
        }
    }

    /// The octets after the keyword `stream`: a line end (CR LF or LF), `length` octets, `endstream`.
    fn stream_span(&mut self, length: usize) -> Result<Range<usize>> {
        match self.rest() {
            [b'\r', b'\n', ..] => self.at += 2,
            [b'\n', ..] => self.at += 1,
            _ => {
                return Err(PdfError::malformed("the keyword stream is not followed by a line end", self.at));
            }
        }
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end =
            end.ok_or(PdfError::malformed("a stream's Length reaches past the end of the file", start))?;
        self.at = end;
        self.expect(b"endstream", "a stream does not end where its Length says")?;
        Ok(start..end)
    }

    fn nested(&mut self, depth: usize) -> Result<Object> {
        let limit = self.limits.max_depth.min(HARD_MAX_DEPTH);
        if depth > limit {
            return Err(PdfError::TooLarge { what: "levels of nesting", limit });
        }
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(PdfError::TooLarge { what: "values in one object", limit: self.limits.max_values })?;
        self.limits.budget.spend(1)?;
        self.skip_space();
        match self.rest() {
            [b'/', ..] => self.name().map(Object::Name),
            [b'(', ..] => self.literal(),
            [b'<', b'<', ..] => self.dict(depth).map(Object::Dict),
            [b'<', ..] => self.hex(),
            [b'[', ..] => self.array(depth),
            [b'0'..=b'9' | b'+' | b'-' | b'.', ..] => self.number_or_reference(),
            _ => self.keyword(),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Object> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.rest() {
                [b']', ..] => break,
                [] => return Err(PdfError::malformed("an array does not end", self.at)),
                _ => items.push(self.nested(depth + 1)?),
            }
        }
        self.at += 1;
        Ok(Object::Array(items))
    }

    fn dict(&mut self, depth: usize) -> Result<Dict> {
        self.at += 2;
        let mut dict = Dict::new();
        loop {
            self.skip_space();
            match self.rest() {
                [b'>', b'>', ..] => break,
                [b'/', ..] => {
                    let key = self.name()?;
                    dict.push(key, self.nested(depth + 1)?);
                }
                _ => return Err(PdfError::malformed("expected a key or the end of a dictionary", self.at)),
            }
        }
        self.at += 2;
        Ok(dict)
    }

    fn name(&mut self) -> Result<Vec<u8>> {
        self.at += 1;
        let start = self.at;
        let length = self.rest().iter().take_while(|b| is_regular(**b)).count();
        self.at += length;
        let raw = &self.bytes[start..self.at];
        if !raw.contains(&b'#') {
            return Ok(raw.to_vec());
        }
        let mut name = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let [first, tail @ ..] = rest {
            match (first, tail) {
                (b'#', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    name.push(hex_digit(*high) << 4 | hex_digit(*low));
                    rest = after;
                }
                _ => {
                    name.push(*first);
                    rest = tail;
                }
            }
        }
        Ok(name)
    }

    fn literal(&mut self) -> Result<Object> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        let mut open = 1usize;
        loop {
            let byte = self.next().ok_or(PdfError::malformed("a string does not end", start))?;
            match byte {
                b'(' => open += 1,
                b')' if open == 1 => break,
                b')' => open -= 1,
                b'\\' => {
                    self.escape(&mut bytes);
                    continue;
                }
                b'\r' => {
                    // Any line end in a literal string reads as one line feed (7.3.4.2).
                    if self.rest().first() == Some(&b'\n') {
                        self.at += 1;
                    }
                    bytes.push(b'\n');
                    continue;
                }
                _ => {}
            }
            bytes.push(byte);
        }
        Ok(self.string(bytes, start, false))
    }

    /// What stands after a backslash; an unknown letter stands for itself, an escaped line end for nothing.
    fn escape(&mut self, bytes: &mut Vec<u8>) {
        let Some(byte) = self.next() else { return };
        match byte {
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b'\n' => {}
            b'\r' => {
                if self.rest().first() == Some(&b'\n') {
                    self.at += 1;
                }
            }
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.rest().first() else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                bytes.push((value & 0xff) as u8);
            }
            other => bytes.push(other),
        }
    }

    fn hex(&mut self) -> Result<Object> {
        let start = self.at;
        self.at += 1;
        let mut bytes = self.plain_digits();
        let mut high = None;
        loop {
            let byte = self.next().ok_or(PdfError::malformed("a hexadecimal string does not end", start))?;
            match byte {
                b'>' => break,
                _ if is_space(byte) => {}
                _ if byte.is_ascii_hexdigit() => match high.take() {
                    None => high = Some(hex_digit(byte)),
                    Some(first) => bytes.push(first << 4 | hex_digit(byte)),
                },
                _ => {
                    return Err(PdfError::malformed(
                        "a hexadecimal string holds something else",
                        self.at - 1,
                    ));
                }
            }
        }
        if let Some(first) = high {
            bytes.push(first << 4);
        }
        Ok(self.string(bytes, start, true))
    }

    /// Takes digits as long as nothing else is among them, many at a time: a signature's value is tens of thousands of
    /// them, read several times over, and was a quarter of what verifying costs.
    fn plain_digits(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = self.rest();
        while let Some((digits, after)) = rest.split_first_chunk::<DIGITS>()
            && all_hex(digits)
        {
            bytes.extend(digits.as_chunks().0.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)));
            self.at += DIGITS;
            rest = after;
        }
        bytes
    }

    fn string(&self, bytes: Vec<u8>, start: usize, hex: bool) -> Object {
        let span = self.in_file.then_some(start..self.at);
        Object::String(PdfString { bytes, span, hex })
    }

    fn number_or_reference(&mut self) -> Result<Object> {
        let number = self.number()?;
        let after_number = self.at;
        if let Object::Integer(first @ 0..=0xffff_ffff) = number {
            self.skip_space();
            let generation = self.unsigned().and_then(|n| u16::try_from(n).ok());
            self.skip_space();
            if let (Some(generation), [b'R', after @ ..]) = (generation, self.rest())
                && !after.first().is_some_and(|b| is_regular(*b))
            {
                self.at += 1;
                let number = u32::try_from(first).ok().filter(|n| *n <= MAX_OBJECT_NUMBER);
                let number =
                    number.ok_or(PdfError::malformed("an object number is too large", after_number))?;
                return Ok(Object::Reference(ObjectId { number, generation }));
            }
            self.at = after_number;
        }
        Ok(number)
    }

    fn number(&mut self) -> Result<Object> {
        let start = self.at;
        let length = self.rest().iter().take_while(|b| is_regular(**b)).count();
        self.at += length;
        let token = &self.bytes[start..self.at];
        let digits = token.strip_prefix(b"-").or(token.strip_prefix(b"+")).unwrap_or(token);
        let wrong = PdfError::malformed("a number cannot be read", start);
        let plain = digits.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        if !plain || !digits.iter().any(u8::is_ascii_digit) || digits.len() > 400 {
            return Err(wrong);
        }
        let text = std::str::from_utf8(token).map_err(|_| wrong.clone())?;
        if digits.contains(&b'.') {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
            return value.map(Object::Real).ok_or(wrong);
        }
        text.parse().map(Object::Integer).map_err(|_| wrong)
    }

    fn keyword(&mut self) -> Result<Object> {
        let length = self.rest().iter().take_while(|b| is_regular(**b)).count();
        let value = match &self.rest()[..length] {
            b"true" => Object::Bool(true),
            b"false" => Object::Bool(false),
            b"null" => Object::Null,
            _ => return Err(PdfError::malformed("expected an object", self.at)),
        };
        self.at += length;
        Ok(value)
    }

    /// Decimal digits at the very place, at most 19 of them.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let length = self.rest().iter().take(20).take_while(|b| b.is_ascii_digit()).count();
        let digits = &self.rest()[..length];
        if digits.is_empty() || length > 19 {
            return None;
        }
        self.at += length;
        Some(digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
    }

    /// Skips white space and comments.
    pub(super) fn skip_space(&mut self) {
        loop {
            self.skip_white();
            if self.rest().first() != Some(&b'%') {
                return;
            }
            let comment = self.rest().iter().take_while(|b| !matches!(b, b'\r' | b'\n')).count();
            self.at += comment;
        }
    }

    /// Skips white space alone.
    pub(super) fn skip_white(&mut self) {
        self.at += self.rest().iter().take_while(|b| is_space(**b)).count();
    }

    /// Takes `keyword` if it stands next, after white space, as a whole word.
    pub(super) fn accept(&mut self, keyword: &[u8]) -> bool {
        let before = self.at;
        self.skip_space();
        let found = self
            .rest()
            .strip_prefix(keyword)
            .is_some_and(|rest| !rest.first().is_some_and(|b| is_regular(*b)));
        self.at = if found { self.at + keyword.len() } else { before };
        found
    }

    pub(super) fn expect(&mut self, keyword: &[u8], what: &'static str) -> Result<()> {
        if self.accept(keyword) { Ok(()) } else { Err(PdfError::malformed(what, self.at)) }
    }

    pub(super) fn rest(&self) -> &'s [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }
}

/// White space of 7.2.3, table 1.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

/// Neither white space nor a delimiter.
pub(super) fn is_regular(byte: u8) -> bool {
    !is_space(byte) && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

/// Digits looked at together; even.
const DIGITS: usize = 64;

/// Whether all are hexadecimal digits. Looks at every one of some dozens together, which a processor does at once, where
/// a search for the first that isn't goes one by one.
pub(super) fn all_hex(digits: &[u8]) -> bool {
    let all = |digits: &[u8]| digits.iter().fold(true, |all, digit| all & digit.is_ascii_hexdigit());
    digits.chunks(DIGITS).all(all)
}

/// The value of what is known to be a hexadecimal digit, without a branch.
fn nibble(digit: u8) -> u8 {
    (digit & 0x0f) + 9 * (digit >> 6)
}

pub(super) fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Object> {
        Parser::in_file(text, 0, &Limits::default()).object()
    }

    fn text(text: &[u8]) -> Vec<u8> {
        read(text).unwrap().as_string().unwrap().bytes.clone()
    }

    #[test]
    fn scalars_read_as_the_standard_says() {
        let table: &[(&[u8], Object)] = &[
            (b"null", Object::Null),
            (b" % note\n true", Object::Bool(true)),
            (b"+17", Object::Integer(17)),
            (b"-98 0 X", Object::Integer(-98)),
            (b"4.", Object::Real(4.0)),
            (b"-.002", Object::Real(-0.002)),
            (b"/A#42 ", Object::Name(b"AB".to_vec())),
            (b"/", Object::Name(vec![])),
            (b"/A#4", Object::Name(b"A#4".to_vec())),
            (b"12 3 R", Object::Reference(ObjectId { number: 12, generation: 3 })),
            (b"12 3 Rx", Object::Integer(12)),
        ];
        for (source, object) in table {
            assert_eq!(read(source).as_ref(), Ok(object), "{}", String::from_utf8_lossy(source));
        }
    }

    #[test]
    fn long_hexadecimal_strings_decode_as_short_ones_do() {
        let octets: Vec<u8> = (0..=255).collect();
        for length in 0..octets.len() {
            let digits: String = octets[..length].iter().map(|octet| format!("{octet:02x}")).collect();
            for digits in [digits.to_uppercase(), digits.clone(), digits] {
                assert_eq!(text(format!("<{digits}>").as_bytes()), &octets[..length]);
                // White space anywhere, and an odd digit at the end.
                let spaced = format!("<{}\n{}8>", &digits[..length], &digits[length..]);
                assert_eq!(text(spaced.as_bytes()), [&octets[..length], &[0x80]].concat());
            }
        }
        for wrong in 0..=255_u8 {
            let fits = wrong.is_ascii_hexdigit() || is_space(wrong) || wrong == b'>';
            let mut source = [&b"<"[..], &[b'a'; 150], b">"].concat();
            source[100] = wrong;
            assert_eq!(read(&source).is_ok(), fits, "{wrong}");
            assert_eq!(all_hex(&source[1..150]), wrong.is_ascii_hexdigit(), "{wrong}");
        }
    }

    #[test]
    fn strings_decode_and_keep_their_span() {
        assert_eq!(text(b"(a(b)c)"), b"a(b)c");
        assert_eq!(text(br"(\(\\\101\60x\r\q)"), b"(\\A0x\rq");
        assert_eq!(text(b"(a\\\r\nb\r\nc)"), b"ab\nc");
        assert_eq!(text(b"<90 1fA>"), [0x90, 0x1f, 0xa0]);
        let Object::Array(items) = read(b"[ (x) <00>]").unwrap() else { panic!("an array") };
        assert_eq!(items[1].as_string().unwrap().span, Some(6..10));
        assert!(items[1].as_string().unwrap().hex);
    }

    #[test]
    fn broken_tokens_are_refused_with_their_place() {
        for source in
            [&b"(abc"[..], b"<zz>", b"[1", b"<</A", b"<</A 1 2>>", b"--1", b"1.2.3", b"-", b">>", b"", b"tru"]
        {
            assert!(
                matches!(read(source), Err(PdfError::Malformed { .. })),
                "{}",
                String::from_utf8_lossy(source)
            );
        }
        assert!(read(b"99999999 0 R").is_err());
    }

    #[test]
    fn nesting_and_number_of_values_are_bounded() {
        assert!(matches!(
            read(&b"[".repeat(100_000)),
            Err(PdfError::TooLarge { what: "levels of nesting", .. })
        ));
        let many = [b"[".to_vec(), b"0 ".repeat(Limits::default().max_values + 1), b"]".to_vec()].concat();
        assert!(matches!(read(&many), Err(PdfError::TooLarge { what: "values in one object", .. })));
    }
}
