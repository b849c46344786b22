//! The own authority on both engines: certificates, revocation and time stamps that we and OpenSSL accept.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::support::databases::for_each_engine;
use std::{path::Path, process::Command, sync::Arc, time::Duration};
use yinxin::{
    audit,
    authority::{
        Act, Ask, Authority, AuthorityError, AuthoritySettings, CertState, Role, SubjectFields, SubjectKey,
    },
    base::{Entropy, Secret, Timestamp, entropy::SeededEntropy},
    keys::{KeyKind, KeyPurpose, Keystore, PoolSize, SigningPool, UnlockCost},
    store::{Store, Tx},
};
use yinxin_pki::{
    der,
    judge::{self, Question},
    oid,
    report::{CheckId, Outcome, Profile},
    sign::{Digest, PublicKey},
    sm2,
    tsp::{Failure, Request, Response, Token},
    x509::{
        Cert, Crl, Reason,
        path::{self, Material, Purpose, Revocation},
    },
};

pub const NOW: Timestamp = Timestamp::from_seconds(1_795_219_200);
pub const LONG: Duration = Duration::from_secs(60);

/// A node: its keystore, pool and authority over a store.
pub struct Node {
    store: Store,
    keystore: Keystore,
    pub pool: Arc<SigningPool>,
    pub authority: Authority,
}

impl Node {
    pub async fn new(store: &Store, seed: u64) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
        let passphrase = Secret::new("for tests".to_owned());
        let keystore = if Keystore::exists(store).await.unwrap() {
            Keystore::unlock(store.clone(), &passphrase, entropy.clone()).await.unwrap()
        } else {
            let cost = UnlockCost::FLOOR;
            Keystore::create(store.clone(), &passphrase, cost, entropy.clone(), NOW).await.unwrap()
        };
        let pool = Arc::new(SigningPool::start(PoolSize::default(), &entropy).unwrap());
        let mut settings = AuthoritySettings::of("某市大数据局");
        settings.patience = LONG;
        settings.crl_url = Some("http://127.0.0.1:8080/authority/crl".into());
        settings.later_url = Some("http://127.0.0.1:8080/pki/issuing".into());
        let authority = Authority::new(store.clone(), keystore.clone(), pool.clone(), entropy, settings);
        Self { store: store.clone(), keystore, pool, authority }
    }

    pub async fn ready(store: &Store) -> Self {
        let node = Self::new(store, 1).await;
        node.authority.bootstrap(&at(NOW)).await.unwrap();
        node
    }

    pub async fn owner(&self, reference: &str) -> Cert {
        self.authority.issue_owner(&at(NOW), &ask(reference, SubjectKey::Fresh)).await.unwrap().cert
    }

    pub async fn actions(&self) -> Vec<String> {
        let filter = audit::Filter::default();
        let records = self.store.read(async |rx| audit::query(rx, &filter, 100).await).await.unwrap();
        let mut actions: Vec<_> = records.into_iter().map(|record| record.action).collect();
        actions.reverse();
        actions
    }
}

pub fn at(now: Timestamp) -> Act<'static> {
    Act { actor: "system", request: "test", now }
}

pub fn ask(reference: &str, key: SubjectKey) -> Ask {
    let subject = SubjectFields::new("某市人民政府").and_then(|subject| subject.organisation("某市人民政府"));
    Ask { reference: reference.into(), subject: subject.unwrap(), key }
}

pub fn code<T>(result: Result<T, AuthorityError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "done")
}

