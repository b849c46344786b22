//! A new passphrase and a new master key, while keys are in use, on both engines.

use super::while_stamping;
use crate::support::{
    app::{START, TestApp, on_each_engine},
    databases::{Database, for_each_database},
};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc, time::Duration};
use yinxin::{
    base::{Entropy, Secret, Timestamp, entropy::SeededEntropy},
    keys::{
        Key, KeyId, KeyKind, KeyPurpose, KeysError, Keystore, PassphraseSource, PoolSize, SigningPool,
        ToSign, UnlockCost,
    },
    officer::Role,
    store::{Store, Tx},
};

const NOW: Timestamp = START;
const COST: UnlockCost = UnlockCost::FLOOR;
const FIRST: &str = "the first passphrase";
const SECOND: &str = "the second passphrase";

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn chance(seed: u64) -> Arc<dyn Entropy> {
    Arc::new(SeededEntropy::new(seed))
}

async fn created(store: &Store) -> Keystore {
    Keystore::create(store.clone(), &secret(FIRST), COST, chance(1), NOW).await.unwrap()
}

async fn unlocked(store: &Store, passphrase: &str) -> Result<Keystore, KeysError> {
    Keystore::unlock(store.clone(), &secret(passphrase), chance(2)).await
}

async fn made(store: &Store, keystore: &Keystore) -> Key {
    let make = async |tx: &mut Tx| keystore.make(tx, KeyPurpose::SealOwner, KeyKind::Sm2, NOW).await;
    store.write(make).await.unwrap()
}

async fn many(store: &Store, keystore: &Keystore, count: usize) -> Vec<Key> {
    let mut keys = Vec::new();
    for _ in 0..count {
        keys.push(made(store, keystore).await);
    }
    // In the order of steps; those of one millisecond are in an order of chance.
    keys.sort_by(|one, other| one.id.cmp(&other.id));
    keys
}

async fn begin(store: &Store, keystore: &Keystore) -> Result<(), KeysError> {
    let new = keystore.new_master(&secret(FIRST), COST, NOW).await?;
    store.write(async |tx: &mut Tx| keystore.begin_rotation(tx, &new).await).await
}

/// Goes on to the end of the keys; how many steps that took.
async fn rewrap(keystore: &Keystore) -> usize {
    let mut after: Option<KeyId> = None;
    for steps in 0.. {
        match keystore.rewrap_some(after.as_ref()).await.unwrap() {
            Some(last) => after = Some(last),
            None => return steps,
        }
    }
    unreachable!()
}

async fn end(store: &Store, keystore: &Keystore, now: Timestamp) -> Option<i64> {
    store.write(async |tx: &mut Tx| keystore.end_rotation(tx, now).await).await.unwrap()
}

async fn opens(keystore: &Keystore, key: &Key) -> &'static str {
    let signer = match keystore.signer(&key.id).await {
        Ok(signer) => signer,
        Err(error) => return error.code(),
    };
    let pool = SigningPool::start(PoolSize { threads: 1, queue: 1 }, &chance(3)).unwrap();
    pool.sign(signer, ToSign::Message(b"m".to_vec()), Duration::from_secs(60)).await.unwrap();
    "opens"
}

async fn both(story: impl AsyncFn(&Database, Store)) {
    for_each_database(async |database| story(database, database.open().await).await).await;
}

#[tokio::test]
async fn a_master_key_is_replaced_in_steps_while_all_keys_open_on_both_nodes() {
    both(async |_, store| {
        let here = created(&store).await;
        let there = unlocked(&store, FIRST).await.unwrap();
        let late = unlocked(&store, FIRST).await.unwrap();
        let keys = many(&store, &here, 120).await;
        store.write(async |tx: &mut Tx| here.destroy(tx, &keys[5].id, NOW).await).await.unwrap();

        begin(&store, &here).await.unwrap();
        assert_eq!(begin(&store, &there).await.unwrap_err().code(), "keys/rotating");
        let state = here.state(NOW).await.unwrap();
        let rotation = state.rotation.unwrap();
        assert_eq!((rotation.from, rotation.to, rotation.keys_left), (1, 2, 120));
        assert_eq!((state.master, state.generation), (2, 2));

        // One step: some keys stand under the new master key, some under the old one; both nodes open all.
        let after = here.rewrap_some(None).await.unwrap().unwrap();
        assert_eq!(after, keys[49].id);
        assert_eq!(
            here.state(NOW).await.unwrap().rotation.unwrap().keys_left,
            70 + 1,
            "49 and a destroyed one"
        );
        for keystore in [&here, &there] {
            for key in [&keys[0], &keys[119]] {
                assert_eq!(opens(keystore, key).await, "opens");
            }
        }
        // A node that has heard of nothing makes its keys under the new one.
        let fresh = made(&store, &there).await;
        assert_eq!(end(&store, &here, NOW).await, None, "too early");
        assert_eq!(rewrap(&here).await, 2);
        assert_eq!(end(&store, &here, NOW).await, Some(1));
        assert_eq!(end(&store, &there, NOW).await, None, "it is gone");
        assert_eq!(here.state(NOW).await.unwrap().rotation, None);

        let again = unlocked(&store, FIRST).await.unwrap();
        for keystore in [&here, &there, &again] {
            for key in [&keys[0], &keys[119], &fresh] {
                assert_eq!(opens(keystore, key).await, "opens");
            }
            assert_eq!(opens(keystore, &keys[5]).await, "keys/destroyed");
        }
        // Who holds the old one alone opens nothing, and learns nothing.
        for key in [&keys[0], &keys[119], &fresh] {
            assert_eq!(opens(&late, key).await, "keys/other-master");
        }
        assert_eq!(late.keep_up(NOW).await.unwrap_err().code(), "keys/other-master");
    })
    .await;
}

