//! Officers on both engines: who makes them, what nobody may hold together, what opens and what does not.

use crate::support::{
    databases::{for_each_database, for_each_engine},
    front::{Front, START},
};
use serde_json::json;
use yinxin::{
    audit::{self, Filter},
    base::{Clock as _, entropy::SeededEntropy},
    officer::{
        Actor, Caller, ClearKey, Denied, MakeKey, OfficerError, OfficerState, RegisterOfficer, Right, Role,
        SignInError, bootstrap,
    },
    store::{Statement, Store, StoreError},
};

#[tokio::test]
async fn the_first_officers_are_made_once_whoever_tries() {
    for_each_engine(async |store| {
        let tries = [1, 2, 3, 4].map(|seed| {
            let store = store.clone();
            tokio::spawn(async move { bootstrap(&store, &SeededEntropy::new(seed), START).await })
        });
        let mut made = Vec::new();
        for attempt in tries {
            match attempt.await.unwrap() {
                Ok(first) => made.push(first),
                Err(error) => assert_eq!(error, OfficerError::Exists),
            }
        }
        assert_eq!(made.len(), 1);
        let roles: Vec<String> = made[0].iter().map(|first| json!(first.officer.roles).to_string()).collect();
        let wanted = [r#"["system_administrator"]"#, r#"["security_administrator"]"#, r#"["auditor"]"#];
        assert_eq!(roles, wanted);
    })
    .await;
}

#[tokio::test]
async fn only_a_security_administrator_makes_officers_and_keys() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let target = front.person(Role::Viewer).officer.id.clone();
        for &role in Role::ALL.iter().filter(|&&role| role != Role::SecurityAdministrator) {
            let caller = front.caller(role);
            let denied = OfficerError::Denied(Denied::LacksRight(Right::OfficerManage));
            let command = RegisterOfficer { name: "x".into(), roles: vec![Role::Viewer] };
            assert_eq!(front.officers.register(&caller, command, None).await, Err(denied.clone()), "{role}");
            let roles = front.officers.change_roles(&caller, &target, vec![Role::Verifier]).await;
            assert_eq!(roles, Err(denied.clone()), "{role}");
            let state = front.officers.change_state(&caller, &target, OfficerState::Disabled).await;
            assert_eq!(state, Err(denied.clone()), "{role}");
            let command = MakeKey { officer: target.clone(), label: "x".into(), expires_at: None };
            assert_eq!(front.officers.make_key(&caller, command, None).await.unwrap_err(), denied, "{role}");
        }
    })
    .await;
}

#[tokio::test]
async fn administrators_stand_alone_in_the_service_and_in_the_database() {
    for_each_engine(async |store| {
        let front = Front::new(store.clone()).await;
        let security = front.caller(Role::SecurityAdministrator);
        let viewer = front.person(Role::Viewer).officer.id.clone();
        let both = vec![Role::Auditor, Role::SealOperator];
        match front.officers.change_roles(&security, &viewer, both).await {
            Err(OfficerError::Refused(refusal)) => assert_eq!(refusal.code, "officer/roles-exclude"),
            other => panic!("{other:?}"),
        }
        let auditor = front.person(Role::Auditor).officer.id.clone();
        for (officer, role, standing) in [
            (&auditor, "seal_operator", "common"),
            (&auditor, "seal_operator", "apart"),
            (&auditor, "system_administrator", "apart"),
            (&viewer, "auditor", "apart"),
            (&viewer, "auditor", "common"),
        ] {
            let written = smuggle(&store, officer.as_str(), role, standing).await;
            assert!(written.as_ref().is_err_and(StoreError::is_conflict), "{role} {standing}: {written:?}");
        }
        smuggle(&store, viewer.as_str(), "verifier", "common").await.expect("two common roles");
    })
    .await;
}

/// Writes a role behind the service's back.
async fn smuggle(store: &Store, officer: &str, role: &str, standing: &str) -> Result<u64, StoreError> {
    const ADD: Statement = Statement::portable(
        "test.smuggle",
        "INSERT INTO officer_role (officer, role, standing) VALUES ($1, $2, $3)",
    );
    store.write(async |tx| tx.execute(&ADD, &[officer.into(), role.into(), standing.into()]).await).await
}

#[tokio::test]
async fn roles_and_standing_change_together_and_never_ones_own() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.caller(Role::SecurityAdministrator);
        let own = front.person(Role::SecurityAdministrator).officer.id.clone();
        for refused in [
            front.officers.change_roles(&security, &own, vec![Role::Auditor]).await,
            front.officers.change_state(&security, &own, OfficerState::Disabled).await,
        ] {
            assert!(matches!(refused, Err(OfficerError::Refused(ref why)) if why.code == "officer/oneself"));
        }
        let id = front.person(Role::Viewer).officer.id.clone();
        for roles in [
            vec![Role::Auditor],
            vec![Role::SealOperator, Role::SealApprover],
            vec![Role::SystemAdministrator],
            vec![Role::Viewer],
        ] {
            let changed = front.officers.change_roles(&security, &id, roles.clone()).await.unwrap();
            assert_eq!(changed.roles.iter().collect::<Vec<_>>(), roles);
            assert_eq!(front.officers.find(&security, &id).await, Ok(changed));
        }
    })
    .await;
}

