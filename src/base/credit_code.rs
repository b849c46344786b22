//! The unified social credit code 统一社会信用代码 (GB 32100-2015): 18 characters with two check digits.

use super::Refusal;

/// Clause 4.2: digits and capital letters without I, O, S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Appendix A: weights of the first 17 characters, 3^i mod 31.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// GB 11714: weights of the eight characters of the organisation code inside (places 9 to 16).
const ORGANISATION_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// A credit code whose form and check digits hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditCode(String);

impl CreditCode {
    /// Reads a code; the refusal says which rule failed.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let values = values(text)?;
        if values[2..8].iter().any(|&value| value > 9) {
            return Err(refusal("its division code (places 3 to 8) must be digits"));
        }
        if checksum(&values) != values[17] {
            return Err(refusal("its last character does not match the others (GB 32100 appendix A)"));
        }
        if organisation_check(&values, text.as_bytes()) != text.as_bytes()[16] {
            return Err(refusal(
                "the check character of its organisation code (place 17, GB 11714) does not match",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a code that the database holds.
    pub fn from_row(text: String) -> Self {
        Self(text)
    }
}

fn refusal(says: &str) -> Refusal {
    Refusal::new("number/credit-code", format!("this is no unified social credit code: {says}"))
}

fn values(text: &str) -> Result<[u32; 18], Refusal> {
    let octets: &[u8; 18] = text
        .as_bytes()
        .try_into()
        .map_err(|_| refusal("it must have 18 characters, digits and capital letters"))?;
    let mut values = [0; 18];
    for (value, octet) in values.iter_mut().zip(octets) {
        let place = ALPHABET.iter().position(|known| known == octet);
        *value = place
            .ok_or_else(|| refusal("only digits and capital letters without I, O, S, V, Z may stand in it"))?
            as u32;
    }
    Ok(values)
}

fn checksum(values: &[u32; 18]) -> u32 {
    let sum: u32 = values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    (31 - sum % 31) % 31
}

/// GB 11714: the organisation code counts letters as A = 10 … Z = 35, and writes 10 as X.
fn organisation_check(values: &[u32; 18], octets: &[u8]) -> u8 {
    let value_of = |place: usize| match octets[place] {
        letter @ b'A'..=b'Z' => u32::from(letter - b'A') + 10,
        _ => values[place],
    };
    let sum: u32 = ORGANISATION_WEIGHTS.iter().enumerate().map(|(i, weight)| value_of(8 + i) * weight).sum();
    match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + digit as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes that stand on public registers: a ministry, a city government, two companies.
    #[test]
    fn real_codes_are_read() {
        for code in ["91350100M000100Y43", "11100000000013338W", "91110000600037341L", "91440300708461136T"] {
            assert!(CreditCode::parse(code).is_ok(), "{code}: {:?}", CreditCode::parse(code));
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        for (code, word) in [
            ("", "18 characters"),
            ("91350100M000100Y4", "18 characters"),
            ("91350100M000100I43", "without I, O"),
            ("9135O100M000100Y43", "without I, O"),
            ("91A50100M000100Y43", "division code"),
            ("91350100M000100Y44", "last character"),
        ] {
            let refusal = CreditCode::parse(code).unwrap_err();
            assert!(refusal.says.contains(word), "{code}: {}", refusal.says);
        }
    }

    #[test]
    fn any_single_changed_character_is_seen() {
        let good = "91350100M000100Y43";
        for place in 0..18 {
            for &octet in ALPHABET {
                let mut changed = good.as_bytes().to_vec();
                if std::mem::replace(&mut changed[place], octet) != octet {
                    assert!(CreditCode::parse(std::str::from_utf8(&changed).unwrap()).is_err());
                }
            }
        }
    }
}
