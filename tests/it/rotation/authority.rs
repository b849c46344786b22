//! Certificates of the service, and what comes in their place: time stamping, makers, issuing authority, root.

use super::while_stamping;
use crate::{
    authority::{LONG, NOW, Node, ask, at, code, openssl},
    support::{
        app::{At, DAY_MS, TestApp, fixture, on_each_engine},
        databases::for_each_engine,
        front::request,
    },
};
use axum::body::Body;
use serde_json::{Value, json};
use std::path::Path;
use yinxin::{
    authority::{AuthorityError, CertState, Issued, SubjectKey, Succession},
    base::{Clock as _, Timestamp},
    document::pdf::{self, analysis},
    officer::Role,
};
use yinxin_pki::{
    judge::{self, Question},
    report::{Outcome, Profile, SignatureReport, Verdict},
    sm3::Sm3,
    tsp::{Request, Response},
    x509::{
        Cert, Crl, Reason,
        path::{self, Material, Purpose, Revocation},
    },
};

const ROOT: &str = "authority/root";
const ISSUING: &str = "authority/issuing";
const TIME_STAMPING: &str = "authority/time-stamping";
const MAKER: &str = "authority/seal-maker";

/// Has the newest of a line replaced.
async fn succeed(node: &Node, line: &str, now: Timestamp) -> Issued {
    try_succeed(node, line, now).await.unwrap()
}

async fn try_succeed(node: &Node, line: &str, now: Timestamp) -> Result<Issued, AuthorityError> {
    let newest = newest(node, line).await.cert.serial_hex();
    let wish = Succession { line, replaces: &newest, active_from: None };
    node.authority.succeed(&at(now), &wish).await
}

async fn newest(node: &Node, line: &str) -> Issued {
    let all = node.authority.own_certificates().await.unwrap();
    all.into_iter().filter(|own| own.line == line).max_by_key(|own| own.generation).unwrap()
}

async fn owner(node: &Node, reference: &str, now: Timestamp) -> Cert {
    node.authority.issue_owner(&at(now), &ask(reference, SubjectKey::Fresh)).await.unwrap().cert
}

async fn token(node: &Node, now: Timestamp) -> Vec<u8> {
    let reply = node.authority.time_stamp(&Request::of(b"m", None).to_der(), now).await;
    let Response::Granted(token) = Response::parse(&reply).unwrap() else { panic!("rejected") };
    token.to_vec()
}

/// Whether a path leads from `cert` to the one anchor that is trusted.
fn leads(cert: &Cert, root: &Cert, between: &[Cert], purpose: Purpose, now: Timestamp) -> bool {
    let material = Material { anchors: std::slice::from_ref(root), intermediates: between, crls: &[] };
    path::validate(cert, &material, now, purpose).is_ok_and(|path| path.findings.is_empty())
}

fn holds(token: &[u8], root: &Cert, now: Timestamp) -> bool {
    let material = Material { anchors: std::slice::from_ref(root), intermediates: &[], crls: &[] };
    let report = judge::token(token, Some(b"m"), &Question::new(material, now, Profile::Strict));
    report.checks.iter().all(|check| check.verdict < Outcome::Undecided)
}

fn days(count: i64) -> Timestamp {
    NOW.plus_days(count)
}

