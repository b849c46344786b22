//! Certificates and the revocation list: what has ended, and what ends soon.

use super::{Case, days, finding::Notes, read};
use crate::{
    authority::{
        Role,
        store::census::{self, Ends},
    },
    base::Timestamp,
    store::Store,
};

const SUBJECT: &str = "certificates";
/// Certificates of seals are renewed in this time.
const SEALS_SOON_DAYS: i64 = 30;
/// Our own authorities need a rollover that others have to learn of.
const OWN_SOON_DAYS: i64 = 180;
/// What the service itself cannot do without.
const OWN: [Role; 4] = [Role::Root, Role::Issuing, Role::SealMaker, Role::TimeStamping];

pub(super) async fn look(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let (now, soon) = (case.now, case.now.plus_days(SEALS_SOON_DAYS));
    let found = read(notes, SUBJECT, "ends", store, async |rx| {
        let open = census::open_intents(rx).await?;
        Ok((census::ends(rx, now, soon).await?, census::list_ends(rx).await?, open))
    });
    let Some((ends, list_ends, open)) = found.await else { return };
    for role in OWN {
        own(notes, now, role, ends.iter().find(|ends| ends.role == role));
    }
    if let Some(owners) = ends.iter().find(|ends| ends.role == Role::SealOwner) {
        let mut of = notes.of(SUBJECT);
        let told =
            format!("of {} seals in force, {} end within {SEALS_SOON_DAYS} days", owners.good, owners.ending);
        match owners.ending {
            0 => of.fine("seals", told),
            _ => of.weak("seals", told, "renew these seals: one whose certificate has ended stamps nothing"),
        }
    }
    list(notes, case, list_ends);
    if open > 0 {
        let advice = if case.at_work { "look again in a minute" } else { "the next start completes them" };
        notes.of(SUBJECT).weak("open", format!("{open} certificates were begun and not signed"), advice);
    }
}

fn own(notes: &mut Notes, now: Timestamp, role: Role, ends: Option<&Ends>) {
    let mut of = notes.of(SUBJECT);
    let word = role.as_str();
    let Some(ends) = ends else {
        return of.wrong("own", format!("there is no {word} certificate"), "run `yinxin init`");
    };
    let left = days(now, ends.last);
    if ends.good == 0 {
        of.wrong(
            "own",
            format!("the {word} certificate ended on {}", ends.last),
            "roll it over: nothing is signed with it",
        );
    } else if left < OWN_SOON_DAYS {
        let advice = "roll it over in time: others have to learn of the new one first";
        of.weak("own", format!("the {word} certificate ends in {left} days"), advice);
    } else {
        of.fine("own", format!("the {word} certificate is good for {left} days"));
    }
}

/// A daemon at work renews its list in time, and makes the first one when somebody asks.
fn list(notes: &mut Notes, case: &Case<'_>, ends: Option<Timestamp>) {
    let mut of = notes.of(SUBJECT);
    match ends {
        None => of.fine("list", "no revocation list was asked for yet; the first request makes it"),
        Some(end) if end > case.now => of.fine("list", format!("the revocation list is good until {end}")),
        Some(end) => {
            let advice = match case.at_work {
                true => "fetch /pki/ca.crl, which makes a new one; have a cron job or verifiers do so daily",
                false => "start the daemon: the next request makes a new one",
            };
            of.weak(
                "list",
                format!("the revocation list was good until {end}: whoever checks, waits"),
                advice,
            );
        }
    }
}
