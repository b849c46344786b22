//! The SQL of officers and their keys.

pub mod census;

use super::{ApiKey, ApiKeyId, KeyHash, Officer, OfficerId, OfficerState, Role, Roles};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};

/// Officers that one page of a list shows.
pub(super) const PAGE: i64 = 100;

/// The columns of an [`ApiKey`], in the order that `key_from` reads them. A key that the first release made lives as long
/// as any in its place where nobody bounded it.
macro_rules! key_columns {
    ($table:literal) => {
        concat!(
            $table,
            ".id, ",
            $table,
            ".officer, ",
            $table,
            ".label, ",
            $table,
            ".made_at, ",
            $table,
            ".expires_at, ",
            $table,
            ".revoked_at, ",
            $table,
            ".replaced_by, COALESCE(",
            $table,
            ".renewable, CASE WHEN ",
            $table,
            ".expires_at IS NULL THEN 1 ELSE 0 END)"
        )
    };
}

const CLAIM_BOOTSTRAP: Statement = Statement::portable(
    "officer.claim_bootstrap",
    "INSERT INTO officer_bootstrap (one, at) VALUES (1, $1) ON CONFLICT (one) DO NOTHING",
);
const ADD: Statement = Statement::portable(
    "officer.add",
    "INSERT INTO officer (id, name, state, standing, made_at) VALUES ($1, $2, $3, $4, $5)",
);
const ADD_ROLE: Statement = Statement::portable(
    "officer.add_role",
    "INSERT INTO officer_role (officer, role, standing) VALUES ($1, $2, $3)",
);
const DROP_ROLES: Statement =
    Statement::portable("officer.drop_roles", "DELETE FROM officer_role WHERE officer = $1");
const UPDATE: Statement =
    Statement::portable("officer.update", "UPDATE officer SET state = $2, standing = $3 WHERE id = $1");
const FIND: Statement = Statement::portable(
    "officer.find",
    "SELECT o.id, o.name, o.state, o.made_at,
            (SELECT string_agg(r.role, ',') FROM officer_role r WHERE r.officer = o.id)
     FROM officer o WHERE o.id = $1",
);
const LOCK: Statement = Statement::split(
    "officer.lock",
    "SELECT id FROM officer WHERE id = $1",
    "SELECT id FROM officer WHERE id = $1 FOR UPDATE",
);
const LIST: Statement = Statement::portable(
    "officer.list",
    "SELECT o.id, o.name, o.state, o.made_at,
            (SELECT string_agg(r.role, ',') FROM officer_role r WHERE r.officer = o.id)
     FROM officer o WHERE o.id > $1 ORDER BY o.id LIMIT $2",
);
const ADD_KEY: Statement = Statement::portable(
    "officer.add_key",
    "INSERT INTO api_key (id, officer, label, secret_sm3, made_at, expires_at, renewable)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);
const FIND_KEY: Statement = Statement::portable(
    "officer.find_key",
    concat!("SELECT ", key_columns!("k"), " FROM api_key k WHERE k.id = $1 AND k.officer = $2"),
);
const KEYS_OF: Statement = Statement::portable(
    "officer.keys_of",
    concat!(
        "SELECT ",
        key_columns!("k"),
        " FROM api_key k WHERE k.officer = $1 ORDER BY k.id DESC LIMIT 100"
    ),
);
const REVOKE_KEY: Statement = Statement::portable(
    "officer.revoke_key",
    "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
);
const SIGN_IN: Statement = Statement::portable(
    "officer.sign_in",
    concat!(
        "SELECT o.id, o.name, o.state, o.made_at,
            (SELECT string_agg(r.role, ',') FROM officer_role r WHERE r.officer = o.id), ",
        key_columns!("k"),
        ", k.secret_sm3 FROM api_key k JOIN officer o ON o.id = k.officer WHERE k.id = $1"
    ),
);
/// The row is locked until the transaction ends: of two who change a key at once, the second sees what the first did.
const LOCK_KEY: Statement = Statement::split(
    "officer.lock_key",
    "SELECT id FROM api_key WHERE id = $1",
    "SELECT id FROM api_key WHERE id = $1 FOR UPDATE",
);
const REPLACE_KEY: Statement = Statement::portable(
    "officer.replace_key",
    "UPDATE api_key SET expires_at = $2, replaced_by = $3 WHERE id = $1 AND revoked_at IS NULL",
);
/// Good keys of officers on duty that end by `$2`, or never, and have no key in their place.
const ENDING_KEYS: Statement = Statement::portable(
    "officer.ending_keys",
    concat!(
        "SELECT ",
        key_columns!("k"),
        " FROM api_key k JOIN officer o ON o.id = k.officer
     WHERE o.state = 'active' AND k.revoked_at IS NULL AND k.replaced_by IS NULL
     AND (k.expires_at IS NULL OR (k.expires_at > $1 AND k.expires_at <= $2))
     ORDER BY k.expires_at, k.id LIMIT 500"
    ),
);
/// Keys that are good at an instant, of officers on duty with this role.
const GOOD_KEYS_OF_ROLE: Statement = Statement::portable(
    "officer.good_keys_of_role",
    "SELECT count(*) FROM api_key k JOIN officer o ON o.id = k.officer JOIN officer_role r ON r.officer = o.id
     WHERE r.role = $1 AND o.state = 'active' AND k.revoked_at IS NULL
     AND (k.expires_at IS NULL OR k.expires_at > $2)",
);
const FIRST_OF_ROLE: Statement = Statement::portable(
    "officer.first_of_role",
    "SELECT o.id, o.name, o.state, o.made_at,
            (SELECT string_agg(r.role, ',') FROM officer_role r WHERE r.officer = o.id)
     FROM officer o JOIN officer_role own ON own.officer = o.id
     WHERE own.role = $1 AND o.state = 'active' ORDER BY o.id LIMIT 1",
);

/// Every statement of this room, for the test that prepares them all.
pub const STATEMENTS: &[&Statement] = &[
    &CLAIM_BOOTSTRAP,
    &ADD,
    &ADD_ROLE,
    &DROP_ROLES,
    &UPDATE,
    &FIND,
    &LOCK,
    &LIST,
    &ADD_KEY,
    &FIND_KEY,
    &KEYS_OF,
    &REVOKE_KEY,
    &SIGN_IN,
    &census::KEYS,
    &census::ON_DUTY,
    &census::TWO_HATS,
    &LOCK_KEY,
    &REPLACE_KEY,
    &ENDING_KEYS,
    &GOOD_KEYS_OF_ROLE,
    &FIRST_OF_ROLE,
];

/// What signing in looks at.
pub(super) struct SignIn {
    pub officer: Officer,
    pub key: ApiKey,
    pub hash: KeyHash,
}

impl FromRow for Officer {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let state = row.text(2)?;
        Ok(Officer {
            id: OfficerId::from_row(row.text(0)?),
            name: row.text(1)?,
            roles: roles(&row.text(4)?)?,
            state: OfficerState::parse(&state).ok_or_else(|| corrupt("officer.state"))?,
            made_at: row.timestamp(3)?,
        })
    }
}