#[tokio::test]
async fn time_stamps_of_the_key_before_and_of_the_new_one_hold() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let (root, before) = (node.authority.root().await.unwrap(), token(&node, NOW).await);
        let old = newest(&node, TIME_STAMPING).await;
        let new = succeed(&node, TIME_STAMPING, days(1)).await;
        assert_eq!((new.generation, new.reference.as_str()), (2, "authority/time-stamping/2"));
        assert_eq!(new.cert.subject(), old.cert.subject());
        assert!(
            new.cert.public_key() != old.cert.public_key() && new.cert.not_after() > old.cert.not_after()
        );
        let after = token(&node, days(1)).await;
        for made in [&before, &after] {
            assert!(holds(made, &root, days(2)));
        }
        let signer = new.cert.serial().to_vec();
        assert!(after.windows(signer.len()).any(|octets| octets == signer), "it is signed by the new one");

        let again = Succession { line: TIME_STAMPING, replaces: &old.cert.serial_hex(), active_from: None };
        let refused = node.authority.succeed(&at(days(1)), &again).await.unwrap_err();
        assert_eq!(refused.code(), "authority/replaced");
        assert!(refused.to_string().contains(&new.cert.serial_hex()), "{refused}");
        for odd in ["authority/nothing", "", "seal/1/owner"] {
            let wish = Succession { line: odd, replaces: "00", active_from: None };
            assert_eq!(code(node.authority.succeed(&at(NOW), &wish).await), "authority/unknown", "{odd}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_issuing_authority_goes_on_with_its_list_beside_the_new_one() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let root = node.authority.root().await.unwrap();
        let (old, gone) = (node.owner("seal/1/owner").await, node.owner("seal/2/owner").await);
        let first_list = node.authority.crl(NOW).await.unwrap();
        let issuing = newest(&node, ISSUING).await;
        let second = succeed(&node, ISSUING, NOW).await;
        assert_ne!(second.cert.subject(), issuing.cert.subject(), "a name of its own");
        let new = node.owner("seal/3/owner").await;
        assert_eq!(new.issuer(), second.cert.subject());
        let text = String::from_utf8_lossy(new.der()).into_owned();
        assert!(
            text.contains("http://127.0.0.1:8080/pki/issuing/2/ca.crl"),
            "its list has an address of its own"
        );

        node.authority.revoke(&at(days(1)), &gone.serial_hex(), Reason::Superseded).await.unwrap();
        let lists = node.authority.crls(days(1)).await.unwrap();
        let [of_second, of_first] = <[Crl; 2]>::try_from(lists).unwrap();
        assert_eq!((of_first.issuer(), of_second.issuer()), (issuing.cert.subject(), second.cert.subject()));
        assert!(of_first.revoked(gone.serial()).is_some() && of_second.revoked(gone.serial()).is_none());
        assert_eq!(node.authority.crl_of(1, days(1)).await.unwrap().der(), of_first.der());
        assert_eq!(node.authority.crl_of(2, days(1)).await.unwrap().der(), of_second.der());
        assert_eq!(code(node.authority.crl_of(3, days(1)).await), "authority/unknown");
        assert!(of_first.this_update() > first_list.this_update());

        // A verifier with both lists at hand finds nothing odd, and the one that speaks of each certificate.
        let between = node.authority.authorities().await.unwrap().between();
        let crls = [of_second, of_first];
        let material = Material { anchors: &[root], intermediates: &between, crls: &crls };
        for (cert, expected) in [(&old, Revocation::Good), (&new, Revocation::Good)] {
            let path = path::validate(cert, &material, days(1), Purpose::Signing).unwrap();
            assert_eq!((path.revocation, path.findings), (expected, vec![]));
        }
        let path = path::validate(&gone, &material, days(1), Purpose::Signing).unwrap();
        assert!(matches!(path.revocation, Revocation::Revoked { reason: Reason::Superseded, .. }));

        // Revoked under the second: the first one's list stays as it is.
        node.authority.revoke(&at(days(2)), &new.serial_hex(), Reason::KeyCompromise).await.unwrap();
        assert!(node.authority.crl_of(2, days(2)).await.unwrap().revoked(new.serial()).is_some());
        assert!(node.authority.crl_of(1, days(2)).await.unwrap().revoked(new.serial()).is_none());
        // After its end there is still a list to fetch.
        let over = issuing.cert.not_after().plus_days(1);
        let last = node.authority.crl_of(1, over).await.unwrap();
        assert!(last.revoked(gone.serial()).is_some());
    })
    .await;
}

