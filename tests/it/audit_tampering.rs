//! Tampering with the record as whoever holds the database and the files can, and what the real command says of it: on both
//! engines, one initialised service for the whole table.

use crate::support::{
    databases::Database,
    process::{Place, Said, for_each_place},
};
use std::{fs, path::PathBuf};
use yinxin_pki::sm3;

/// A service with a chain of some length, signed at several places, kept so that it can be put back after each tampering.
struct Scene<'p> {
    place: &'p Place,
    database: &'p Database,
    heads: PathBuf,
    whole: String,
    copy: PathBuf,
    /// The last place of the chain.
    last: i64,
}

impl<'p> Scene<'p> {
    async fn new(place: &'p mut Place, database: &'p Database) -> Self {
        let witness = place.file("witness.jsonl");
        place.set("YINXIN_AUDIT_WITNESS_FILE", &witness);
        place.good(["init"]);
        for number in 0..4 {
            place.hire(&format!("员{number}"), "viewer");
        }
        let heads = place.dir().join("audit-heads.jsonl");
        let whole = fs::read_to_string(&heads).unwrap();
        assert!(whole.lines().count() >= 4, "{whole}");
        let copy = database.folder().join("copy");
        database.copy_to(&copy);
        let last = database.number("SELECT max(seq) FROM audit").await;
        assert!(last >= 20);
        Self { place, database, heads, whole, copy, last }
    }

    fn verify(&self) -> Said {
        self.place.run(["audit", "verify", "--key-file", &self.place.key("auditor")])
    }

    /// Against a file of heads of one's own: the service only hands its records over.
    fn verify_with(&self, heads: &str) -> Said {
        let auditor = self.place.key("auditor");
        self.place.run(["audit", "verify", "--heads", heads, "--key-file", &auditor])
    }

    async fn put_back(&self) {
        self.database.put_back(&self.copy).await;
        fs::write(&self.heads, &self.whole).unwrap();
        fs::write(self.place.file("witness.jsonl"), &self.whole).unwrap();
    }

    fn lines(&self) -> Vec<&str> {
        self.whole.lines().collect()
    }
}

