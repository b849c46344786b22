//! Everything that can be wrong with a backup or with the place it goes to: each refused in a clear word, and nothing restored.

use super::{backup, own, restore, restore_with, service};
use crate::support::databases::{Database, for_each_database, postgres, sqlite};
use std::fs;
use yinxin::{
    app::AppError,
    backup::{BackupError, RecipientKey},
    base::entropy::SeededEntropy,
};

/// Whether nothing that a daemon could start on is there.
async fn is_untouched(database: &Database) -> bool {
    match database.path() {
        Some(path) => !path.exists(),
        None => {
            let sql = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace";
            database.number(sql).await == 0
        }
    }
}

#[tokio::test]
async fn a_backup_that_was_changed_cut_or_is_none_restores_nothing() {
    let from = sqlite();
    let app = service(&from).await;
    app.active_seal(4).await;
    app.app().chain_records().await.unwrap();
    let bytes = backup(&app).await;
    for to in [Some(sqlite()), postgres().await].into_iter().flatten() {
        let config = app.config_for(&to);
        let mut tried = Vec::new();
        // Every octet of the head, and samples of all the rest; each with another bit.
        let samples = (0..140).chain((140..bytes.len()).step_by(bytes.len() / 40));
        for (round, at) in samples.enumerate() {
            let mut bent = bytes.clone();
            bent[at] ^= 1 << (round % 8);
            tried.push((format!("octet {at}"), bent));
        }
        for length in [0, 7, 13, 100, bytes.len() / 2, bytes.len() - 1] {
            tried.push((format!("cut to {length}"), bytes[..length].to_vec()));
        }
        tried.push(("more at its end".into(), [&bytes[..], b"x"].concat()));
        tried.push(("no backup".into(), fs::read(from.path().unwrap()).unwrap()));
        for (name, octets) in tried {
            let refused = restore(&app, &config, &octets).await;
            assert!(matches!(refused, Err(AppError::Backup(_))), "{name}: {refused:?}");
            assert!(is_untouched(&to).await, "{name}");
        }
        let heads = config.data_dir.join("audit-heads.jsonl");
        assert!(!heads.exists(), "nothing was left behind");
        assert!(fs::read_dir(&config.data_dir).unwrap().count() <= 2, "nothing was left behind");
        restore(&app, &config, &bytes).await.unwrap();
    }
    app.finish().await;
}

#[tokio::test]
async fn another_key_another_passphrase_and_none_are_told_apart() {
    for_each_database(async |to| {
        let from = sqlite();
        let app = service(&from).await;
        let bytes = backup(&app).await;
        let config = app.config_for(to);
        let other = RecipientKey::generate(&SeededEntropy::new(78));
        let refused = restore_with(&app, &config, &bytes, &other, false).await;
        assert!(matches!(refused, Err(AppError::Backup(BackupError::OtherKey { .. }))), "{refused:?}");
        let passphrase = config.data_dir.join("passphrase");
        let right = fs::read(&passphrase).unwrap();
        fs::write(&passphrase, "another").unwrap();
        let refused = restore(&app, &config, &bytes).await.unwrap_err().to_string();
        assert!(refused.contains("does not open the keystore inside"), "{refused}");
        assert!(is_untouched(to).await);
        fs::remove_file(&passphrase).unwrap();
        let refused = restore(&app, &config, &bytes).await.unwrap_err().to_string();
        assert!(refused.contains("it is in no backup"), "{refused}");
        assert!(is_untouched(to).await);
        fs::write(&passphrase, right).unwrap();
        fs::set_permissions(&passphrase, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        restore(&app, &config, &bytes).await.unwrap();
        // What is there is not overwritten, and not even by the same.
        let refused = restore(&app, &config, &bytes).await.unwrap_err().to_string();
        assert!(refused.contains("already"), "{refused}");
        app.finish().await;
    })
    .await;
}

/// Whoever knows the public line can encrypt to it. That is not enough.
#[tokio::test]
async fn a_backup_that_somebody_made_up_is_refused_by_the_passphrase() {
    let (mine, theirs, to) = (sqlite(), sqlite(), sqlite());
    let (app, stranger) = (service(&mine).await, super::stranger(&theirs).await);
    let made_up = backup(&stranger).await;
    let config = app.config_for(&to);
    let refused = restore(&app, &config, &made_up).await.unwrap_err().to_string();
    assert!(refused.contains("does not open the keystore inside"), "{refused}");
    assert!(is_untouched(&to).await);
    app.finish().await;
    stranger.finish().await;
}

/// The chain inside was broken before the backup was made: that is said, and the operator decides.
#[tokio::test]
async fn a_backup_of_a_service_that_was_tampered_with_is_restored_only_knowingly() {
    for_each_database(async |from| {
        let app = service(from).await;
        app.apply(4).await;
        app.app().chain_records().await.unwrap();
        from.tamper("UPDATE audit SET actor = 'nobody' WHERE seq = 3").await;
        let bytes = backup(&app).await;
        let to = sqlite();
        let config = app.config_for(&to);
        let refused = restore(&app, &config, &bytes).await.unwrap_err().to_string();
        assert!(refused.contains("local/3") && refused.contains("--accept-defects"), "{refused}");
        assert!(is_untouched(&to).await);
        let restored = restore_with(&app, &config, &bytes, &own(), true).await.unwrap();
        assert_eq!(restored.report.audit.defects.len(), 1);
        assert_eq!(to.number("SELECT count(*) FROM audit WHERE action = 'service.restored'").await, 1);
        app.abandon();
    })
    .await;
}

#[tokio::test]
async fn a_backup_that_makes_the_log_too_long_is_given_up_and_said() {
    let database = sqlite();
    let app = crate::support::app::TestApp::with(&database, |config| {
        config.backup.recipients = vec![own().recipient()];
        config.backup.log_limit_bytes = 1;
    })
    .await;
    let broken = super::ask_raw(&app).await;
    assert!(broken.is_err(), "the answer breaks off");
    let failed = &app.audit("&action=service.backup_failed").await[0];
    assert!(failed["detail"]["why"].as_str().unwrap().contains("backup.log_limit_bytes"), "{failed}");
    app.finish().await;
}

/// Half a restoration under SQLite's other name is no database, and does not stand in the way of the next attempt.
#[tokio::test]
async fn what_a_broken_restoration_left_behind_is_swept_by_the_next() {
    let (from, to) = (sqlite(), sqlite());
    let app = service(&from).await;
    let bytes = backup(&app).await;
    let config = app.config_for(&to);
    let path = to.path().unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(format!("{}.restoring", path.display()), "half").unwrap();
    fs::write(format!("{}.restoring-journal", path.display()), "half").unwrap();
    restore(&app, &config, &bytes).await.unwrap();
    assert!(!std::path::Path::new(&format!("{}.restoring", path.display())).exists());
    app.finish().await;
}