#[tokio::test]
async fn who_trusts_one_root_comes_to_what_stands_under_the_other() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let old_root = node.authority.root().await.unwrap();
        let old_owner = node.owner("seal/1/owner").await;
        let old_token = token(&node, NOW).await;
        let new_root = succeed(&node, ROOT, days(1)).await.cert;
        assert_eq!(node.authority.root().await.unwrap(), new_root);
        succeed(&node, ISSUING, days(1)).await;
        succeed(&node, TIME_STAMPING, days(1)).await;
        let new_owner = owner(&node, "seal/2/owner", days(1)).await;
        let between = node.authority.authorities().await.unwrap().between();
        assert_eq!(between.len(), 4, "two issuing authorities, two roots by each other");
        for (root, name) in [(&old_root, "old"), (&new_root, "new")] {
            for owner in [&old_owner, &new_owner] {
                assert!(
                    leads(owner, root, &between, Purpose::Signing, days(2)),
                    "{name}: {}",
                    owner.issuer()
                );
            }
        }
        // Without the roots by each other, nobody would.
        let alone: Vec<Cert> = between.iter().filter(|cert| cert.path_length() == Some(0)).cloned().collect();
        assert_eq!(alone.len(), 2);
        assert!(!leads(&new_owner, &old_root, &alone, Purpose::Signing, days(2)));
        assert!(!leads(&old_owner, &new_root, &alone, Purpose::Signing, days(2)));
        // A token brings what leads to the root before.
        assert!(holds(&token(&node, days(2)).await, &old_root, days(2)));
        assert!(holds(&token(&node, days(2)).await, &new_root, days(2)));
        assert!(holds(&old_token, &old_root, days(2)));
        // What was signed before the new root was made is judged as of then: for that the old root stays in the trust store.
        assert!(!leads(&old_owner, &new_root, &between, Purpose::Signing, NOW));

        // Once more: the third and the second certify each other, and the first still leads to what is newest.
        let third = succeed(&node, ROOT, days(3)).await.cert;
        succeed(&node, ISSUING, days(3)).await;
        let newest = owner(&node, "seal/3/owner", days(3)).await;
        let between = node.authority.authorities().await.unwrap().between();
        for root in [&old_root, &new_root, &third] {
            for owner in [&old_owner, &new_owner, &newest] {
                assert!(leads(owner, root, &between, Purpose::Signing, days(4)));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_successor_is_made_once_by_whichever_node_and_after_a_crash() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let other = Node::new(&store, 2).await;
        for line in [TIME_STAMPING, ISSUING, ROOT, MAKER] {
            let replaces = newest(&node, line).await.cert.serial_hex();
            let wish = Succession { line, replaces: &replaces, active_from: None };
            let act = at(days(1));
            let (one, two) =
                tokio::join!(node.authority.succeed(&act, &wish), other.authority.succeed(&act, &wish));
            let made: Vec<_> = [one, two].into_iter().filter_map(Result::ok).map(|made| made.cert).collect();
            assert!(made.windows(2).all(|pair| pair[0] == pair[1]) && !made.is_empty(), "{line}");
            assert_eq!(newest(&node, line).await.generation, 2, "{line}");
        }
        // The signer is gone before anything was signed: what a crash after the intent leaves.
        assert!(node.pool.stop(LONG).await);
        assert_eq!(code(try_succeed(&node, ROOT, days(2)).await), "authority/signer");
        assert_eq!(newest(&other, ROOT).await.generation, 2);
        let again = Node::new(&store, 3).await;
        let completed = try_succeed(&again, ROOT, days(2)).await.unwrap();
        assert_eq!(completed.generation, 3);
        let crosses = again.authority.own_certificates().await.unwrap();
        assert_eq!(crosses.iter().filter(|own| own.line.contains("/by/")).count(), 4);
    })
    .await;
}

