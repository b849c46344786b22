//! The keystore on both engines: what was made is there after a restart, and what was touched opens nothing.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::support::databases::{Database, for_each_database};
use std::{sync::Arc, time::Duration};
use yinxin::{
    base::{Entropy, Secret, Timestamp, entropy::SeededEntropy},
    keys::{
        Custody, Key, KeyId, KeyKind, KeyPurpose, KeysError, Keystore, PoolSize, SigningPool, ToSign,
        UnlockCost,
    },
    store::{FromRow, Row, Statement, Store, StoreError, Tx, Value},
};
use yinxin_pki::sign::{Algorithm, Digest, PublicKey, verify};

const NOW: Timestamp = Timestamp::from_seconds(1_795_219_200);
const LONG: Duration = Duration::from_secs(60);

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn chance(seed: u64) -> Arc<dyn Entropy> {
    Arc::new(SeededEntropy::new(seed))
}

async fn created(store: &Store) -> Keystore {
    Keystore::create(store.clone(), &secret("right"), UnlockCost::FLOOR, chance(1), NOW).await.unwrap()
}

async fn unlocked(store: &Store, passphrase: &str) -> Result<Keystore, KeysError> {
    Keystore::unlock(store.clone(), &secret(passphrase), chance(2)).await
}

async fn made(store: &Store, keystore: &Keystore, purpose: KeyPurpose, kind: KeyKind) -> Key {
    store.write(async |tx: &mut Tx| keystore.make(tx, purpose, kind, NOW).await).await.unwrap()
}

async fn destroyed(store: &Store, keystore: &Keystore, id: &KeyId) -> Result<(), KeysError> {
    store.write(async |tx: &mut Tx| keystore.destroy(tx, id, NOW).await).await
}

/// Signs and verifies with the public key of the listing.
async fn works(keystore: &Keystore, key: &Key) {
    let pool = SigningPool::start(PoolSize::default(), &chance(3)).unwrap();
    let signer = keystore.signer(&key.id).await.unwrap();
    let value = pool.sign(signer, ToSign::Message(b"m".to_vec()), LONG).await.unwrap();
    let algorithm = match key.public_key {
        PublicKey::Sm2(_) => Algorithm::Sm2Sm3,
        _ => Algorithm::Ecdsa(Digest::Sha256),
    };
    assert_eq!(verify(&key.public_key, algorithm, b"m", &value), Ok(()));
}

async fn code_of_signer(keystore: &Keystore, id: &KeyId) -> &'static str {
    keystore.signer(id).await.map_or_else(|error| error.code(), |_| "opened")
}

async fn both(story: impl AsyncFn(&Database, Store)) {
    for_each_database(async |database| story(database, database.open().await).await).await;
}

