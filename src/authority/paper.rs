//! Between a row and its certificate: what is signed for a row, and whether what came back is that.

use super::{AuthorityError, AuthoritySettings, Role, store::CertRow};
use rand_core::CryptoRng;
use yinxin_pki::{
    der::{Reader, tag},
    sign::{PublicKey, Signer},
    x509::{
        self, Cert,
        issue::{self, Issuer, Order, Points, Serial},
        path::{self, Material, Purpose},
        profile::{self, Profile},
        read_public_key,
    },
};

/// The root of this row, signed with its own key. Blocking. `issue` reads its product back and verifies it.
pub(super) fn self_signed(
    row: &CertRow,
    signer: &dyn Signer,
    rng: &mut dyn CryptoRng,
) -> Result<Cert, AuthorityError> {
    let parts = Parts::of(row)?;
    issue::self_signed(&parts.order(row, Points::default()), signer, rng).map_err(AuthorityError::from)
}

/// The certificate of this row under `issuer`, whose generation says where its list is. Blocking. `issue` reads its product back and verifies it.
pub(super) fn issued(
    row: &CertRow,
    issuer: &Issuer<'_>,
    (settings, generation): (&AuthoritySettings, i64),
    rng: &mut dyn CryptoRng,
) -> Result<Cert, AuthorityError> {
    let parts = Parts::of(row)?;
    let listed = row.role.is_listed();
    let (crl_url, issuer_url) = (settings.crl_url_of(generation), settings.issuer_url_of(generation));
    let points = Points {
        crl_url: crl_url.as_deref().filter(|_| listed),
        issuer_url: issuer_url.as_deref().filter(|_| listed),
        hosts: &[],
    };
    issue::certificate(&parts.order(row, points), issuer, rng).map_err(AuthorityError::from)
}

/// Whether others will accept an end entity's certificate: a path to `root` for its purpose, from its first second on.
/// Authorities have been checked against their issuer when they were made.
pub(super) fn check_path(
    row: &CertRow,
    cert: &Cert,
    above: &[Cert],
    root: &Cert,
) -> Result<(), AuthorityError> {
    let Some(purpose) = purpose(row.role) else { return Ok(()) };
    let material = Material { anchors: std::slice::from_ref(root), intermediates: above, crls: &[] };
    let path =
        path::validate(cert, &material, cert.not_before(), purpose).map_err(AuthorityError::withheld)?;
    match path.findings.first() {
        Some(finding) => Err(AuthorityError::withheld(&finding.says)),
        None => Ok(()),
    }
}

fn purpose(role: Role) -> Option<Purpose> {
    match role {
        Role::Root | Role::Issuing | Role::Cross => None,
        Role::SealMaker => Some(Purpose::SealMaking),
        Role::SealOwner => Some(Purpose::Signing),
        Role::TimeStamping => Some(Purpose::TimeStamping),
    }
}

fn profile(role: Role) -> &'static Profile {
    match role {
        Role::Root | Role::Cross => &profile::ROOT,
        Role::Issuing => &profile::ISSUING_CA,
        Role::SealMaker => &profile::SEAL_MAKER,
        Role::SealOwner => &profile::SIGNER,
        Role::TimeStamping => &profile::TSA,
    }
}

/// The typed parts that a row keeps as text and octets.
struct Parts {
    subject: x509::Subject,
    key: PublicKey,
    serial: Serial,
}

impl Parts {
    fn of(row: &CertRow) -> Result<Self, AuthorityError> {
        let damaged =
            |what: &str| AuthorityError::withheld(format!("the {what} of the intent {} is damaged", row.id));
        let serial = hex::decode(&row.serial).ok().and_then(|octets| Serial::from_bytes(&octets));
        Ok(Self {
            subject: row.subject.to_subject().map_err(|_| damaged("subject"))?,
            key: key_of(&row.public_key).ok_or_else(|| damaged("public key"))?,
            serial: serial.ok_or_else(|| damaged("serial number"))?,
        })
    }

    fn order<'a>(&'a self, row: &CertRow, points: Points<'a>) -> Order<'a> {
        Order {
            profile: profile(row.role),
            subject: &self.subject,
            key: &self.key,
            serial: &self.serial,
            not_before: row.not_before,
            not_after: row.not_after,
            points,
        }
    }
}

fn key_of(info: &[u8]) -> Option<PublicKey> {
    read_public_key(&Reader::whole(info, tag::SEQUENCE).ok()?).ok().flatten()
}