#[tokio::test]
async fn the_first_start_makes_everything_and_the_second_nothing() {
    for_each_engine(async |store| {
        let node = Node::new(&store, 1).await;
        assert_eq!(code(node.authority.root().await), "authority/not-ready");
        node.authority.bootstrap(&at(NOW)).await.unwrap();
        let (chain, maker) = (node.authority.chain().await.unwrap(), node.authority.maker().await.unwrap());
        assert_eq!(
            node.actions().await,
            ["authority.certificate_intended", "authority.certificate_issued"].repeat(4)
        );
        assert_eq!((maker.role, maker.state), (Role::SealMaker, CertState::Valid));

        let again = Node::new(&store, 2).await;
        again.authority.bootstrap(&at(NOW.plus_days(1))).await.unwrap();
        assert_eq!(again.authority.chain().await.unwrap(), chain);
        assert_eq!(again.authority.maker().await.unwrap().cert, maker.cert);
        assert_eq!(again.actions().await.len(), 8);
        assert_eq!(again.keystore.list(None, 100).await.unwrap().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn nodes_that_start_together_agree() {
    for_each_engine(async |store| {
        let one = Node::new(&store, 1).await;
        let two = Node::new(&store, 2).await;
        let act = at(NOW);
        let (first, second) = tokio::join!(one.authority.bootstrap(&act), two.authority.bootstrap(&act));
        first.unwrap();
        second.unwrap();
        assert_eq!(one.authority.chain().await.unwrap(), two.authority.chain().await.unwrap());
        assert_eq!(
            one.keystore.list(None, 100).await.unwrap().len(),
            4,
            "no key is left without a certificate"
        );
    })
    .await;
}

#[tokio::test]
async fn a_crash_between_intent_and_record_is_completed_by_the_next_start() {
    for_each_engine(async |store| {
        let node = Node::new(&store, 1).await;
        // The signer is gone before anything was signed: what a crash after the first commit leaves.
        assert!(node.pool.stop(LONG).await);
        assert_eq!(code(node.authority.bootstrap(&at(NOW)).await), "authority/signer");
        assert_eq!(node.actions().await, ["authority.certificate_intended"]);
        let keys = node.keystore.list(None, 10).await.unwrap();
        drop(node);

        let node = Node::ready(&store).await;
        let root = node.authority.root().await.unwrap();
        assert_eq!(root.public_key(), Some(&keys[0].public_key), "the intent's key, not another one");
        assert_eq!(node.actions().await.len(), 8);

        // The same for an owner: the sweep finds it, whoever asked.
        assert!(node.pool.stop(LONG).await);
        let asked = ask("seal/1/owner", SubjectKey::Fresh);
        assert_eq!(code(node.authority.issue_owner(&at(NOW), &asked).await), "authority/signer");
        assert!(node.authority.find("seal/1/owner").await.unwrap().is_none());
        let node = Node::new(&store, 3).await;
        assert_eq!(node.authority.complete_intents(&at(NOW)).await.unwrap(), 1);
        assert_eq!(node.authority.complete_intents(&at(NOW)).await.unwrap(), 0);
        let swept = node.authority.find("seal/1/owner").await.unwrap().unwrap();
        let again = node.authority.issue_owner(&at(NOW), &asked).await.unwrap();
        assert_eq!(again.cert, swept.cert);
    })
    .await;
}

#[tokio::test]
async fn an_intent_that_cannot_be_completed_stays_open_and_holds_up_nothing() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        assert!(node.pool.stop(LONG).await);
        for reference in ["seal/1/owner", "seal/2/owner"] {
            let asked = ask(reference, SubjectKey::Fresh);
            assert_eq!(code(node.authority.issue_owner(&at(NOW), &asked).await), "authority/signer");
        }
        // The issuing key signs for both; with it gone nothing is completed, and the start goes on all the same.
        let issuing = node.authority.chain().await.unwrap()[0].clone();
        let keys = node.keystore.list(None, 100).await.unwrap();
        let key = keys.iter().find(|key| Some(&key.public_key) == issuing.public_key()).unwrap();
        store.write(async |tx: &mut Tx| node.keystore.destroy(tx, &key.id, NOW).await).await.unwrap();
        let node = Node::new(&store, 3).await;
        node.authority.bootstrap(&at(NOW)).await.unwrap();
        assert_eq!(node.authority.complete_intents(&at(NOW)).await.unwrap(), 0);
        let asked = ask("seal/1/owner", SubjectKey::Fresh);
        assert_eq!(code(node.authority.issue_owner(&at(NOW), &asked).await), "keys/destroyed");
    })
    .await;
}

#[tokio::test]
async fn every_certificate_has_a_path_to_the_root() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let [issuing, root] = <[Cert; 2]>::try_from(node.authority.chain().await.unwrap()).unwrap();
        let crl = node.authority.crl(NOW).await.unwrap();
        let (anchors, intermediates, crls) = ([root], [issuing], [crl]);
        let material = Material { anchors: &anchors, intermediates: &intermediates, crls: &crls };
        let maker = node.authority.maker().await.unwrap().cert;
        for (cert, purpose) in
            [(maker, Purpose::SealMaking), (node.owner("seal/1/owner").await, Purpose::Signing)]
        {
            let path = path::validate(&cert, &material, NOW, purpose).unwrap();
            assert_eq!((path.chain.len(), path.revocation), (3, Revocation::Good));
            assert_eq!(path.findings, []);
            assert!(path::validate(&cert, &material, NOW, Purpose::TimeStamping).is_err());
            assert!(cert.not_after() <= intermediates[0].not_after());
        }
    })
    .await;
}

