//! The name of a subject to be: checked while it is built, so that nothing odd is ever issued.

use super::{Name, name::hides, write};
use crate::{
    der,
    oid::{self, Oid},
};
use std::fmt;

/// Attributes in one subject.
const FIELDS_MAX: usize = 16;

/// An attribute that a subject may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// countryName: two upper-case letters.
    Country,
    /// stateOrProvinceName: at most 128 characters.
    Province,
    /// localityName: at most 128 characters.
    Locality,
    /// organizationName: at most 64 characters.
    Organization,
    /// organizationalUnitName: at most 64 characters; may be repeated.
    OrganizationalUnit,
    /// commonName: at most 64 characters.
    CommonName,
    /// serialNumber of the subject (not of the certificate): at most 64 characters of PrintableString.
    SerialNumber,
    /// organizationIdentifier, such as the unified social credit code: at most 128 characters.
    OrganizationIdentifier,
}

impl Field {
    const ALL: [Self; 8] = [
        Self::Country,
        Self::Province,
        Self::Locality,
        Self::Organization,
        Self::OrganizationalUnit,
        Self::CommonName,
        Self::SerialNumber,
        Self::OrganizationIdentifier,
    ];

    /// Its identifier.
    pub fn id(self) -> Oid {
        match self {
            Self::Country => oid::COUNTRY,
            Self::Province => oid::PROVINCE,
            Self::Locality => oid::LOCALITY,
            Self::Organization => oid::ORGANIZATION,
            Self::OrganizationalUnit => oid::ORGANIZATIONAL_UNIT,
            Self::CommonName => oid::COMMON_NAME,
            Self::SerialNumber => oid::SERIAL_NUMBER,
            Self::OrganizationIdentifier => oid::ORGANIZATION_IDENTIFIER,
        }
    }

    /// Characters at most (upper bounds of RFC 5280 appendix A.1).
    pub fn characters_max(self) -> usize {
        match self {
            Self::Country => 2,
            Self::Province | Self::Locality | Self::OrganizationIdentifier => 128,
            Self::Organization | Self::OrganizationalUnit | Self::CommonName | Self::SerialNumber => 64,
        }
    }

    /// RFC 5280 demands PrintableString for country and serialNumber; all others are UTF8String.
    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Country | Self::SerialNumber => der::printable_string(text),
            _ => der::utf8_string(text),
        }
    }

    fn allows(self, character: char) -> bool {
        match self {
            Self::Country => character.is_ascii_uppercase(),
            Self::SerialNumber => character.is_ascii_alphanumeric() || " '()+,-./:=?".contains(character),
            _ => !hides(character),
        }
    }
}

/// Why an attribute or a subject is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectError {
    /// Empty, or begins or ends with white space.
    Blank(Field),
    /// More characters than allowed, or another number than two for a country.
    Length(Field),
    /// A character that the type does not allow, or one that shows nothing or turns text around.
    Character(Field),
    /// An attribute twice that stands once.
    Repeated(Field),
    /// More attributes than sixteen.
    TooMany,
    /// An attribute that is not among those issued here, or is no text.
    Unknown(Oid),
}

impl fmt::Display for SubjectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank(field) => write!(out, "{field:?} is empty or begins or ends with white space"),
            Self::Length(Field::Country) => out.write_str("Country has two letters"),
            Self::Length(field) => {
                write!(out, "{field:?} has more than {} characters", field.characters_max())
            }
            Self::Character(field) => write!(out, "{field:?} holds a character that is not allowed there"),
            Self::Repeated(field) => write!(out, "{field:?} stands twice"),
            Self::TooMany => write!(out, "a subject has more than {FIELDS_MAX} attributes"),
            Self::Unknown(id) => write!(out, "the attribute {id} is not issued here"),
        }
    }
}

impl std::error::Error for SubjectError {}

/// A subject to be: attributes in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject(Vec<(Field, String)>);

