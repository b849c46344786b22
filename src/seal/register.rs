//! Who is registered: owners 使用主体, whose seals they are, and makers 制作主体, who sign them (R-SEAL-04).

use crate::{
    base::{CreditCode, Refusal, Timestamp, text::is_hidden},
    officer::OfficerId,
};

crate::id_type!(
    /// An owner of seals.
    OwnerId,
    "owner"
);

crate::id_type!(
    /// A maker of seals.
    MakerId,
    "maker"
);

/// Longest name of an owner, maker or seal, in characters.
const NAME_CHARS: usize = 60;

/// What an owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// 法人
    LegalPerson,
    /// 其他组织
    Organisation,
}

impl OwnerKind {
    /// The word in the database and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::LegalPerson => "legal-person",
            Self::Organisation => "organisation",
        }
    }

    /// The kind with this word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::LegalPerson, Self::Organisation].into_iter().find(|kind| kind.name() == name)
    }
}

/// An owner of seals 使用主体.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub id: OwnerId,
    /// Its full name, as registered.
    pub name: String,
    /// Its credit code; one owner a code.
    pub credit_code: CreditCode,
    /// What it is.
    pub kind: OwnerKind,
    /// Who registered it.
    pub registered_by: OfficerId,
    /// When.
    pub registered_at: Timestamp,
}

impl Owner {
    /// The division code (GB/T 2260) inside the credit code: the region of its seals' codes.
    pub fn region(&self) -> &str {
        &self.credit_code.as_str()[2..8]
    }
}

/// A maker of seals 制作主体. Its key signs seals; its certificate is the authority's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// Its id.
    pub id: MakerId,
    /// Its full name, as registered.
    pub name: String,
    /// What seals carry as Vid, the maker's mark: printable ASCII, at most 32 characters.
    pub vendor: String,
    /// Who registered it.
    pub registered_by: OfficerId,
    /// When.
    pub registered_at: Timestamp,
}

/// A name without control characters, not empty, at most [`NAME_CHARS`] long, without space at its ends.
pub fn checked_name(what: &str, name: &str) -> Result<String, Refusal> {
    let says = if name.is_empty() || name.trim() != name {
        "it is empty or has white space at its ends".into()
    } else if name.chars().count() > NAME_CHARS {
        format!("it is longer than {NAME_CHARS} characters")
    } else if name.chars().any(is_hidden) {
        "a character stands in it that is not seen or turns others around".into()
    } else {
        return Ok(name.to_owned());
    };
    Err(Refusal::new("input/name", format!("the name of the {what} cannot be taken: {says}")))
}

/// A maker's mark: 1 to 32 letters, digits, dots, dashes.
pub fn checked_vendor(vendor: &str) -> Result<String, Refusal> {
    let fits = (1..=32).contains(&vendor.len())
        && vendor.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-_".contains(&octet));
    if fits {
        return Ok(vendor.to_owned());
    }
    Err(Refusal::new(
        "input/vendor",
        "a maker's mark has 1 to 32 letters, digits, dots, dashes or underscores",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_held_to_their_rules() {
        assert!(checked_name("owner", "某市大数据管理局").is_ok());
        for bad in ["", " x", "x\u{7}y", "x\n", &"长".repeat(61)] {
            assert_eq!(checked_name("owner", bad).unwrap_err().code, "input/name", "{bad:?}");
        }
        assert!(checked_vendor("YINXIN-1.0").is_ok());
        assert!(checked_vendor("印信").is_err());
    }
}