impl FromRow for ApiKey {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        key_from(row, 0)
    }
}

impl FromRow for SignIn {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let hash = KeyHash::from_row(&row.bytes(13)?).ok_or_else(|| corrupt("api_key.secret_sm3"))?;
        Ok(Self { officer: Officer::from_row(row)?, key: key_from(row, 5)?, hash })
    }
}

fn key_from(row: &Row, at: usize) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: ApiKeyId::from_row(row.text(at)?),
        officer: OfficerId::from_row(row.text(at + 1)?),
        label: row.text(at + 2)?,
        made_at: row.timestamp(at + 3)?,
        expires_at: row.opt_timestamp(at + 4)?,
        revoked_at: row.opt_timestamp(at + 5)?,
        replaced_by: row.opt_text(at + 6)?.map(ApiKeyId::from_row),
        renewable: row.int(at + 7)? != 0,
    })
}

fn roles(joined: &str) -> Result<Roles, StoreError> {
    let roles: Option<Vec<Role>> = joined.split(',').map(Role::parse).collect();
    roles.and_then(|roles| Roles::new(roles).ok()).ok_or_else(|| corrupt("officer_role.role"))
}

fn corrupt(column: &str) -> StoreError {
    StoreError::Corrupt { says: format!("{column} holds no value that this program knows") }
}

fn standing(apart: bool) -> &'static str {
    if apart { "apart" } else { "common" }
}

/// Whether nobody made the first officers before.
pub(super) async fn claim_bootstrap(tx: &mut Tx, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&CLAIM_BOOTSTRAP, &[now.into()]).await? == 1)
}

pub(super) async fn add(tx: &mut Tx, officer: &Officer) -> Result<(), StoreError> {
    let values = [
        officer.id.as_str().into(),
        (&officer.name).into(),
        officer.state.name().into(),
        standing(officer.roles.stand_apart()).into(),
        officer.made_at.into(),
    ];
    tx.execute(&ADD, &values).await?;
    add_roles(tx, officer).await
}