impl Subject {
    /// A subject without attributes yet; [`Subject::with`] adds them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an attribute, after checking its length and characters.
    pub fn with(mut self, field: Field, text: &str) -> Result<Self, SubjectError> {
        if self.0.len() == FIELDS_MAX {
            return Err(SubjectError::TooMany);
        }
        if field != Field::OrganizationalUnit && self.0.iter().any(|(known, _)| *known == field) {
            return Err(SubjectError::Repeated(field));
        }
        if text.is_empty() || text.trim() != text {
            return Err(SubjectError::Blank(field));
        }
        let characters = text.chars().count();
        if characters > field.characters_max() || (field == Field::Country && characters != 2) {
            return Err(SubjectError::Length(field));
        }
        if !text.chars().all(|character| field.allows(character)) {
            return Err(SubjectError::Character(field));
        }
        self.0.push((field, text.to_owned()));
        Ok(self)
    }

    /// Takes over the name of a request, attribute by attribute, under the same rules; the result is encoded anew.
    pub fn from_name(name: &Name) -> Result<Self, SubjectError> {
        name.attributes().into_iter().try_fold(Self::default(), |subject, attribute| {
            let field = Field::ALL.into_iter().find(|field| field.id() == attribute.id && !attribute.joined);
            match (field, attribute.text) {
                (Some(field), Some(text)) => subject.with(field, &text),
                _ => Err(SubjectError::Unknown(attribute.id)),
            }
        })
    }

    /// Whether it has no attributes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name; `None` where there are no attributes.
    pub fn name(&self) -> Option<Name> {
        let parts = self.0.iter().map(|(field, text)| {
            der::set_of(vec![der::sequence([der::oid(&field.id()), field.encode(text)])])
        });
        if self.is_empty() { None } else { write::name(&der::sequence(parts)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_encoded_in_its_order_and_taken_over_again() {
        let subject = Subject::new()
            .with(Field::Country, "CN")
            .and_then(|subject| subject.with(Field::Province, "云南省"))
            .and_then(|subject| subject.with(Field::Organization, "某市大数据局"))
            .and_then(|subject| subject.with(Field::OrganizationalUnit, "一科"))
            .and_then(|subject| subject.with(Field::OrganizationalUnit, "二科"))
            .and_then(|subject| subject.with(Field::OrganizationIdentifier, "91530000MA6K00000X"))
            .and_then(|subject| subject.with(Field::CommonName, "53011200000556"))
            .unwrap();
        let name = subject.name().unwrap();
        assert_eq!(
            name.to_string(),
            "C=CN,ST=云南省,O=某市大数据局,OU=一科,OU=二科,organizationIdentifier=91530000MA6K00000X,CN=53011200000556"
        );
        assert_eq!(Subject::from_name(&name), Ok(subject));
        assert_eq!(Subject::new().name(), None);
    }

    #[test]
    fn odd_attributes_are_refused() {
        let long = "章".repeat(65);
        let table = [
            (Field::Country, "cn", SubjectError::Character(Field::Country)),
            (Field::Country, "CHN", SubjectError::Length(Field::Country)),
            (Field::Country, "C", SubjectError::Length(Field::Country)),
            (Field::CommonName, "", SubjectError::Blank(Field::CommonName)),
            (Field::CommonName, " a", SubjectError::Blank(Field::CommonName)),
            (Field::CommonName, "a\nb", SubjectError::Character(Field::CommonName)),
            (Field::CommonName, "a\u{202e}b", SubjectError::Character(Field::CommonName)),
            (Field::CommonName, "a\u{200b}b", SubjectError::Character(Field::CommonName)),
            (Field::CommonName, &long, SubjectError::Length(Field::CommonName)),
            (Field::SerialNumber, "号1", SubjectError::Character(Field::SerialNumber)),
        ];
        for (field, text, expected) in table {
            assert_eq!(Subject::new().with(field, text), Err(expected), "{text:?}");
        }
        let twice = Subject::new().with(Field::CommonName, "a").and_then(|s| s.with(Field::CommonName, "b"));
        assert_eq!(twice, Err(SubjectError::Repeated(Field::CommonName)));
    }
}