/// Name, what is done to the database, and words that the command must say.
fn in_the_database(last: i64) -> Vec<(&'static str, String, Vec<String>)> {
    let row = |name, sql: &str, says: &[&str]| {
        (name, sql.to_owned(), says.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    };
    let columns = "node, at_ms, actor, action, subject, detail, request, seq, previous, hash";
    vec![
        row("actor changed", "UPDATE audit SET actor = 'nobody' WHERE seq = 5", &["local/5", "was changed"]),
        row(
            "time changed",
            "UPDATE audit SET at_ms = at_ms - 3600000 WHERE seq = 5",
            &["local/5", "was changed"],
        ),
        row("detail changed", "UPDATE audit SET detail = '{}' WHERE seq = 2", &["local/2", "was changed"]),
        row("one removed", "DELETE FROM audit WHERE seq = 7", &["records 7 to 7 were removed"]),
        row("beginning removed", "DELETE FROM audit WHERE seq <= 3", &["records 1 to 3 were removed"]),
        row(
            "two swapped",
            "UPDATE audit SET seq = 999 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 8; \
             UPDATE audit SET seq = 8 WHERE seq = 999",
            &["local/5: the record was moved here from 8", "local/8: the record was moved here from 5"],
        ),
        row(
            "one inserted",
            &format!("INSERT INTO audit ({columns}) SELECT {columns} FROM audit WHERE seq = 5"),
            &["local/5: two records claim this place"],
        ),
        (
            "end cut off",
            format!("DELETE FROM audit WHERE seq > {}", last - 2),
            vec![format!("signed up to {last}"), "its end was cut off".into()],
        ),
        row(
            "an older state",
            "DELETE FROM audit WHERE seq > 6; DELETE FROM audit_head WHERE seq > 6",
            &["an old copy", "only to 6"],
        ),
        row(
            "all records of the node removed",
            "DELETE FROM audit WHERE node = 'local'; DELETE FROM audit_head WHERE node = 'local'",
            &["an old copy", "only to 0"],
        ),
        row(
            "given to another node",
            "UPDATE audit SET node = 'other' WHERE seq = 5",
            &["local: records 5 to 5 were removed", "other/5"],
        ),
        row(
            "a head made up",
            "INSERT INTO audit_head (node, seq, hash, at_ms, signature) VALUES ('local', 3, 'ab', 0, 'cd')",
            &["a signed head at local/3", "lacks"],
        ),
    ]
}

#[tokio::test]
async fn every_tampering_with_the_database_is_named_by_the_command() {
    for_each_place(async |place, database| {
        let scene = Scene::new(place, database).await;
        let sound = scene.verify();
        assert!(sound.code == 0 && sound.out.contains("the chain holds"), "{sound:?}");
        for (name, sql, wanted) in in_the_database(scene.last) {
            database.tamper("DROP INDEX audit_chain").await;
            database.tamper(&sql).await;
            let said = scene.verify();
            assert_eq!(said.code, 1, "{name}: {said:?}");
            for word in &wanted {
                assert!(said.out.contains(word), "{name}, {word}: {said:?}");
            }
            assert!(said.err.contains("does not hold"), "{name}: {said:?}");
            scene.put_back().await;
        }
        let sound = scene.verify();
        assert_eq!(sound.code, 0, "{sound:?}");
    })
    .await;
}

/// Makes record 6 another's, and hashes it and all after it anew, as the documentation of the chain says.
async fn rewrite(database: &Database) {
    let columns = ["id", "at_ms", "actor", "action", "subject", "detail", "request", "seq", "hash"];
    let columns = columns.map(|column| format!("CAST({column} AS TEXT)")).join(", ");
    let records =
        database.texts(&format!("SELECT {columns} FROM audit WHERE seq >= 5 ORDER BY audit.seq")).await;
    let mut previous = records[0][8].clone();
    for record in &records[1..] {
        let [id, at, actor, action, subject, detail, request, seq, _]: [&str; 9] =
            record.iter().map(String::as_str).collect::<Vec<_>>().try_into().unwrap();
        let actor = if seq == "6" { "nobody" } else { actor };
        let fields = [
            "yinxin audit record 1",
            "local",
            seq,
            &previous,
            id,
            at,
            actor,
            action,
            subject,
            detail,
            request,
        ];
        let octets: Vec<u8> = fields
            .iter()
            .flat_map(|field| [&(field.len() as u64).to_be_bytes()[..], field.as_bytes()].concat())
            .collect();
        let made = hex::encode(sm3::digest(octets));
        let sql = format!(
            "UPDATE audit SET actor = '{actor}', previous = '{previous}', hash = '{made}' WHERE seq = {seq}"
        );
        database.tamper(&sql).await;
        previous = made;
    }
}

#[tokio::test]
async fn a_forger_with_database_and_file_is_found_by_the_witness() {
    for_each_place(async |place, database| {
        let scene = Scene::new(place, database).await;
        let witness = scene.place.file("witness.jsonl");
        assert_eq!(fs::read_to_string(&witness).unwrap(), scene.whole);
        let with_witness = scene.verify_with(&witness);
        assert_eq!(with_witness.code, 0, "{with_witness:?}");
        // Everything hashed anew: the next signed head does not fit.
        rewrite(database).await;
        let said = scene.verify();
        assert!(said.code == 1 && said.out.contains("written anew"), "{said:?}");
        // The service does not work on it, and says why.
        let held =
            scene.place.run(["officer", "list", "--key-file", &scene.place.key("security_administrator")]);
        assert!(held.code == 1 && held.err.contains("audit/rolled-back"), "{held:?}");
        assert!(held.err.contains("accept-restored"), "{held:?}");
        // With the file and the database's heads cut back as well nothing here knows; the witness does.
        database.tamper("DELETE FROM audit_head").await;
        fs::write(&scene.heads, "").unwrap();
        let blind = scene.verify();
        assert_eq!(blind.code, 0, "{blind:?}");
        fs::copy(&witness, scene.place.file("kept.jsonl")).unwrap();
        let seen = scene.verify_with(&scene.place.file("kept.jsonl"));
        assert!(seen.code == 1 && seen.out.contains("written anew"), "{seen:?}");
        // And the daemon does not start beside a witness that knows more than its file.
        let start = scene.place.run(["serve", "--listen", "127.0.0.1:0"]);
        assert!(start.code == 1 && start.err.contains("its witness knows"), "{start:?}");
    })
    .await;
}

#[tokio::test]
async fn a_file_of_heads_that_is_cut_removed_or_replaced_is_named() {
    for_each_place(async |place, database| {
        let scene = Scene::new(place, database).await;
        let lines = scene.lines();
        let (first, rest) = lines.split_first().unwrap();
        let (last, before) = lines.split_last().unwrap();
        let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let turned = last.replacen("\"seq\":", "\"seq\":1", 1);
        let other = {
            let stranger = Place::initialised();
            stranger.good(["audit", "verify", "--key-file", &stranger.key("auditor")]);
            fs::read_to_string(stranger.dir().join("audit-heads.jsonl")).unwrap()
        };
        let nonsense = format!("nonsense\n{}", scene.whole);
        let swapped = format!("{last}\n{}", joined(before));
        for (name, content, wanted) in [
            ("shortened", joined(before), "lacks"),
            ("its beginning cut", joined(rest), "lacks"),
            ("emptied", String::new(), "lacks"),
            ("another service's", other, "is not signed by any audit key"),
            ("a line changed", joined(&[first, &turned]), "is not signed by any audit key"),
            ("a line that is none", nonsense, "line 1 of the heads is not readable"),
            ("lines swapped", swapped, "is older than the one before"),
        ] {
            // Without the witness in the way, which would say so before anything else.
            fs::write(scene.place.file("witness.jsonl"), "").unwrap();
            fs::write(&scene.heads, content).unwrap();
            let said = scene.verify();
            assert!(said.code == 1 && said.out.contains(wanted), "{name}: {said:?}");
            scene.put_back().await;
        }
        fs::remove_file(&scene.heads).unwrap();
        fs::write(scene.place.file("witness.jsonl"), "").unwrap();
        let said = scene.verify();
        assert!(said.code == 1 && said.out.contains("lacks"), "removed: {said:?}");
    })
    .await;
}

/// Two places, and a second process: what an export proves without the service, and what of it is found.
#[tokio::test]
async fn an_export_is_checked_without_a_database_and_every_change_of_it_is_found() {
    for_each_place(async |place, database| {
        let scene = Scene::new(place, database).await;
        let auditor = scene.place.key("auditor");
        let (export, keys) = (scene.place.file("chain.jsonl"), scene.place.file("keys.jsonl"));
        scene.place.good(["audit", "export", "--out", &export, "--key-file", &auditor]);
        fs::write(&keys, scene.place.good(["audit", "keys", "--key-file", &auditor])).unwrap();
        let heads = scene.place.file("heads.jsonl");
        fs::copy(&scene.heads, &heads).unwrap();
        // Somewhere else altogether.
        let elsewhere = Place::empty();
        let check = |file: &str| {
            elsewhere.run(["audit", "verify", "--export", file, "--heads", &heads, "--keys", &keys])
        };
        let sound = check(&export);
        assert!(sound.code == 0 && sound.out.contains("the chain holds"), "{sound:?}");
        assert!(!elsewhere.dir().exists(), "nothing was opened or made");
        let text = fs::read_to_string(&export).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let record = lines.iter().position(|line| line.contains("\"seq\":9,")).unwrap();
        let bent = scene.place.file("bent.jsonl");
        let mut without = lines.clone();
        without.remove(record);
        let mut swapped = lines.clone();
        swapped.swap(record, record + 1);
        let changed =
            text.replacen(lines[record], &lines[record].replacen("\"actor\":\"", "\"actor\":\"x", 1), 1);
        for (name, content) in [
            ("a record changed", changed),
            ("a record left out", without.join("\n") + "\n"),
            ("two swapped", swapped.join("\n") + "\n"),
            ("cut off", lines[..lines.len() - 1].join("\n") + "\n"),
            ("cut within a line", text[..text.len() - 5].to_owned()),
            ("no export", "{\"x\":1}\n".to_owned()),
            ("nothing", String::new()),
        ] {
            fs::write(&bent, content).unwrap();
            let said = check(&bent);
            assert_eq!(said.code, 1, "{name}: {said:?}");
        }
        // Written anew to its end, with a last word that fits: then the chain tells.
        fs::write(&bent, with_fitting_end(&without)).unwrap();
        let said = check(&bent);
        assert!(said.code == 1 && said.out.contains("records 9 to 9 were removed"), "{said:?}");
        // Keys that are not the service's believe nothing.
        let stranger = Place::initialised();
        fs::write(&keys, stranger.good(["audit", "keys", "--key-file", &stranger.key("auditor")])).unwrap();
        let said = check(&export);
        assert!(said.code == 1 && said.out.contains("is not signed by any audit key"), "{said:?}");
    })
    .await;
}

/// These lines but the last, and a last word that counts and digests them.
fn with_fitting_end(lines: &[&str]) -> String {
    let body: String = lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect();
    let count = |kind: &str| lines.iter().filter(|line| line.starts_with(&format!("{{\"{kind}\":"))).count();
    let end = serde_json::json!({
        "end": { "heads": count("head"), "records": count("record"), "sm3": hex::encode(sm3::digest(&body)) },
    });
    format!("{body}{end}\n")
}
