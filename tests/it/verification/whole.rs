//! Stamps of the whole daemon, verified by it: its own trust, its own register of seals.

use super::fixture;
use crate::support::{
    front::{Answer, json_request, request},
    whole::Whole,
};
use axum::body::Body;
use serde_json::{Value, json};
use yinxin::officer::Role;

impl Whole {
    fn key(&self, role: Role) -> Option<&str> {
        Some(&self.people[&role].key)
    }

    async fn post(&self, role: Role, path: &str, body: Value) -> Value {
        let mut asked = json_request(path, self.key(role), &body);
        if body.is_null() {
            *asked.body_mut() = Body::empty();
            asked.headers_mut().remove("content-type");
        }
        let answer = self.send(asked).await;
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        answer.json()
    }

    async fn upload(&self, role: Option<Role>, path: &str, document: Vec<u8>) -> Answer {
        let asked = request("POST", path, role.and_then(|role| self.key(role)));
        self.send(asked.header("content-type", "application/pdf").body(Body::from(document)).unwrap()).await
    }

    async fn verdict(&self, document: &[u8]) -> Value {
        self.upload(None, "/api/v1/verifications", document.to_vec()).await.json()
    }

    /// A seal in force: its path.
    async fn seal(&self) -> (String, String) {
        let owner = json!({ "name": "临江市人民政府办公室", "credit_code": "11440100MB2C000137", "kind": "organisation" });
        let owner = self.post(Role::SealOperator, "/api/v1/owners", owner).await;
        let maker = json!({ "name": "示范印章制作中心", "vendor": "YINXIN" });
        let maker = self.post(Role::SystemAdministrator, "/api/v1/makers", maker).await;
        let seal = json!({
            "owner": owner["id"], "maker": maker["id"], "name": "临江市人民政府办公室",
            "look": { "by": "preset", "preset": "department" },
        });
        let seal = self.post(Role::SealOperator, "/api/v1/seals", seal).await;
        let id = seal["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/seals/{id}");
        self.post(Role::SealApprover, &format!("{path}/approve"), Value::Null).await;
        self.post(Role::SealOperator, &format!("{path}/make"), Value::Null).await;
        (id, path)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_of_ours_passes_and_stays_valid_when_its_seal_is_suspended_later() {
    let whole = Whole::new().await;
    let (id, path) = whole.seal().await;
    // In the very second in which the seal was made.
    let stamp = format!("/api/v1/stamps?seal={id}&page=1&x_mm=105&y_mm=200&time_stamp=true");
    let stamped = whole.upload(Some(Role::SealOperator), &stamp, fixture("one-page.pdf")).await;
    assert_eq!(stamped.status, 201, "{stamped:?}");
    let report = whole.verdict(&stamped.body).await;
    assert_eq!(report["verdict"], "passed", "{report:#}");
    let findings = report["signatures"][0]["findings"].to_string();
    assert!(
        !findings.contains("seal/status-unknown") && !findings.contains("no-revocation-source"),
        "{findings}"
    );

    whole.clock.step_ms(3_600_000);
    let suspend = json!({ "reason": "盘点" });
    whole.post(Role::SealApprover, &format!("{path}/suspend"), suspend).await;
    assert_eq!(whole.verdict(&stamped.body).await["verdict"], "passed", "stamped before");
    let esl = whole.send(
        request("GET", &format!("{path}/seal.esl"), whole.key(Role::SealOperator))
            .body(Body::empty())
            .unwrap(),
    );
    let report = whole.verdict(&esl.await.body).await;
    assert_eq!(report["signatures"][0]["checks"][3]["reason"], "seal/status", "{report:#}");
    assert_eq!(report["verdict"], "failed");

    let mut broken = stamped.body.to_vec();
    broken[5000] ^= 1;
    assert_eq!(whole.verdict(&broken).await["verdict"], "failed");
}