#[tokio::test]
async fn a_replacement_goes_on_where_a_crash_cut_it_short() {
    both(async |_, store| {
        let keystore = created(&store).await;
        let keys = many(&store, &keystore, 120).await;
        begin(&store, &keystore).await.unwrap();
        for steps in 0..3 {
            // Only the database is left of what was before.
            let keystore = unlocked(&store, FIRST).await.unwrap();
            for key in [&keys[0], &keys[60], &keys[119]] {
                assert_eq!(opens(&keystore, key).await, "opens", "after {steps} steps");
            }
            assert!(keystore.is_rotating().await.unwrap());
            keystore.rewrap_some(None).await.unwrap();
        }
        let keystore = unlocked(&store, FIRST).await.unwrap();
        assert_eq!((rewrap(&keystore).await, end(&store, &keystore, NOW).await), (0, Some(1)));
        assert_eq!(opens(&unlocked(&store, FIRST).await.unwrap(), &keys[60]).await, "opens");
    })
    .await;
}

#[tokio::test]
async fn two_nodes_that_rewrap_at_once_lose_no_key() {
    both(async |_, store| {
        let here = created(&store).await;
        let there = unlocked(&store, FIRST).await.unwrap();
        let keys = many(&store, &here, 150).await;
        begin(&store, &here).await.unwrap();
        tokio::join!(rewrap(&here), rewrap(&there), async {
            store.write(async |tx: &mut Tx| there.destroy(tx, &keys[70].id, NOW).await).await.unwrap();
        });
        assert_eq!(end(&store, &there, NOW).await, Some(1));
        for key in keys.iter().filter(|key| key.id != keys[70].id) {
            assert!(here.signer(&key.id).await.is_ok() && there.signer(&key.id).await.is_ok());
        }
        assert_eq!(opens(&here, &keys[70]).await, "keys/destroyed");
    })
    .await;
}