#[tokio::test]
async fn an_owner_is_certified_for_stamping_and_makes_no_seals() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let [issuing, root] = <[Cert; 2]>::try_from(node.authority.chain().await.unwrap()).unwrap();
        let owner = node.owner("seal/1/owner").await;
        let (anchors, intermediates) = ([root], [issuing]);
        let material = Material { anchors: &anchors, intermediates: &intermediates, crls: &[] };
        assert!(path::validate(&owner, &material, NOW, Purpose::SealMaking).is_err());
        assert_eq!(node.authority.makers().await.unwrap(), [node.authority.maker().await.unwrap().cert]);
    })
    .await;
}

#[tokio::test]
async fn an_owner_asked_for_twice_gets_one_certificate() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let owner = node.owner("seal/1/owner").await;
        assert_eq!(node.owner("seal/1/owner").await, owner);
        assert_ne!(node.owner("seal/2/owner").await.serial(), owner.serial());
        let mut other = ask("seal/1/owner", SubjectKey::Fresh);
        other.subject = SubjectFields::new("另一个单位").unwrap();
        assert_eq!(code(node.authority.issue_owner(&at(NOW), &other).await), "authority/reference-taken");
        let same = ask("seal/1/owner", SubjectKey::Fresh);
        assert_eq!(code(node.authority.issue_maker(&at(NOW), &same).await), "authority/reference-taken");
        for odd in ["", "authority/root", "authority/x", "two words", "印", &"x".repeat(201)] {
            let refused = node.authority.issue_owner(&at(NOW), &ask(odd, SubjectKey::Fresh)).await;
            assert_eq!(code(refused), "authority/reference", "{odd}");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_of_ours_and_of_theirs_are_certified() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let make = async |purpose, kind| {
            store.write(async |tx: &mut Tx| node.keystore.make(tx, purpose, kind, NOW).await).await.unwrap()
        };
        for (number, kind) in [KeyKind::Sm2, KeyKind::P256].into_iter().enumerate() {
            let key = make(KeyPurpose::SealOwner, kind).await;
            let asked = ask(&format!("kept/{number}"), SubjectKey::Kept(key.id.clone()));
            let issued = node.authority.issue_owner(&at(NOW), &asked).await.unwrap();
            assert_eq!(
                (issued.cert.public_key(), issued.key.as_ref()),
                (Some(&key.public_key), Some(&key.id))
            );
            let other =
                ask(&format!("kept/{number}"), SubjectKey::Kept(make(KeyPurpose::SealOwner, kind).await.id));
            assert_eq!(code(node.authority.issue_owner(&at(NOW), &other).await), "authority/reference-taken");
        }
        let audit_key = make(KeyPurpose::Audit, KeyKind::Sm2).await;
        let wrong = ask("kept/audit", SubjectKey::Kept(audit_key.id));
        assert_eq!(code(node.authority.issue_owner(&at(NOW), &wrong).await), "keys/wrong-purpose");

        let theirs = PublicKey::Sm2(sm2::PrivateKey::from_bytes(&[8; 32]).unwrap().public_key());
        let asked = ask("theirs/1", SubjectKey::Theirs(Box::new(theirs.clone())));
        let issued = node.authority.issue_owner(&at(NOW), &asked).await.unwrap();
        assert_eq!((issued.cert.public_key(), issued.key), (Some(&theirs), None));
    })
    .await;
}