async fn add_roles(tx: &mut Tx, officer: &Officer) -> Result<(), StoreError> {
    for role in officer.roles.iter() {
        let values = [officer.id.as_str().into(), role.name().into(), standing(role.stands_apart()).into()];
        tx.execute(&ADD_ROLE, &values).await?;
    }
    Ok(())
}

/// Writes state and roles. Roles go first and come last: they point to the officer's standing.
pub(super) async fn update(tx: &mut Tx, officer: &Officer) -> Result<(), StoreError> {
    tx.outdate();
    let id = officer.id.as_str();
    tx.execute(&DROP_ROLES, &[id.into()]).await?;
    let standing = standing(officer.roles.stand_apart());
    tx.execute(&UPDATE, &[id.into(), officer.state.name().into(), standing.into()]).await?;
    add_roles(tx, officer).await
}

pub(crate) async fn find(rx: &mut Rx, id: &OfficerId) -> Result<Option<Officer>, StoreError> {
    rx.optional(&FIND, &[id.as_str().into()]).await
}

/// Keeps everybody else from changing the officer until this transaction ends; does nothing where there is none.
pub(super) async fn lock(tx: &mut Tx, id: &OfficerId) -> Result<(), StoreError> {
    tx.optional::<String>(&LOCK, &[id.as_str().into()]).await.map(|_| ())
}

/// Officers after this id, in order of registration.
pub(super) async fn list(rx: &mut Rx, after: Option<&OfficerId>) -> Result<Vec<Officer>, StoreError> {
    rx.all(&LIST, &[after.map_or("", OfficerId::as_str).into(), PAGE.into()]).await
}

pub(super) async fn add_key(tx: &mut Tx, key: &ApiKey, hash: &KeyHash) -> Result<(), StoreError> {
    let values = [
        key.id.as_str().into(),
        key.officer.as_str().into(),
        (&key.label).into(),
        hash.octets().into(),
        key.made_at.into(),
        key.expires_at.into(),
        i64::from(key.renewable).into(),
    ];
    tx.execute(&ADD_KEY, &values).await.map(|_| ())
}

pub(super) async fn find_key(
    rx: &mut Rx,
    officer: &OfficerId,
    key: &ApiKeyId,
) -> Result<Option<ApiKey>, StoreError> {
    rx.optional(&FIND_KEY, &[key.as_str().into(), officer.as_str().into()]).await
}

/// The officer's keys, the newest first, 100 at most.
pub(super) async fn keys_of(rx: &mut Rx, officer: &OfficerId) -> Result<Vec<ApiKey>, StoreError> {
    rx.all(&KEYS_OF, &[officer.as_str().into()]).await
}

/// Whether the key was still good until now.
pub(super) async fn revoke_key(tx: &mut Tx, key: &ApiKeyId, now: Timestamp) -> Result<bool, StoreError> {
    tx.outdate();
    Ok(tx.execute(&REVOKE_KEY, &[key.as_str().into(), now.into()]).await? == 1)
}

pub(super) async fn sign_in(rx: &mut Rx, key: &ApiKeyId) -> Result<Option<SignIn>, StoreError> {
    rx.optional(&SIGN_IN, &[key.as_str().into()]).await
}

/// Keeps everybody else from changing the key until this transaction ends.
pub(super) async fn lock_key(tx: &mut Tx, key: &ApiKeyId) -> Result<(), StoreError> {
    tx.optional::<String>(&LOCK_KEY, &[key.as_str().into()]).await.map(|_| ())
}

/// Bounds a key in whose place another came; `false` where it was revoked meanwhile.
pub(super) async fn replace_key(
    tx: &mut Tx,
    key: &ApiKeyId,
    end: Timestamp,
    next: &ApiKeyId,
) -> Result<bool, StoreError> {
    tx.outdate();
    Ok(tx.execute(&REPLACE_KEY, &[key.as_str().into(), end.into(), next.as_str().into()]).await? == 1)
}

/// Good keys that end until `until`, or never, 500 at the most.
pub(super) async fn ending_keys(
    rx: &mut Rx,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<ApiKey>, StoreError> {
    rx.all(&ENDING_KEYS, &[now.into(), until.into()]).await
}

/// How many keys officers on duty with this role have that are good at `now`.
pub(super) async fn good_keys_of_role(rx: &mut Rx, role: Role, now: Timestamp) -> Result<i64, StoreError> {
    rx.one(&GOOD_KEYS_OF_ROLE, &[role.name().into(), now.into()]).await
}

/// The first officer on duty with this role.
pub(super) async fn first_of_role(rx: &mut Rx, role: Role) -> Result<Option<Officer>, StoreError> {
    rx.optional(&FIRST_OF_ROLE, &[role.name().into()]).await
}