#[tokio::test]
async fn of_two_who_begin_at_once_one_is_told_so() {
    both(async |_, store| {
        let keystore = created(&store).await;
        let (one, two) = (
            keystore.new_master(&secret(FIRST), COST, NOW).await.unwrap(),
            keystore.new_master(&secret(FIRST), COST, NOW).await.unwrap(),
        );
        let other = keystore.rewrap(&secret(SECOND), COST, NOW).await.unwrap();
        store.write(async |tx: &mut Tx| keystore.begin_rotation(tx, &one).await).await.unwrap();
        let second = store.write(async |tx: &mut Tx| keystore.begin_rotation(tx, &two).await).await;
        assert_eq!(second.unwrap_err().code(), "keys/changed");
        // A passphrase that was changed from what is no more would bring the old master key back.
        let third = store.write(async |tx: &mut Tx| keystore.replace_header(tx, &other).await).await;
        assert_eq!(third.unwrap_err().code(), "keys/changed");
        // From what is now, it may be changed in the middle.
        let new = keystore.rewrap(&secret(SECOND), COST, NOW).await.unwrap();
        store.write(async |tx: &mut Tx| keystore.replace_header(tx, &new).await).await.unwrap();
        assert_eq!(unlocked(&store, FIRST).await.unwrap_err().code(), "keys/wrong-passphrase");
        let keystore = unlocked(&store, SECOND).await.unwrap();
        assert_eq!((rewrap(&keystore).await, end(&store, &keystore, NOW).await), (0, Some(1)));
        assert!(unlocked(&store, SECOND).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_new_master_key_takes_the_present_passphrase() {
    both(async |_, store| {
        let keystore = created(&store).await;
        let refused = keystore.new_master(&secret("some other words"), COST, NOW).await;
        assert_eq!(refused.map(|_| ()).unwrap_err().code(), "keys/wrong-passphrase");
        assert!(!keystore.is_rotating().await.unwrap());
    })
    .await;
}

/// The old one goes when every node that runs holds the new one; who was away comes to it by the passphrase.
#[tokio::test]
async fn a_replacement_waits_for_nodes_that_run_and_not_for_those_that_are_gone() {
    let Some(database) = crate::support::databases::postgres().await else { return };
    let here_store = database.open().await;
    let there_store = Store::open(&database.config_of("there"), NOW).await.unwrap();
    let here = created(&here_store).await;
    let file = passphrase_file(database.folder().join("passphrase"), FIRST);
    let source = PassphraseSource::File(file);
    let there = Keystore::unlock_from(there_store.clone(), source, chance(5)).await.unwrap();
    let key = made(&here_store, &here).await;
    for keystore in [&here, &there] {
        keystore.keep_up(NOW).await.unwrap();
    }
    begin(&here_store, &here).await.unwrap();
    rewrap(&here).await;
    here.keep_up(NOW).await.unwrap();
    assert_eq!(end(&here_store, &here, NOW).await, None);
    assert_eq!(here.state(NOW).await.unwrap().rotation.unwrap().waits_for, ["there"]);
    // It hears of it.
    there.keep_up(NOW).await.unwrap();
    assert_eq!(end(&here_store, &here, NOW).await, Some(1));

    // It is paused for the whole of the next one, and is not waited for any more.
    begin(&here_store, &here).await.unwrap();
    rewrap(&here).await;
    here.keep_up(NOW.plus_ms(119_000)).await.unwrap();
    assert_eq!(end(&here_store, &here, NOW.plus_ms(119_000)).await, None);
    assert_eq!(end(&here_store, &here, NOW.plus_ms(121_000)).await, Some(2));
    assert_eq!(opens(&there, &key).await, "opens", "by the passphrase, read again");
    there.leave().await.unwrap();
    begin(&here_store, &here).await.unwrap();
    rewrap(&here).await;
    here.keep_up(NOW.plus_ms(121_000)).await.unwrap();
    assert_eq!(
        end(&here_store, &here, NOW.plus_ms(121_000)).await,
        Some(3),
        "who has left is not waited for"
    );
}

/// What a node of the release before would write, which knows of one master key only.
#[tokio::test]
async fn a_key_under_a_master_key_that_is_gone_is_refused_instead_of_lost() {
    let Some(database) = crate::support::databases::postgres().await else { return };
    let store = database.open().await;
    let keystore = created(&store).await;
    made(&store, &keystore).await;
    let as_before = "INSERT INTO signing_key (id, purpose, kind, custody, public_key, aead, wrapped, made_at_ms) \
                     SELECT id || 'x', purpose, kind, custody, public_key, aead, wrapped, made_at_ms FROM signing_key";
    assert_eq!(database.try_tamper(as_before).await, Ok(()));
    database.tamper("DELETE FROM signing_key WHERE id LIKE '%x'").await;
    begin(&store, &keystore).await.unwrap();
    rewrap(&keystore).await;
    assert_eq!(end(&store, &keystore, NOW).await, Some(1));
    let refused = database.try_tamper(as_before).await.unwrap_err();
    assert!(refused.contains("foreign key"), "{refused}");
}

#[tokio::test]
async fn a_damaged_key_keeps_the_old_master_key_and_holds_up_no_other() {
    both(async |database, store| {
        let keystore = created(&store).await;
        let keys = many(&store, &keystore, 3).await;
        database.tamper(&format!("UPDATE signing_key SET kind = 'p-256' WHERE id = '{}'", keys[1].id)).await;
        begin(&store, &keystore).await.unwrap();
        rewrap(&keystore).await;
        assert_eq!(end(&store, &keystore, NOW).await, None);
        assert_eq!(keystore.state(NOW).await.unwrap().rotation.unwrap().keys_left, 1);
        assert_eq!(opens(&keystore, &keys[2]).await, "opens");
        database.tamper(&format!("UPDATE signing_key SET kind = 'sm2' WHERE id = '{}'", keys[1].id)).await;
        rewrap(&keystore).await;
        assert_eq!(end(&store, &keystore, NOW).await, Some(1), "mended, it comes along");
    })
    .await;
}

fn passphrase_file(path: PathBuf, text: &str) -> PathBuf {
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

async fn master(app: &TestApp<'_>) -> serde_json::Value {
    app.get("/api/v1/keystore", &app.person(Role::SystemAdministrator)).await.json()
}

#[tokio::test]
async fn a_passphrase_is_changed_while_stamping_goes_on_and_the_old_one_is_refused_at_the_next_start() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let system = app.person(Role::SystemAdministrator);
        let new = passphrase_file(app.data_dir().join("passphrase.new"), SECOND);
        let path = "/api/v1/keystore/passphrase";
        let change = async |file: &str| app.post(path, &system, json!({ "file": file })).await;
        let (answer, files) = while_stamping(app, &seal, change(new.to_str().unwrap())).await;
        assert_eq!((answer.status, &answer.json()["generation"]), (200, &json!(2)));
        for file in &files {
            assert_eq!(app.verify(file).await["verdict"], "passed");
        }
        let records = app.audit("&action=keystore.passphrase_changed").await;
        assert_eq!((records.len(), &records[0]["actor"]), (1, &json!(system.id)));

        // The same again, a short one, one that others can read, none, a path that leads elsewhere.
        let short = passphrase_file(app.data_dir().join("short"), "0123456789a");
        let open = passphrase_file(app.data_dir().join("open"), "some other words");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
        for (file, code) in [
            (new.to_str().unwrap(), "keys/same-passphrase"),
            (short.to_str().unwrap(), "keys/weak-passphrase"),
            (open.to_str().unwrap(), "keys/passphrase-file"),
            ("/nowhere/at/all", "keys/passphrase-file"),
            ("passphrase.new", "request/invalid"),
        ] {
            assert_eq!(change(file).await.json()["code"], code, "{file}");
        }
        for role in [Role::SecurityAdministrator, Role::Auditor, Role::SealOperator] {
            let refused = app.post(path, &app.person(role), json!({ "file": "/x" })).await;
            assert_eq!(refused.status, 403);
        }

        let refused = app.try_restart().await.unwrap_err().to_string();
        assert!(refused.contains("passphrase: the passphrase does not open this keystore"), "{refused}");
        assert!(refused.contains("when it was changed last"), "{refused}");
        fs::rename(new, app.data_dir().join("passphrase")).unwrap();
        app.restart().await;
        app.stamped(
            &seal,
            &crate::support::app::At::notice(),
            crate::support::app::fixture("pdf/one-page.pdf"),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_master_key_is_replaced_while_stamping_goes_on() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let system = app.person(Role::SystemAdministrator);
        let change = async {
            let begun = app.post("/api/v1/keystore/rotation", &system, json!({})).await;
            assert_eq!(begun.status, 202, "{}", begun.text());
            let again = app.post("/api/v1/keystore/rotation", &system, json!({})).await;
            assert_eq!(again.json()["code"], "keys/rotating");
            app.app().look_after_keys().await.unwrap();
            assert_eq!(master(app).await["rotation"], json!(null));
            // A seal of this moment has its key under the new one.
            app.active_seal(5).await
        };
        let (fresh, files) = while_stamping(app, &seal, change).await;
        for file in &files {
            assert_eq!(app.verify(file).await["verdict"], "passed");
        }
        assert_eq!(master(app).await["master"], 2);
        for action in ["keystore.rotation_begun", "keystore.rotation_ended"] {
            assert_eq!(app.audit(&format!("&action={action}")).await.len(), 1, "{action}");
        }
        // A crash in the middle of the next one; the start after it goes on.
        app.post("/api/v1/keystore/rotation", &system, json!({})).await.good();
        app.crash().await;
        app.app().look_after_keys().await.unwrap();
        assert_eq!(master(app).await["master"], 3);
        assert_eq!(master(app).await["rotation"], json!(null));
        for seal in [seal, fresh] {
            while_stamping(app, &seal, async {}).await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_cannot_give_the_passphrase_begins_no_new_master_key() {
    on_each_engine(async |app| {
        let system = app.person(Role::SystemAdministrator);
        let other = passphrase_file(app.data_dir().join("other"), "some other words");
        let rotate = async |body| app.post("/api/v1/keystore/rotation", &system, body).await;
        let refused = rotate(json!({ "file": other.to_str().unwrap() })).await;
        assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("keys/wrong-passphrase")));
        assert_eq!(master(app).await["master"], 1);
        let file = app.data_dir().join("passphrase");
        assert_eq!(rotate(json!({ "file": file.to_str().unwrap() })).await.status, 202);
        app.app().look_after_keys().await.unwrap();
    })
    .await;
}
