//! How one certificate of the service comes in the place of another: time stamping and makers get a fresh key under the
//! issuing authority; a new issuing authority comes under the newest root; a new root and the one before certify each other
//! (RFC 4210 4.4: old with new, new with old), so that whoever trusts one of them comes to what stands under the other.
//!
//! The one before stays: what it signed stays good, and an issuing authority goes on with its list. A successor has a
//! reference that its line and generation make, so that the same act by two nodes, or again after a crash, makes one.
//!
//! New authorities bear new names. RFC 4210 keeps the name and changes the key; but many verifiers in this field look an
//! issuer up by name alone, and would take the wrong key.

use super::{
    Act, Ask, Authority, ISSUING, Issued, MAKER, OWN, ROOT, SubjectKey, TIME_STAMPING, issuing::Draft,
};
use crate::{
    authority::{
        AuthorityError, CertState, Role, SubjectFields,
        store::{self, CertRow},
    },
    base::{Refusal, Timestamp},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a successor must be good for beyond the end of the one before, in days: else it is not worth its making.
const WORTH_DAYS: i64 = 30;
/// How far ahead an authority may be announced, in days.
const AHEAD_DAYS_MAX: i64 = 366;

/// A certificate to come in the place of another.
#[derive(Debug, Clone)]
pub struct Succession<'a> {
    /// What for: `authority/root`, `authority/issuing`, `authority/time-stamping`, `authority/seal-maker`, `maker/<id>`.
    pub line: &'a str,
    /// The serial number, hex, of the one in whose place it comes: asked for twice, the second time finds it replaced.
    pub replaces: &'a str,
    /// From when on it is used, for an issuing authority that is to be published first; `None`: at once.
    pub active_from: Option<Timestamp>,
}

/// A certificate of the service that ends soon, or leaves too little room for what stands under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// What it is for.
    pub line: String,
    /// Its serial number, hex.
    pub serial: String,
    /// Its last second.
    pub not_after: Timestamp,
    /// What it means, and what to do.
    pub says: String,
}

impl Authority {
    /// Makes a successor.
    ///
    /// # Errors
    /// * [`AuthorityError::Replaced`]: `replaces` is not the newest of its line any more.
    /// * [`AuthorityError::Unknown`]: there is no such line.
    /// * A refusal where it would be good for no longer than the one before.
    pub async fn succeed(&self, act: &Act<'_>, wish: &Succession<'_>) -> Result<Issued, AuthorityError> {
        let rows = self.0.store.read(async |rx| store::line(rx, wish.line).await).await?;
        let unknown = || AuthorityError::Unknown { what: format!("for {}", wish.line) };
        let before = rows.iter().find(|row| row.state != CertState::Intended).ok_or_else(unknown)?;
        if before.role == Role::SealOwner {
            return Err(unknown());
        }
        if before.serial != wish.replaces {
            return Err(AuthorityError::Replaced {
                line: wish.line.to_owned(),
                serial: before.serial.clone(),
            });
        }
        let issued = match rows.iter().find(|row| row.generation > before.generation) {
            // What a crash left, or another node is about to complete.
            Some(begun) => self.complete(act, begun.clone()).await?,
            None => {
                let active_from = check_ahead(before.role, wish.active_from, act.now)?;
                // Whoever trusts an older root alone must be able to come to the one that signs.
                self.cross_certify(act).await?;
                self.issue(act, &self.successor_of(before, active_from)?).await?
            }
        };
        self.cross_certify(act).await?;
        Ok(issued)
    }

    fn successor_of(
        &self,
        before: &CertRow,
        active_from: Option<Timestamp>,
    ) -> Result<Draft, AuthorityError> {
        let generation = before.generation.saturating_add(1);
        let reference = format!("{}/{generation}", before.line);
        let subject = match before.role {
            Role::Root | Role::Issuing => self.name_of(before.role, generation)?,
            _ => before.subject.clone(),
        };
        Ok(Draft {
            role: before.role,
            ask: Ask { reference, subject, key: SubjectKey::Fresh },
            line: before.line.clone(),
            generation,
            active_from,
            issuer: None,
        })
    }