#[tokio::test]
async fn the_list_names_what_was_revoked_and_stays_until_something_changes() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let owner = node.owner("seal/1/owner").await;
        let crl = node.authority.crl(NOW).await.unwrap();
        assert_eq!(crl.revoked(owner.serial()), None);
        let hour = |hours: i64| NOW.plus_ms(hours * 3_600_000);
        assert_eq!(node.authority.crl(hour(17)).await.unwrap().der(), crl.der(), "nothing changed");
        let renewed = node.authority.crl(hour(19)).await.unwrap();
        assert_eq!((renewed.this_update(), renewed.next_update()), (hour(19), Some(hour(43))));

        let serial = owner.serial_hex();
        node.authority.revoke(&at(hour(20)), &serial, Reason::KeyCompromise).await.unwrap();
        let crl = node.authority.crl(hour(20)).await.unwrap();
        let revoked = crl.revoked(owner.serial()).unwrap();
        assert_eq!((revoked.at, revoked.reason), (hour(20), Reason::KeyCompromise));
        let [issuing, root] = <[Cert; 2]>::try_from(node.authority.chain().await.unwrap()).unwrap();
        crl.verify_signed_by(issuing.public_key().unwrap()).unwrap();
        assert_eq!(crl.issuer(), issuing.subject());

        let again = node.authority.revoke(&at(hour(21)), &serial, Reason::Superseded).await;
        assert_eq!(code(again), "authority/wrong-state");
        let unknown = node.authority.revoke(&at(NOW), "00ff", Reason::Superseded).await;
        assert_eq!(code(unknown), "authority/unknown");
        for own in [&issuing, &root] {
            let refused = node.authority.revoke(&at(NOW), &own.serial_hex(), Reason::Superseded).await;
            assert_eq!(code(refused), "authority/not-revocable");
        }
        assert_eq!(node.actions().await.last().unwrap(), "authority.certificate_revoked");
        let found = node.authority.find("seal/1/owner").await.unwrap().unwrap();
        assert_eq!(found.state, CertState::Revoked { at: hour(20), reason: Reason::KeyCompromise });
    })
    .await;
}

#[tokio::test]
async fn a_time_stamp_passes_the_strictest_judge() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let request = Request::of(b"signature value", Some(&[0xfe; 8]));
        let now = NOW.plus_ms(1_234);
        let response = node.authority.time_stamp(&request.to_der(), now).await;
        let Response::Granted(bytes) = Response::parse(&response).unwrap() else { panic!("rejected") };
        let token = Token::parse(bytes).unwrap();
        assert!(token.answers(&request));
        assert_eq!(token.info.time, now.whole_seconds());
        assert_eq!(token.info.accuracy.map(|accuracy| accuracy.seconds), Some(1));

        let (root, crl) = (node.authority.root().await.unwrap(), node.authority.crl(NOW).await.unwrap());
        let material = Material {
            anchors: std::slice::from_ref(&root),
            intermediates: &[],
            crls: std::slice::from_ref(&crl),
        };
        let question = Question::new(material, now, Profile::Strict);
        let checks = judge::token(bytes, Some(b"signature value"), &question).checks;
        for id in [CheckId::StampSignature, CheckId::SignerCertificate, CheckId::DocumentDigest] {
            assert_eq!(checks.outcome(id), Outcome::Passed, "{:?}", checks.check(id));
        }
        let other = judge::token(bytes, Some(b"other"), &question).checks;
        assert_eq!(other.outcome(CheckId::DocumentDigest), Outcome::Failed);

        let next = node.authority.time_stamp(&request.to_der(), now).await;
        let Response::Granted(next) = Response::parse(&next).unwrap() else { panic!("rejected") };
        assert_ne!(Token::parse(next).unwrap().info.serial, token.info.serial);
    })
    .await;
}

#[tokio::test]
async fn requests_that_cannot_be_met_are_rejected_with_their_reason() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let good = Request::of(b"m", None);
        let sha256 = Request { digest: Digest::Sha256, imprint: vec![0; 32], ..good.clone() };
        let sha1 = der::sequence([der::sequence([der::oid(&oid::SHA1)]), der::octet_string(&[0; 20])]);
        let sha1 = der::sequence([der::small(1), sha1]);
        let policy = Request { policy: Some(oid::SM3), ..good.clone() };
        let mut version = good.to_der();
        version[4] = 2;
        let trailing = [&good.to_der()[..], &[0]].concat();
        for (request, expected) in [
            (sha256.to_der(), Failure::BadAlgorithm),
            (sha1, Failure::BadAlgorithm),
            (policy.to_der(), Failure::UnacceptedPolicy),
            (version, Failure::BadRequest),
            (vec![0x30; 20_000], Failure::BadRequest),
            (trailing, Failure::BadDataFormat),
            (vec![], Failure::BadDataFormat),
            (b"GET / HTTP/1.1".to_vec(), Failure::BadDataFormat),
        ] {
            let response = node.authority.time_stamp(&request, NOW).await;
            let Response::Rejected { failure, .. } = Response::parse(&response).unwrap() else {
                panic!("granted")
            };
            assert_eq!(failure, Some(expected));
        }
        // Past its certificate, and without a signer, the authority says that it failed, and nothing more.
        let late = node.authority.time_stamp(&good.to_der(), NOW.plus_days(10 * 365)).await;
        assert!(node.pool.stop(LONG).await);
        let dead = node.authority.time_stamp(&good.to_der(), NOW).await;
        for response in [late, dead] {
            let Response::Rejected { failure, .. } = Response::parse(&response).unwrap() else {
                panic!("granted")
            };
            assert_eq!(failure, Some(Failure::SystemFailure));
        }
    })
    .await;
}

