//! When no security administrator has a key that is good any more, nobody could make one. Whoever holds the machine, the
//! database and the keystore's passphrase may then have one made, and that is recorded; while anybody has a good one, not.

use super::{FirstOfficer, fresh_officer, keys};
use crate::{
    base::{Entropy, Timestamp},
    officer::{Caller, OfficerError, Role, Roles, store},
    store::Store,
};

/// How long such a key is good: long enough to make better ones with.
const RESCUE_DAYS: i64 = 7;

/// Makes a key for the first security administrator on duty; where there is none, registers one.
///
/// # Errors
/// [`OfficerError::NoRescue`] while a security administrator on duty has a key that is good.
pub async fn rescue(
    store: &Store,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<FirstOfficer, OfficerError> {
    const ROLE: Role = Role::SecurityAdministrator;
    let caller = Caller::system("rescue", now);
    store
        .write(async |tx| {
            let found = store::first_of_role(tx, ROLE).await?;
            if let Some(found) = &found {
                // Of two rescues at once, the second sees the first one's key.
                store::lock(tx, &found.id).await?;
            }
            if store::good_keys_of_role(tx, ROLE, now).await? > 0 {
                return Err(OfficerError::NoRescue);
            }
            let officer = match found {
                Some(found) => found,
                None => {
                    let officer = fresh_officer("安全管理员".to_owned(), Roles::only(ROLE), now, entropy);
                    super::add_officer(tx, &caller, &officer).await?;
                    officer
                }
            };
            let life = (Some(now.plus_days(RESCUE_DAYS)), true);
            let key = keys::fresh(officer.id.clone(), "rescue".to_owned(), life, now, entropy);
            keys::add(tx, &caller, &key).await?;
            Ok(FirstOfficer { officer, key })
        })
        .await
}
