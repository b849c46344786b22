//! The whole daemon as its composition root wires it, with a key for every role.

use super::front::{Person, START, send};
use axum::{Router, body::Body, http::Request};
use std::{collections::BTreeMap, sync::Arc};
use yinxin::{
    app::{App, Sources, init},
    base::{clock::SteppedClock, entropy::SeededEntropy},
    config::Config,
    officer::{Actor, Caller, MakeKey, Officers, RegisterOfficer, Role},
};

/// The daemon on a scratch directory.
pub struct Whole {
    pub app: App,
    pub router: Router,
    pub people: BTreeMap<Role, Person>,
    pub clock: Arc<SteppedClock>,
    _folder: tempfile::TempDir,
}

impl Whole {
    /// Initialises and opens it.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = ("YINXIN_DATA_DIR".to_owned(), folder.path().join("data").display().to_string());
        let config = Config::load(None, [dir]).unwrap();
        let entropy = Arc::new(SeededEntropy::new(11));
        let clock = Arc::new(SteppedClock::at(START));
        let sources = Sources { clock: clock.clone(), entropy: entropy.clone() };
        let first = init(&config, sources.clone()).await.unwrap();
        let mut people: BTreeMap<Role, Person> = first
            .officers
            .into_iter()
            .map(|first| {
                let key = first.key.clear.text().expose().clone();
                let role = first.officer.roles.iter().next().unwrap();
                (role, Person { officer: first.officer, key })
            })
            .collect();
        let app = App::open_with(&config, sources).await.unwrap();
        let officers = Officers::new(app.store().clone(), entropy);
        register_others(&officers, &mut people).await;
        Self { router: app.router().unwrap(), app, people, clock, _folder: folder }
    }

    pub async fn send(&self, request: Request<Body>) -> super::front::Answer {
        send(&self.router, request).await
    }
}

/// One officer for each role that nobody has yet.
pub async fn register_others(officers: &Officers, people: &mut BTreeMap<Role, Person>) {
    let security = people[&Role::SecurityAdministrator].officer.clone();
    let caller =
        Caller { actor: Actor::Officer(security), request: "req_setup".into(), address: None, now: START };
    for &role in Role::ALL.iter().filter(|role| !role.stands_apart()) {
        let command = RegisterOfficer { name: role.name().into(), roles: vec![role] };
        let officer = officers.register(&caller, command, None).await.unwrap();
        let command = MakeKey { officer: officer.id.clone(), label: "test".into(), expires_at: None };
        let issued = officers.make_key(&caller, command, None).await.unwrap();
        people.insert(role, Person { officer, key: issued.clear.text().expose().clone() });
    }
}