#[tokio::test]
async fn two_who_put_each_other_off_duty_at_once_leave_one() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let first = front.caller(Role::SecurityAdministrator);
        let id = front.person(Role::Viewer).officer.id.clone();
        let promoted =
            front.officers.change_roles(&first, &id, vec![Role::SecurityAdministrator]).await.unwrap();
        let second = Caller { actor: Actor::Officer(promoted), ..first.clone() };
        let own = front.person(Role::SecurityAdministrator).officer.id.clone();
        let (one, other) = tokio::join!(
            front.officers.change_state(&first, &id, OfficerState::Disabled),
            front.officers.change_state(&second, &own, OfficerState::Disabled),
        );
        assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|done| **done).count(), 1);
        // Whoever was put off duty changes nothing any more, though signed in before.
        let gone = if one.is_ok() { second } else { first };
        let denied =
            front.officers.change_roles(&gone, &front.person(Role::Verifier).officer.id, vec![Role::Viewer]);
        assert_eq!(denied.await, Err(OfficerError::Denied(Denied::LacksRight(Right::OfficerManage))));
    })
    .await;
}

#[tokio::test]
async fn a_key_opens_until_it_expires_is_revoked_or_its_officer_leaves() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.caller(Role::SecurityAdministrator);
        let verifier = front.person(Role::Verifier).officer.clone();
        let command = MakeKey {
            officer: verifier.id.clone(),
            label: "a day".into(),
            expires_at: Some(START.plus_days(1)),
        };
        let issued = front.officers.make_key(&security, command, None).await.unwrap();
        let open =
            async |clear: &ClearKey, at| front.officers.sign_in(clear, at).await.map(|officer| officer.id);
        assert_eq!(open(&issued.clear, START).await, Ok(verifier.id.clone()));
        assert_eq!(open(&issued.clear, START.plus_days(1)).await, Err(SignInError::Refused));
        let lasting = ClearKey::parse(&front.person(Role::Verifier).key).unwrap();
        assert_eq!(open(&lasting, START.plus_days(1)).await, Ok(verifier.id.clone()));

        front.officers.change_state(&security, &verifier.id, OfficerState::Disabled).await.unwrap();
        assert_eq!(open(&lasting, START).await, Err(SignInError::Refused));
        front.officers.change_state(&security, &verifier.id, OfficerState::Active).await.unwrap();
        assert_eq!(open(&lasting, START).await, Ok(verifier.id.clone()));

        let revoked = front.officers.revoke_key(&security, &verifier.id, lasting.id()).await.unwrap();
        assert_eq!(revoked.revoked_at, Some(front.clock.now()));
        assert_eq!(open(&lasting, START).await, Err(SignInError::Refused));
        let elsewhere = &front.person(Role::Viewer).officer.id;
        let other = front.officers.revoke_key(&security, elsewhere, &issued.key.id).await;
        assert_eq!(other, Err(OfficerError::UnknownKey(issued.key.id.clone())));
        let stranger = ClearKey::fresh(START, &SeededEntropy::new(99));
        assert_eq!(open(&stranger, START).await, Err(SignInError::Refused));
    })
    .await;
}

#[tokio::test]
async fn every_act_is_recorded_and_a_refused_one_leaves_nothing() {
    for_each_engine(async |store| {
        let front = Front::new(store.clone()).await;
        let security = front.caller(Role::SecurityAdministrator);
        let viewer = front.person(Role::Viewer).officer.id.clone();
        front.officers.change_roles(&security, &viewer, vec![Role::Verifier]).await.unwrap();
        let again = front.officers.change_state(&security, &viewer, OfficerState::Active).await;
        assert!(again.is_err());
        let filter = Filter { subject: Some(viewer.to_string()), ..Filter::default() };
        let records = store.read(async |rx| audit::query(rx, &filter, 10).await).await.unwrap();
        let actions: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["officer.roles_changed", "officer.registered"]);
        let who = front.person(Role::SecurityAdministrator).officer.id.as_str();
        assert!(records.iter().all(|record| record.actor == who));
    })
    .await;
}

#[tokio::test]
async fn no_secret_of_a_key_is_in_the_database() {
    for_each_database(async |database| {
        let Some(path) = database.path() else { return };
        let front = Front::new(database.open().await).await;
        let secrets: Vec<String> =
            front.people.values().map(|person| person.key.rsplit('_').next().unwrap().to_owned()).collect();
        front.store.close().await;
        for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(secrets.iter().all(|secret| !text.contains(secret)));
        }
    })
    .await;
}
