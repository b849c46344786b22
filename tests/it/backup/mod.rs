//! Backups: taken while work goes on, restored into either engine, and refused where anything is wrong with them.

mod bad_input;
mod command;
mod outside;
mod work;

use crate::support::{
    app::TestApp,
    databases::Database,
    front::{Answer, request},
};
use axum::body::Body;
use yinxin::{
    app::{self, AppError, Restore, Restored},
    backup::{Recipient, RecipientKey},
    base::entropy::SeededEntropy,
    config::Config,
    officer::Role,
};

/// The recipient's private key, which lies elsewhere.
fn own() -> RecipientKey {
    RecipientKey::generate(&SeededEntropy::new(77))
}

fn recipient() -> Recipient {
    own().recipient()
}

/// A service with that recipient.
async fn service(database: &Database) -> TestApp<'_> {
    TestApp::with(database, |config| config.backup.recipients = vec![recipient()]).await
}

/// Another service with the same recipient.
async fn stranger(database: &Database) -> TestApp<'_> {
    TestApp::with_chance(database, 5_000, |config| config.backup.recipients = vec![recipient()]).await
}

async fn ask(app: &TestApp<'_>) -> Answer {
    let system = app.person(Role::SystemAdministrator);
    app.send(request("POST", "/api/v1/backups", Some(&system.key)).body(Body::empty()).unwrap()).await
}

/// The body as far as it goes; an error where it breaks off.
async fn ask_raw(app: &TestApp<'_>) -> Result<Vec<u8>, String> {
    use http_body_util::BodyExt as _;
    let system = app.person(Role::SystemAdministrator);
    let asked = request("POST", "/api/v1/backups", Some(&system.key)).body(Body::empty()).unwrap();
    let body = app.raw(asked).await.into_body().collect().await;
    body.map(|body| body.to_bytes().to_vec()).map_err(|error| error.to_string())
}

/// A whole backup.
async fn backup(app: &TestApp<'_>) -> Vec<u8> {
    // Later than all that was signed: the backup has it.
    app.clock.step_ms(1000);
    ask(app).await.good().body.to_vec()
}

/// Restores a backup.
async fn restore(app: &TestApp<'_>, config: &Config, backup: &[u8]) -> Result<Restored, AppError> {
    restore_with(app, config, backup, &own(), false).await
}

async fn restore_with(
    app: &TestApp<'_>,
    config: &Config,
    backup: &[u8],
    key: &RecipientKey,
    accept_defects: bool,
) -> Result<Restored, AppError> {
    let asked = Restore { from: Box::new(backup), key, reason: "演练".into(), accept_defects };
    app::restore(config, app.sources(), asked).await
}
