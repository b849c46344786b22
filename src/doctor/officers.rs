//! Officers and their keys: does somebody hold each of the roles that check each other, and are keys kept short.

use super::{Case, finding::Notes, read};
use crate::{
    officer::{Role, store::census},
    store::Store,
};

const SUBJECT: &str = "officers";
const SOON_DAYS: i64 = 30;
/// One administrator alone can't be put off duty, or given another key, by anybody.
const SECURITY_LEAST: i64 = 2;

pub(super) async fn look(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let (now, soon) = (case.now, case.now.plus_days(SOON_DAYS));
    let found = read(notes, SUBJECT, "roles", store, async |rx| {
        Ok((census::on_duty(rx).await?, census::two_hats(rx).await?, census::keys(rx, now, soon).await?))
    });
    let Some((on_duty, two_hats, keys)) = found.await else { return };
    let mut of = notes.of(SUBJECT);
    let count = |role: Role| on_duty.iter().find(|(held, _)| *held == role).map_or(0, |(_, count)| *count);
    let mut held = true;
    for role in Role::ALL.iter().copied().filter(|role| role.stands_apart()) {
        if count(role) == 0 {
            held = false;
            let advice = "have a security administrator register somebody for it";
            of.wrong("roles", format!("nobody on duty is {role}"), advice);
        }
    }
    if held {
        of.fine("roles", "system administrator, security administrator and auditor are on duty");
    }
    if (1..SECURITY_LEAST).contains(&count(Role::SecurityAdministrator)) {
        of.weak(
            "second",
            "there is one security administrator: nobody could replace a lost key",
            "register a second person as security_administrator",
        );
    }
    match two_hats {
        0 => of.fine("apart", "nobody holds a role that stands apart beside another"),
        count => {
            let advice =
                "the service never writes that: somebody changed the database; run `yinxin audit verify`";
            of.wrong(
                "apart",
                format!("{count} officers hold a role that stands apart beside another"),
                advice,
            );
        }
    }
    let told = format!("{} open something, {} of them end within {SOON_DAYS} days", keys.good, keys.ending);
    match keys.ending {
        0 => of.fine("keys", told),
        _ => of.weak("keys", told, "make new keys for their holders in time"),
    }
    if keys.endless > 0 {
        let advice = "make keys with expires_at, and revoke those without";
        of.weak("endless", format!("{} API keys never end by themselves", keys.endless), advice);
    }
    if keys.ended > 0 {
        of.fine(
            "ended",
            format!("{} API keys have ended and open nothing; revoke them to tidy up", keys.ended),
        );
    }
}