/// The root was made, and the process ended before it and the one before had certified each other.
#[tokio::test]
async fn roots_that_did_not_certify_each_other_yet_do_so_at_the_next_look() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        succeed(&node, ROOT, days(1)).await;
        let sql = "DELETE FROM authority_cert WHERE role = 'cross'";
        let cut = yinxin::store::Statement::portable("test.cut", sql);
        store.write(async |tx| tx.execute(&cut, &[]).await).await.unwrap();
        let node = Node::new(&store, 4).await;
        assert_eq!(node.authority.authorities().await.unwrap().between().len(), 1);
        assert_eq!(node.authority.renew_due(&at(days(1))).await.unwrap().len(), 0);
        assert_eq!(node.authority.authorities().await.unwrap().between().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_ends_soon_gets_a_successor_by_itself_and_once() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let lines = async |now| {
            let made = node.authority.renew_due(&at(now)).await.unwrap();
            made.into_iter().map(|made| made.line).collect::<Vec<_>>()
        };
        let ends = async |now| {
            let found = node.authority.endings(now).await.unwrap();
            found.into_iter().map(|ending| ending.line).collect::<Vec<_>>()
        };
        // Five years both; makers two years ahead, time stamping one.
        assert_eq!(lines(NOW).await, [""; 0]);
        assert_eq!(lines(days(3 * 365 - 1)).await, [""; 0]);
        assert_eq!(lines(days(3 * 365)).await, [MAKER]);
        assert_eq!(lines(days(3 * 365)).await, [""; 0], "once");
        assert_eq!(lines(days(4 * 365)).await, [TIME_STAMPING]);
        assert_eq!(ends(days(4 * 365)).await, [""; 0]);
        assert_eq!(lines(days(6 * 365)).await, [MAKER]);
        // The issuing authority lasts ten years: from the seventh on it cuts short what it signs, and people are told.
        assert_eq!(ends(days(7 * 365)).await, [ISSUING]);
        assert_eq!(lines(days(8 * 365)).await, [TIME_STAMPING]);
        // There is nothing to be gained any more under the old one, and that is said.
        assert_eq!(lines(days(9 * 365 + 360)).await, [""; 0]);
        assert_eq!(ends(days(9 * 365 + 200)).await, [ISSUING, MAKER, TIME_STAMPING]);
        succeed(&node, ISSUING, days(9 * 365 + 360)).await;
        assert_eq!(lines(days(9 * 365 + 360)).await, [MAKER, TIME_STAMPING]);
        assert_eq!(ends(days(9 * 365 + 360)).await, [""; 0]);
        assert_eq!(ends(days(10 * 365 + 1)).await, [ROOT], "and the root leaves no ten years for the next");
        // What was taken back gets no successor by itself: somebody must look first.
        let tsa = newest(&node, TIME_STAMPING).await.cert;
        node.authority.revoke(&at(days(10 * 365)), &tsa.serial_hex(), Reason::KeyCompromise).await.unwrap();
        assert_eq!(lines(tsa.not_after()).await, [MAKER]);
        assert_eq!(succeed(&node, TIME_STAMPING, days(10 * 365 + 2)).await.state, CertState::Valid);
        assert!(holds(
            &token(&node, days(10 * 365 + 2)).await,
            &node.authority.root().await.unwrap(),
            days(10 * 365 + 2)
        ));
    })
    .await;
}

#[tokio::test]
async fn an_issuing_authority_is_published_before_it_is_used() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let first = newest(&node, ISSUING).await;
        for (line, from) in [(ISSUING, days(367)), (TIME_STAMPING, days(7)), (ROOT, days(7))] {
            let replaces = newest(&node, line).await.cert.serial_hex();
            let wish = Succession { line, replaces: &replaces, active_from: Some(from) };
            assert_eq!(
                code(node.authority.succeed(&at(NOW), &wish).await),
                "authority/active-from",
                "{line}"
            );
        }
        let replaces = first.cert.serial_hex();
        let wish = Succession { line: ISSUING, replaces: &replaces, active_from: Some(days(7)) };
        let second = node.authority.succeed(&at(NOW), &wish).await.unwrap();
        assert!(node.authority.chain().await.unwrap().contains(&second.cert), "it can be fetched");
        assert_eq!(owner(&node, "seal/1/owner", days(6)).await.issuer(), first.cert.subject());
        assert_eq!(owner(&node, "seal/2/owner", days(7)).await.issuer(), second.cert.subject());
    })
    .await;
}

#[tokio::test]
async fn openssl_follows_the_paths_to_either_root() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let old_root = node.authority.root().await.unwrap();
        let old_owner = node.owner("seal/1/owner").await;
        let new_root = succeed(&node, ROOT, NOW).await.cert;
        succeed(&node, ISSUING, NOW).await;
        let new_owner = node.owner("seal/2/owner").await;
        let tsa = succeed(&node, TIME_STAMPING, NOW).await.cert;
        let between = node.authority.authorities().await.unwrap().between();
        let folder = tempfile::tempdir().unwrap();
        for root in [&old_root, &new_root] {
            for leaf in [&old_owner, &new_owner, &tsa] {
                let anchors = [root.clone()];
                let material = Material { anchors: &anchors, intermediates: &between, crls: &[] };
                let purpose = if *leaf == tsa { Purpose::TimeStamping } else { Purpose::Signing };
                let found = path::validate(leaf, &material, NOW, purpose).unwrap();
                if !follows(folder.path(), &found.chain) {
                    return;
                }
            }
        }
    })
    .await;
}

/// OpenSSL gives the id of SM2 to the certificate that is asked about alone, so a path is asked for link by link: each
/// under the one above it, and the last under the anchor. `false` where there is no OpenSSL.
fn follows(folder: &Path, chain: &[Cert]) -> bool {
    assert!(chain.len() >= 3);
    let seconds = NOW.seconds().to_string();
    for pair in chain.windows(2) {
        std::fs::write(folder.join("cert.pem"), pair[0].to_pem()).unwrap();
        std::fs::write(folder.join("above.pem"), pair[1].to_pem()).unwrap();
        let verify = ["verify", "-partial_chain", "-x509_strict", "-attime", &seconds];
        let with = ["-vfyopt", "distid:1234567812345678", "-CAfile", "above.pem", "cert.pem"];
        let Some((held, said)) = openssl(folder, &[&verify[..], &with].concat()) else { return false };
        assert!(held, "{} under {}: {said}", pair[0].subject(), pair[1].subject());
    }
    true
}