/// The same database, opened anew.
async fn reopened(database: &Database, store: Store) -> Store {
    store.close().await;
    drop(store);
    // The lock on the file goes with the last task of the store, a moment later.
    for _ in 0..1_000 {
        match database.try_open().await {
            Ok(store) => return store,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("the database stays locked");
}

#[tokio::test]
async fn keys_outlive_a_restart() {
    both(async |database, store| {
        assert!(!Keystore::exists(&store).await.unwrap());
        let keystore = created(&store).await;
        let sm2 = made(&store, &keystore, KeyPurpose::SealOwner, KeyKind::Sm2).await;
        let p256 = made(&store, &keystore, KeyPurpose::SealOwner, KeyKind::P256).await;
        works(&keystore, &sm2).await;
        drop(keystore);
        let store = reopened(database, store).await;
        let keystore = unlocked(&store, "right").await.unwrap();
        let listed = keystore.list(None, 10).await.unwrap();
        assert_eq!(listed.len(), 2);
        for key in [&sm2, &p256] {
            assert!(listed.contains(key));
            assert_eq!((key.custody, key.destroyed_at), (Custody::Soft, None));
            works(&keystore, key).await;
        }
        let rest = keystore.list(Some(&listed[0].id), 10).await.unwrap();
        assert_eq!(rest, listed[1..]);
    })
    .await;
}

#[tokio::test]
async fn a_keystore_is_made_once_and_opened_only_by_its_passphrase() {
    both(async |_, store| {
        assert_eq!(unlocked(&store, "right").await.unwrap_err().code(), "keys/no-keystore");
        let low = UnlockCost { memory_kib: 1024, passes: 1 };
        let refused = Keystore::create(store.clone(), &secret("right"), low, chance(1), NOW).await;
        assert_eq!(refused.unwrap_err().code(), "keys/cost");
        created(&store).await;
        assert!(Keystore::exists(&store).await.unwrap());
        let again =
            Keystore::create(store.clone(), &secret("other"), UnlockCost::FLOOR, chance(1), NOW).await;
        assert_eq!(again.unwrap_err().code(), "keys/exists");
        for wrong in ["", "Right", "right ", "wrong"] {
            assert_eq!(
                unlocked(&store, wrong).await.unwrap_err().code(),
                "keys/wrong-passphrase",
                "{wrong:?}"
            );
        }
        assert!(unlocked(&store, "right").await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_new_passphrase_opens_the_same_keys_and_the_old_one_nothing() {
    both(async |_, store| {
        let keystore = created(&store).await;
        let key = made(&store, &keystore, KeyPurpose::Audit, KeyKind::Sm2).await;
        let change = async |passphrase: &str| {
            keystore.rewrap(&secret(passphrase), UnlockCost::FLOOR, NOW).await.unwrap()
        };
        let (new, rival) = (change("a new passphrase").await, change("a rival's passphrase").await);
        let replace =
            async |header| store.write(async |tx: &mut Tx| keystore.replace_header(tx, header).await).await;
        replace(&new).await.unwrap();
        assert_eq!(
            replace(&rival).await.unwrap_err().code(),
            "keys/changed",
            "both began from the same header"
        );
        for wrong in ["right", "a rival's passphrase"] {
            assert_eq!(unlocked(&store, wrong).await.unwrap_err().code(), "keys/wrong-passphrase");
        }
        works(&unlocked(&store, "a new passphrase").await.unwrap(), &key).await;
        works(&keystore, &key).await;
    })
    .await;
}

#[tokio::test]
async fn a_destroyed_key_signs_nowhere_and_stays_in_the_list() {
    both(async |_, store| {
        let here = created(&store).await;
        let there = unlocked(&store, "right").await.unwrap();
        let key = made(&store, &here, KeyPurpose::SealOwner, KeyKind::Sm2).await;
        works(&here, &key).await;
        works(&there, &key).await;
        destroyed(&store, &here, &key.id).await.unwrap();
        for keystore in [&here, &there] {
            assert_eq!(code_of_signer(keystore, &key.id).await, "keys/destroyed");
        }
        assert_eq!(destroyed(&store, &there, &key.id).await.unwrap_err().code(), "keys/destroyed");
        let listed = here.list(None, 10).await.unwrap();
        assert_eq!(listed[0].destroyed_at, Some(NOW));
        assert_eq!(listed[0].may_serve(KeyPurpose::SealOwner).unwrap_err().code(), "keys/destroyed");
        let nobody = KeyId::fresh(NOW, &*chance(9));
        assert_eq!(code_of_signer(&here, &nobody).await, "keys/unknown");
        assert_eq!(destroyed(&store, &here, &nobody).await.unwrap_err().code(), "keys/unknown");
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_transaction_fails_was_never_there() {
    both(async |_, store| {
        let keystore = created(&store).await;
        let failed: Result<(), KeysError> = store
            .write(async |tx: &mut Tx| {
                keystore.make(tx, KeyPurpose::Audit, KeyKind::Sm2, NOW).await?;
                Err(KeysError::Fault)
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(keystore.list(None, 10).await.unwrap(), []);
    })
    .await;
}

/// A value as it stands in one column.
enum Cell {
    Text(String),
    Int(i64),
    Bytes(Vec<u8>),
}

impl Cell {
    /// Every neighbour that is tried: each octet of bytes and text bent, numbers one off.
    fn neighbours(&self) -> Vec<Cell> {
        match self {
            Self::Int(number) => vec![Self::Int(number + 1), Self::Int(number - 1)],
            Self::Text(text) => (0..text.len())
                .map(|at| {
                    let mut octets = text.clone().into_bytes();
                    octets[at] ^= 1;
                    Self::Text(String::from_utf8(octets).unwrap())
                })
                .collect(),
            Self::Bytes(octets) => (0..octets.len())
                .map(|at| {
                    let mut octets = octets.clone();
                    octets[at] ^= 1 << (at % 8);
                    Self::Bytes(octets)
                })
                .chain([Self::Bytes(vec![]), Self::Bytes([&octets[..], &[0]].concat())])
                .collect(),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => text.into(),
            Self::Int(number) => (*number).into(),
            Self::Bytes(octets) => octets.into(),
        }
    }
}

impl FromRow for Cell {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.text(0)
            .map(Self::Text)
            .or_else(|_| row.int(0).map(Self::Int))
            .or_else(|_| row.bytes(0).map(Self::Bytes))
    }
}

/// Reading one column, and writing it.
struct Column(&'static str, Statement, Statement);

macro_rules! columns {
    ($table:literal: $($column:literal),+) => {
        [$(Column(
            $column,
            Statement::portable("test.read", concat!("SELECT ", $column, " FROM ", $table)),
            Statement::portable("test.bend", concat!("UPDATE ", $table, " SET ", $column, " = $1")),
        )),+]
    };
}

async fn read(store: &Store, column: &Column) -> Cell {
    store.read(async |rx| rx.one(&column.1, &[]).await).await.unwrap()
}

async fn write(store: &Store, column: &Column, cell: &Cell) {
    store.write(async |tx: &mut Tx| tx.execute(&column.2, &[cell.value()]).await).await.unwrap();
}

#[tokio::test]
async fn a_touched_header_opens_nothing() {
    let columns = columns!("keystore": "format", "kdf", "memory_kib", "passes", "salt", "aead", "verifier", "wrapped",
        "generation", "made_at_ms", "checksum");
    both(async |_, store| {
        created(&store).await;
        for column in &columns {
            let honest = read(&store, column).await;
            for bent in honest.neighbours() {
                write(&store, column, &bent).await;
                let refused = unlocked(&store, "right").await.unwrap_err();
                assert_eq!(refused.code(), "keys/damaged", "{}", column.0);
            }
            write(&store, column, &honest).await;
        }
        assert!(unlocked(&store, "right").await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_touched_key_signs_nothing_though_it_was_open_before() {
    let columns =
        columns!("signing_key": "purpose", "kind", "custody", "public_key", "aead", "wrapped", "made_at_ms");
    both(async |_, store| {
        let keystore = created(&store).await;
        let key = made(&store, &keystore, KeyPurpose::SealOwner, KeyKind::Sm2).await;
        works(&keystore, &key).await;
        for column in &columns {
            let honest = read(&store, column).await;
            for bent in honest.neighbours() {
                write(&store, column, &bent).await;
                assert_eq!(code_of_signer(&keystore, &key.id).await, "keys/damaged", "{}", column.0);
            }
            write(&store, column, &honest).await;
            works(&keystore, &key).await;
        }
    })
    .await;
}

/// Words that mean something, in the wrong row: what the wrapping binds.
#[tokio::test]
async fn a_key_serves_no_other_purpose_kind_id_or_keystore() {
    both(async |database, store| {
        let keystore = created(&store).await;
        let one = made(&store, &keystore, KeyPurpose::SealOwner, KeyKind::Sm2).await;
        let two = made(&store, &keystore, KeyPurpose::SealOwner, KeyKind::Sm2).await;
        let (one, two) = (one.id.as_str(), two.id.as_str());
        let swap = format!(
            "UPDATE signing_key SET wrapped = (SELECT wrapped FROM signing_key WHERE id = '{two}'), \
             public_key = (SELECT public_key FROM signing_key WHERE id = '{two}') WHERE id = '{one}'"
        );
        for sql in [
            format!("UPDATE signing_key SET purpose = 'root-ca' WHERE id = '{one}'"),
            format!("UPDATE signing_key SET purpose = 'seal-owner', kind = 'p-256' WHERE id = '{one}'"),
            format!("UPDATE signing_key SET kind = 'sm2', handle = 'slot 1' WHERE id = '{one}'"),
            format!("UPDATE signing_key SET handle = NULL, aead = NULL WHERE id = '{one}'"),
            format!("UPDATE signing_key SET aead = 'aes-256-gcm' WHERE id = '{one}'; {swap}"),
            format!("UPDATE signing_key SET wrapped = NULL WHERE id = '{one}'"),
        ] {
            database.tamper(&sql).await;
            assert_eq!(code_of_signer(&keystore, &KeyId::parse(one).unwrap()).await, "keys/damaged", "{sql}");
        }
        // The same row under another master key.
        database.tamper("DELETE FROM keystore").await;
        let other = Keystore::create(store.clone(), &secret("right"), UnlockCost::FLOOR, chance(7), NOW)
            .await
            .unwrap();
        assert_eq!(code_of_signer(&other, &KeyId::parse(two).unwrap()).await, "keys/damaged");
        assert_eq!(code_of_signer(&keystore, &KeyId::parse(two).unwrap()).await, "opened");
    })
    .await;
}

#[tokio::test]
async fn a_key_in_a_device_says_that_this_build_has_none() {
    both(async |database, store| {
        let keystore = created(&store).await;
        let key = made(&store, &keystore, KeyPurpose::SealOwner, KeyKind::Sm2).await;
        for custody in ["pkcs11", "sdf"] {
            database
                .tamper(&format!("UPDATE signing_key SET custody = '{custody}', handle = 'token/1'"))
                .await;
            let refused = keystore.signer(&key.id).await.map(|_| ()).unwrap_err();
            assert_eq!(refused.code(), "keys/no-device");
            assert!(refused.to_string().contains(custody), "{refused}");
        }
    })
    .await;
}
