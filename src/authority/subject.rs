//! Whom a certificate names.

use crate::base::Refusal;
use serde::{Deserialize, Serialize};

/// Characters of one field at most (RFC 5280 appendix A.1, `ub-common-name` and `ub-organization-name`).
const LONGEST_CHARS: usize = 64;

/// The fields of a certificate's subject. Only checked ones exist: the fields are private, [`SubjectFields::new`] looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectFields {
    common_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    province: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locality: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation_id: Option<String>,
}

impl SubjectFields {
    /// A subject with this common name (CN), 1 to 64 characters, none hidden. The country is always CN.
    pub fn new(common_name: &str) -> Result<Self, Refusal> {
        let common_name = checked("common name", common_name)?;
        Ok(Self { common_name, organisation: None, unit: None, province: None, locality: None, organisation_id: None })
    }

    /// With an organisation (O).
    pub fn organisation(mut self, text: &str) -> Result<Self, Refusal> {
        self.organisation = Some(checked("organisation", text)?);
        Ok(self)
    }

    /// With a unit (OU).
    pub fn unit(mut self, text: &str) -> Result<Self, Refusal> {
        self.unit = Some(checked("unit", text)?);
        Ok(self)
    }

    /// With a province (ST).
    pub fn province(mut self, text: &str) -> Result<Self, Refusal> {
        self.province = Some(checked("province", text)?);
        Ok(self)
    }

    /// With a locality (L).
    pub fn locality(mut self, text: &str) -> Result<Self, Refusal> {
        self.locality = Some(checked("locality", text)?);
        Ok(self)
    }

    /// With the organisation's number (2.5.4.97; 统一社会信用代码 as it is).
    pub fn organisation_id(mut self, text: &str) -> Result<Self, Refusal> {
        self.organisation_id = Some(checked("organisation number", text)?);
        Ok(self)
    }

    /// CN.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }
}

fn checked(field: &str, text: &str) -> Result<String, Refusal> {
    let chars = text.chars().count();
    if chars == 0 || chars > LONGEST_CHARS || text.trim() != text || text.chars().any(is_hidden) {
        let says = format!(
            "the {field} of a certificate has 1 to {LONGEST_CHARS} characters, none of them hidden, no space at its ends"
        );
        return Err(Refusal::new("authority/subject", says));
    }
    Ok(text.to_owned())
}

/// Control characters, and those that show nothing or turn the direction of what follows: two names that look alike
/// must be alike.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_refused() {
        let longest = "名".repeat(64);
        assert!(SubjectFields::new(&longest).is_ok());
        for odd in ["", " ", " x", "x ", "x\n", "a\0b", "\u{7f}", "a\u{202e}b", "a\u{200b}b", &"名".repeat(65)] {
            assert_eq!(SubjectFields::new(odd).unwrap_err().code, "authority/subject", "{odd:?}");
            let longer = SubjectFields::new("x").unwrap().organisation(odd);
            assert!(longer.is_err());
        }
    }
}
