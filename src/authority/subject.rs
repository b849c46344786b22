//! Whom a certificate names, in a form that a row keeps.

use crate::base::Refusal;
use serde::{Deserialize, Serialize};
use yinxin_pki::x509::{Field, Subject, SubjectError};

/// The subject of a certificate of ours. The country is always CN. Lengths and characters are those of
/// [`Subject::with`]; only checked values exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectFields {
    common_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    province: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locality: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation_id: Option<String>,
}

impl SubjectFields {
    /// A subject with this common name (CN).
    pub fn new(common_name: &str) -> Result<Self, Refusal> {
        let alone = Self {
            common_name: common_name.to_owned(),
            province: None,
            locality: None,
            organisation: None,
            unit: None,
            organisation_id: None,
        };
        alone.checked()
    }

    /// With a province (ST).
    pub fn province(self, text: &str) -> Result<Self, Refusal> {
        Self { province: Some(text.to_owned()), ..self }.checked()
    }

    /// With a locality (L).
    pub fn locality(self, text: &str) -> Result<Self, Refusal> {
        Self { locality: Some(text.to_owned()), ..self }.checked()
    }

    /// With an organisation (O).
    pub fn organisation(self, text: &str) -> Result<Self, Refusal> {
        Self { organisation: Some(text.to_owned()), ..self }.checked()
    }

    /// With a unit of it (OU).
    pub fn unit(self, text: &str) -> Result<Self, Refusal> {
        Self { unit: Some(text.to_owned()), ..self }.checked()
    }

    /// With the organisation's number (organizationIdentifier: 统一社会信用代码 as it is).
    pub fn organisation_id(self, text: &str) -> Result<Self, Refusal> {
        Self { organisation_id: Some(text.to_owned()), ..self }.checked()
    }

    /// CN.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The subject in the form that is issued.
    pub(super) fn to_subject(&self) -> Result<Subject, SubjectError> {
        let fields = [
            (Field::Province, &self.province),
            (Field::Locality, &self.locality),
            (Field::Organization, &self.organisation),
            (Field::OrganizationalUnit, &self.unit),
            (Field::OrganizationIdentifier, &self.organisation_id),
        ];
        let mut subject = Subject::new().with(Field::Country, "CN")?;
        for (field, text) in fields {
            if let Some(text) = text {
                subject = subject.with(field, text)?;
            }
        }
        subject.with(Field::CommonName, &self.common_name)
    }

    fn checked(self) -> Result<Self, Refusal> {
        match self.to_subject() {
            Ok(_) => Ok(self),
            Err(error) => Err(Refusal::new("authority/subject", error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_in_the_usual_order() {
        let subject = SubjectFields::new("某市人民政府")
            .and_then(|subject| subject.organisation_id("11530000015100000X"))
            .and_then(|subject| subject.organisation("某市人民政府"))
            .and_then(|subject| subject.unit("办公室"))
            .and_then(|subject| subject.locality("某市"))
            .and_then(|subject| subject.province("某省"))
            .unwrap();
        let name = subject.to_subject().unwrap().name().unwrap();
        assert_eq!(
            name.to_string(),
            "C=CN,ST=某省,L=某市,O=某市人民政府,OU=办公室,organizationIdentifier=11530000015100000X,CN=某市人民政府"
        );
        let kept: SubjectFields = serde_json::from_str(&serde_json::to_string(&subject).unwrap()).unwrap();
        assert_eq!(kept, subject);
    }

    #[test]
    fn odd_names_are_refused() {
        for odd in ["", " x", "x\n", "a\u{202e}b", &"名".repeat(65)] {
            assert_eq!(SubjectFields::new(odd).unwrap_err().code, "authority/subject", "{odd:?}");
            assert!(SubjectFields::new("x").unwrap().organisation(odd).is_err());
        }
    }
}