#[tokio::test]
async fn a_revoked_time_stamp_authority_stamps_no_more() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let own = node.authority.find("authority/time-stamping").await.unwrap().unwrap().cert;
        node.authority.revoke(&at(NOW), &own.serial_hex(), Reason::KeyCompromise).await.unwrap();
        let response = node.authority.time_stamp(&Request::of(b"m", None).to_der(), NOW).await;
        assert!(matches!(Response::parse(&response).unwrap(), Response::Rejected { .. }));
    })
    .await;
}

/// Runs OpenSSL in `folder`; `None`, loudly, where there is none that knows SM2.
pub fn openssl(folder: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let knows_sm2 = Command::new("openssl").args(["list", "-public-key-algorithms"]).output();
    if !knows_sm2.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("SM2")) {
        eprintln!("SKIPPED: no OpenSSL with SM2 here");
        return None;
    }
    let out = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    Some((out.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[tokio::test]
async fn openssl_accepts_every_link_the_list_and_the_answer() {
    for_each_engine(async |store| {
        let node = Node::ready(&store).await;
        let owner = node.owner("seal/1/owner").await;
        node.authority.revoke(&at(NOW), &owner.serial_hex(), Reason::Superseded).await.unwrap();
        let [issuing, root] = <[Cert; 2]>::try_from(node.authority.chain().await.unwrap()).unwrap();
        let maker = node.authority.maker().await.unwrap().cert;
        let tsa = node.authority.find("authority/time-stamping").await.unwrap().unwrap().cert;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let seconds = NOW.seconds().to_string();
        let write = |name: &str, octets: &[u8]| std::fs::write(folder.join(name), octets).unwrap();
        for (cert, above) in
            [(&root, &root), (&issuing, &root), (&maker, &issuing), (&owner, &issuing), (&tsa, &issuing)]
        {
            write("cert.pem", cert.to_pem().as_bytes());
            write("above.pem", above.to_pem().as_bytes());
            let verify = [
                "verify",
                "-partial_chain",
                "-x509_strict",
                "-attime",
                &seconds,
                "-vfyopt",
                "distid:1234567812345678",
                "-CAfile",
                "above.pem",
                "cert.pem",
            ];
            let Some((held, said)) = openssl(folder, &verify) else { return };
            assert!(held, "{}: {said}", cert.subject());
        }
        let crl: Crl = node.authority.crl(NOW).await.unwrap();
        write("list.crl", crl.der());
        let (held, said) =
            openssl(folder, &["crl", "-inform", "DER", "-in", "list.crl", "-noout", "-text"]).unwrap();
        assert!(held && said.to_lowercase().contains(&owner.serial_hex()), "{said}");
        assert!(said.contains("Superseded"), "{said}");

        let request = Request::of(b"m", Some(&[1, 2, 3])).to_der();
        write("reply.tsr", &node.authority.time_stamp(&request, NOW).await);
        write("query.tsq", &request);
        let (held, said) = openssl(folder, &["ts", "-reply", "-in", "reply.tsr", "-text"]).unwrap();
        assert!(held && said.contains("Status: Granted.") && said.contains("sm3"), "{said}");
        assert!(said.contains("Accuracy: 0x01 seconds") && said.contains("Nonce: 0x010203"), "{said}");
        let (held, said) = openssl(folder, &["ts", "-query", "-in", "query.tsq", "-text"]).unwrap();
        assert!(held, "{said}");
        write("reply.tsr", &node.authority.time_stamp(b"", NOW).await);
        let (_, said) = openssl(folder, &["ts", "-reply", "-in", "reply.tsr", "-text"]).unwrap();
        assert!(
            said.contains("Status: Rejected.") && said.contains("the data submitted has the wrong format"),
            "{said}"
        );
    })
    .await;
}
