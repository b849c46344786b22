//! The SQL of officers and their keys.

use super::{ApiKey, ApiKeyId, KeyHash, Officer, OfficerId, OfficerState, Role, Roles};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};

/// Officers that one page of a list shows.
pub(super) const PAGE: i64 = 100;

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
    "INSERT INTO api_key (id, officer, label, secret_sm3, made_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
);
const FIND_KEY: Statement = Statement::portable(
    "officer.find_key",
    "SELECT id, officer, label, made_at, expires_at, revoked_at FROM api_key WHERE id = $1 AND officer = $2",
);
const KEYS_OF: Statement = Statement::portable(
    "officer.keys_of",
    "SELECT id, officer, label, made_at, expires_at, revoked_at FROM api_key WHERE officer = $1
     ORDER BY id DESC LIMIT 100",
);
const REVOKE_KEY: Statement = Statement::portable(
    "officer.revoke_key",
    "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
);
const SIGN_IN: Statement = Statement::portable(
    "officer.sign_in",
    "SELECT o.id, o.name, o.state, o.made_at,
            (SELECT string_agg(r.role, ',') FROM officer_role r WHERE r.officer = o.id),
            k.id, k.officer, k.label, k.made_at, k.expires_at, k.revoked_at, k.secret_sm3
     FROM api_key k JOIN officer o ON o.id = k.officer WHERE k.id = $1",
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
        let hash = KeyHash::from_row(&row.bytes(11)?).ok_or_else(|| corrupt("api_key.secret_sm3"))?;
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