/// The service's own certificates, as an administrator sees them.
async fn own(app: &TestApp<'_>) -> Vec<Value> {
    app.get("/api/v1/authority/certificates", &app.person(Role::SystemAdministrator)).await.items()
}

async fn newest_serial(app: &TestApp<'_>, line: &str) -> String {
    let all = own(app).await;
    let found = all.iter().find(|own| own["line"] == line && own["newest"] == true).unwrap();
    found["serial"].as_str().unwrap().to_owned()
}

async fn replace(app: &TestApp<'_>, line: &str) -> Value {
    let body = json!({ "line": line, "replaces": newest_serial(app, line).await });
    app.post("/api/v1/authority/successions", &app.person(Role::SystemAdministrator), body)
        .await
        .good()
        .json()
}

async fn fetched(app: &TestApp<'_>, path: &str) -> Vec<u8> {
    app.send(request("GET", path, None).body(Body::empty()).unwrap()).await.good().body.to_vec()
}

/// The newest stamp of a file, judged by somebody who trusts `root` alone and has fetched what the service publishes.
async fn judged(app: &TestApp<'_>, file: &[u8], root: &Cert) -> SignatureReport {
    let chain = Cert::parse_bundle(&fetched(app, "/pki/chain.pem").await).unwrap();
    let limits = pdf::Limits::default();
    let opened = pdf::open(file, &limits).unwrap();
    let found = analysis::signatures(&opened, &limits).unwrap();
    let newest = found.signatures.last().unwrap();
    let mut digest = Sm3::new();
    for range in newest.signed.clone().unwrap() {
        digest.update(&file[range]);
    }
    let material = Material { anchors: std::slice::from_ref(root), intermediates: &chain, crls: &[] };
    let question = Question::new(material, app.clock.now(), Profile::Strict);
    judge::stamp(&newest.value, Some(digest.finish()), &question)
}