    /// The name of an own authority from its second generation on.
    fn name_of(&self, role: Role, generation: i64) -> Result<SubjectFields, Refusal> {
        let name = OWN.iter().find(|(_, own, _)| *own == role).map_or("", |(_, _, name)| name);
        self.0.settings.own_subject(&format!("{name} G{generation}"))
    }

    /// Has each root and the one after it certify each other, where that was not done. Safe to repeat.
    pub async fn cross_certify(&self, act: &Act<'_>) -> Result<(), AuthorityError> {
        let own = self.authorities().await?;
        let mut roots: Vec<&Issued> = own.of(Role::Root).collect();
        roots.sort_by_key(|root| root.generation);
        for pair in roots.windows(2) {
            for (subject, signer) in [(pair[1], pair[0]), (pair[0], pair[1])] {
                // A root that is over vouches for nobody, and nobody for it.
                if act.now <= subject.cert.not_after() && act.now <= signer.cert.not_after() {
                    self.cross(act, subject, signer).await?;
                }
            }
        }
        Ok(())
    }

    /// A root as certified by another.
    async fn cross(&self, act: &Act<'_>, subject: &Issued, signer: &Issued) -> Result<(), AuthorityError> {
        let reference = format!("{ROOT}/{}/by/{}", subject.generation, signer.generation);
        let key = subject.key.clone().ok_or_else(|| AuthorityError::not_ready(&subject.reference))?;
        let row = self.0.store.read(async |rx| store::find_by_id(rx, &subject.id).await).await?;
        let row = row.ok_or_else(|| AuthorityError::not_ready(&subject.reference))?;
        let draft = Draft {
            role: Role::Cross,
            ask: Ask { reference: reference.clone(), subject: row.subject, key: SubjectKey::Kept(key) },
            line: reference,
            generation: 1,
            active_from: None,
            issuer: Some(signer.clone()),
        };
        self.issue(act, &draft).await.map(|_| ())
    }

    /// Makes successors of what ends soon: time stamping and makers. Authorities are for people to replace; see
    /// [`Authority::endings`]. Safe to repeat, and on several nodes at once. Answers what was made.
    pub async fn renew_due(&self, act: &Act<'_>) -> Result<Vec<Issued>, AuthorityError> {
        self.cross_certify(act).await?;
        let issuing = self.own(ISSUING, act.now).await?;
        let mut made = Vec::new();
        for own in self.newest_leaves().await? {
            if !self.is_due(&own, &issuing, act.now) {
                continue;
            }
            let replaces = own.cert.serial_hex();
            let wish = Succession { line: &own.line, replaces: &replaces, active_from: None };
            match self.succeed(act, &wish).await {
                Ok(issued) => made.push(issued),
                // Another node was faster.
                Err(AuthorityError::Replaced { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// Whether it ends soon, was not taken back, and a successor would last longer.
    fn is_due(&self, own: &Issued, issuing: &Issued, now: Timestamp) -> bool {
        let before = match own.role {
            Role::SealMaker => self.0.settings.renew_before_days.seal_maker,
            _ => self.0.settings.renew_before_days.time_stamping,
        };
        let (_, longest) = self.0.settings.period(own.role, now);
        let gain = longest.min(issuing.cert.not_after());
        own.state == CertState::Valid
            && now >= own.cert.not_after().plus_days(-before)
            && gain >= own.cert.not_after().plus_days(WORTH_DAYS)
    }

    /// The newest of each line of time stamping and makers.
    async fn newest_leaves(&self) -> Result<Vec<Issued>, AuthorityError> {
        let mut newest: BTreeMap<String, Issued> = BTreeMap::new();
        for role in [Role::TimeStamping, Role::SealMaker] {
            for row in self.0.store.read(async |rx| store::of_role(rx, role).await).await? {
                let issued = Issued::of(row)?;
                match newest.get(&issued.line) {
                    Some(known) if known.generation > issued.generation => {}
                    _ => drop(newest.insert(issued.line.clone(), issued)),
                }
            }
        }
        Ok(newest.into_values().collect())
    }

    /// All certificates of the service itself, the newest of each line first.
    pub async fn own_certificates(&self) -> Result<Vec<Issued>, AuthorityError> {
        let own = self.authorities().await?;
        let mut all: Vec<Issued> = [Role::Root, Role::Cross, Role::Issuing]
            .into_iter()
            .flat_map(|role| own.of(role))
            .cloned()
            .collect();
        for role in [Role::TimeStamping, Role::SealMaker] {
            let rows = self.0.store.read(async |rx| store::of_role(rx, role).await).await?;
            let mut issued = rows.into_iter().map(Issued::of).collect::<Result<Vec<_>, _>>()?;
            issued.sort_by(|one, other| (&one.line, other.generation).cmp(&(&other.line, one.generation)));
            all.extend(issued);
        }
        Ok(all)
    }

    /// Certificates of the service that end soon although they should have had a successor, and authorities that leave
    /// too little room for what stands under them: for those who look after it.
    pub async fn endings(&self, now: Timestamp) -> Result<Vec<Ending>, AuthorityError> {
        let days = &self.0.settings.valid_days;
        let (root, issuing) = (self.own(ROOT, now).await?, self.newest_issuing(now).await?);
        let mut endings = Vec::new();
        let mut warn = |own: &Issued, room_days: i64, says: &str| {
            if now >= own.cert.not_after().plus_days(-room_days) {
                let (line, serial, not_after) =
                    (own.line.clone(), own.cert.serial_hex(), own.cert.not_after());
                endings.push(Ending { line, serial, not_after, says: says.to_owned() });
            }
        };
        warn(
            &root,
            days.issuing,
            "a new issuing authority would be cut short by its root: roll the root over",
        );
        let longest = days.seal_owner;
        warn(
            &issuing,
            longest,
            "new certificates are cut short by their issuer: roll the issuing authority over",
        );
        for own in self.newest_leaves().await? {
            let before = match own.role {
                Role::SealMaker => self.0.settings.renew_before_days.seal_maker,
                _ => self.0.settings.renew_before_days.time_stamping,
            };
            let says =
                "it ends soon and got no successor by itself: see to the issuing authority, or renew it";
            warn(&own, before / 2, says);
        }
        Ok(endings)
    }

    /// The newest issuing authority, also where it is only announced.
    async fn newest_issuing(&self, now: Timestamp) -> Result<Issued, AuthorityError> {
        let own = self.authorities().await?;
        let newest = own.of(Role::Issuing).max_by_key(|issued| issued.generation).cloned();
        match newest {
            Some(newest) => Ok(newest),
            None => self.own(ISSUING, now).await,
        }
    }
}

/// Only an issuing authority is announced before its use: the others need no verifier to learn of them first.
fn check_ahead(
    role: Role,
    active_from: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refusal> {
    let refused = |says: &str| Err(Refusal::new("authority/active-from", says));
    match active_from {
        None => Ok(None),
        Some(at) if at <= now => Ok(None),
        Some(_) if role != Role::Issuing => {
            refused("only an issuing authority is announced ahead of its use")
        }
        Some(at) if at > now.plus_days(AHEAD_DAYS_MAX) => refused("that is more than a year ahead"),
        Some(at) => Ok(Some(at.whole_seconds())),
    }
}

/// The line that a word of the command line means.
pub fn line_of(word: &str) -> Option<&'static str> {
    let own = [("root", ROOT), ("issuing", ISSUING), ("time-stamping", TIME_STAMPING), ("seal-maker", MAKER)];
    own.into_iter().find(|(known, _)| *known == word).map(|(_, line)| line)
}