#[tokio::test]
async fn everything_is_rolled_over_while_stamping_goes_on_and_every_stamp_passes() {
    on_each_engine(async |app| {
        let seal = app.active_seal(5).await;
        let old_root = Cert::parse(&fetched(app, "/pki/root.cer").await).unwrap();
        let maker = format!("maker/{}", app.maker);
        let mut files = vec![
            app.stamped(&seal, &At::notice().and("&time_stamp=true"), fixture("pdf/one-page.pdf")).await,
        ];
        for line in [TIME_STAMPING, &maker, ISSUING, ROOT, ISSUING, TIME_STAMPING, &maker, MAKER] {
            let (made, during) = while_stamping(app, &seal, replace(app, line)).await;
            assert_eq!(made["newest"], true, "{line}");
            files.extend(during);
        }
        // A seal of now, by the new maker's certificate under the new authority.
        let fresh = app.active_seal(5).await;
        let file =
            app.stamped(&fresh, &At::notice().and("&time_stamp=true"), fixture("pdf/one-page.pdf")).await;
        let report = judged(app, &file, &old_root).await;
        assert_eq!(report.checks.verdict().max(report.cap), Verdict::Passed, "{report:?}");
        files.push(file);
        for file in &files {
            let report = app.verify(file).await;
            assert_eq!(report["verdict"], "passed", "{report}");
        }
        let all = own(app).await;
        let of = |line: &str| all.iter().filter(|own| own["line"] == line).count();
        assert_eq!((of(ROOT), of(ISSUING), of(TIME_STAMPING), of(&maker), of(MAKER)), (2, 3, 3, 3, 2));
        assert_eq!(app.audit("&action=maker.certificate_renewed").await.len(), 2);

        for (path, same) in [
            ("/pki/root/1/root.cer", old_root.der().to_vec()),
            ("/pki/root/2/root.cer", fetched(app, "/pki/root.cer").await),
            ("/pki/issuing/1/issuing.cer", fetched(app, "/pki/issuing.cer").await),
            ("/pki/issuing/1/ca.crl", fetched(app, "/pki/ca.crl").await),
        ] {
            assert_eq!(fetched(app, path).await, same, "{path}");
        }
        let third = Cert::parse(&fetched(app, "/pki/issuing/3/issuing.cer").await).unwrap();
        let list = Crl::parse(&fetched(app, "/pki/issuing/3/ca.crl").await).unwrap();
        list.verify_signed_by(third.public_key().unwrap()).unwrap();
        for odd in [
            "/pki/issuing/4/ca.crl",
            "/pki/issuing/0/ca.crl",
            "/pki/issuing/01/ca.crl",
            "/pki/root/x/root.cer",
        ] {
            let answer = app.send(request("GET", odd, None).body(Body::empty()).unwrap()).await;
            assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("authority/unknown")), "{odd}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_seal_lives_and_ends_with_the_certificate_that_it_was_made_with() {
    on_each_engine(async |app| {
        let line = format!("maker/{}", app.maker);
        let old = app.active_seal(4).await;
        let old_serial = newest_serial(app, &line).await;
        replace(app, &line).await;
        let new = app.active_seal(4).await;
        let new_serial = newest_serial(app, &line).await;
        assert_ne!(old_serial, new_serial);
        let system = app.person(Role::SystemAdministrator);
        let stamp = async |seal: &str| {
            app.stamp(&app.operator(), seal, &At::notice(), fixture("pdf/one-page.pdf")).await
        };
        let revoke = async |serial: &str| {
            let path = format!("/api/v1/certificates/{serial}/revocation");
            app.post(&path, &system, json!({ "reason": "key-compromise" })).await
        };
        assert_eq!((stamp(&old).await.status, stamp(&new).await.status), (201, 201));
        assert_eq!(revoke(&old_serial).await.status, 204);
        assert_eq!(stamp(&old).await.json()["code"], "maker/certificate-revoked");
        assert_eq!(stamp(&new).await.status, 201);
        // The office gets on with a renewal, by the new certificate.
        let renewed = app.done(&app.operator(), &old, "renewals").await["id"].as_str().unwrap().to_owned();
        app.bring_into_force(&renewed).await;
        assert_eq!(stamp(&renewed).await.status, 201);
    })
    .await;
}

/// Nobody does anything for six years: certificates follow each other, and stamps go on.
#[tokio::test]
async fn years_go_by() {
    on_each_engine(async |app| {
        let maker = format!("maker/{}", app.maker);
        for year in 1..=6 {
            app.clock.step_ms(365 * DAY_MS);
            app.app().renew_certificates().await.unwrap();
            let seal = app.active_seal(4).await;
            let file =
                app.stamped(&seal, &At::notice().and("&time_stamp=true"), fixture("pdf/one-page.pdf")).await;
            assert_eq!(app.verify(&file).await["verdict"], "passed", "year {year}");
        }
        let all = own(app).await;
        for (line, count) in [(TIME_STAMPING, 2), (MAKER, 3), (&maker, 3)] {
            assert_eq!(all.iter().filter(|own| own["line"] == line).count(), count, "{line}");
        }
        let ends = app.get("/api/v1/authority/endings", &app.person(Role::SystemAdministrator)).await.items();
        assert_eq!(ends, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn only_the_system_administrator_sees_and_replaces_certificates() {
    on_each_engine(async |app| {
        let body = json!({ "line": TIME_STAMPING, "replaces": newest_serial(app, TIME_STAMPING).await });
        for role in Role::ALL.iter().filter(|role| **role != Role::SystemAdministrator) {
            let answer = app.post("/api/v1/authority/successions", &app.person(*role), body.clone()).await;
            assert_eq!(answer.status, 403, "{role}");
            assert_eq!(
                app.get("/api/v1/authority/certificates", &app.person(*role)).await.status,
                403,
                "{role}"
            );
        }
        for (body, code) in [
            (json!({ "line": TIME_STAMPING, "replaces": "00" }), "authority/replaced"),
            (json!({ "line": "authority/other", "replaces": "00" }), "authority/unknown"),
            (json!({ "line": ISSUING, "replaces": "00", "active_from": "tomorrow" }), "request/invalid"),
            (json!({ "line": ISSUING }), "request/malformed"),
        ] {
            let system = app.person(Role::SystemAdministrator);
            let answer = app.post("/api/v1/authority/successions", &system, body).await;
            assert_eq!(answer.json()["code"], code);
        }
    })
    .await;
}
