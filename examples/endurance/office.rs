//! An office with everything that stamping needs, made by the program's own commands and over REST.

use crate::{
    daemon::Start,
    http::{Ask, Client, Place},
    trouble::{Outcome, Trouble},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// The made-up office; its credit code has the right check digits and belongs to nobody.
const OWNER: (&str, &str) = ("临江市人民政府办公室", "11440100MB2C000137");
/// What is stamped.
pub const DOCUMENT: &[u8] = include_bytes!("../../fixtures/pdf/one-page.pdf");

/// API keys of its officers, and what they registered.
#[derive(Debug, Clone)]
pub struct Office {
    pub operator: String,
    pub approver: String,
    pub auditor: String,
    pub security: String,
    pub system: String,
    pub owner: String,
    pub maker: String,
}

/// `yinxin init` on the start's data directory.
pub async fn init(start: &Start) -> Outcome<()> {
    let said = start.command(["init"]).await?;
    if said.code != 0 {
        return Err(Trouble::failed(format!("init: {}", said.err)));
    }
    Ok(())
}

impl Office {
    /// Hires, and registers owner and maker, at a daemon that was just initialised in `data`.
    pub async fn found(data: &Path, place: &Place) -> Outcome<Self> {
        let key = |role: &str| fs::read_to_string(data.join("officer-keys").join(role));
        let (security, system) = (key("security_administrator")?, key("system_administrator")?);
        let mut client = Client::to(place);
        let operator = hire(&mut client, &security, "经办人", "seal_operator").await?;
        let approver = hire(&mut client, &security, "审批人", "seal_approver").await?;
        let maker = json!({ "name": "某制作中心", "vendor": "YINXIN" });
        let maker = create(&mut client, &system, "/api/v1/makers", &maker).await?;
        let owner = json!({ "name": OWNER.0, "credit_code": OWNER.1, "kind": "organisation" });
        let owner = create(&mut client, &operator, "/api/v1/owners", &owner).await?;
        Ok(Self {
            maker: text(&maker, "id")?,
            owner: text(&owner, "id")?,
            auditor: key("auditor")?,
            operator,
            approver,
            security,
            system,
        })
    }

    /// The body of an application for a seal of this name.
    pub fn application(&self, name: &str, version: u8) -> Value {
        json!({
            "owner": self.owner, "maker": self.maker, "name": name, "version": version, "period_days": 365,
            "look": { "by": "preset", "preset": "department" },
        })
    }

    /// A seal in force, in one go.
    pub async fn seal(&self, place: &Place, name: &str) -> Outcome<String> {
        let mut client = Client::to(place);
        let seal = create(&mut client, &self.operator, "/api/v1/seals", &self.application(name, 4)).await?;
        let seal = text(&seal, "id")?;
        for (act, key) in [("approve", &self.approver), ("make", &self.operator)] {
            let ask = Ask::post(format!("/api/v1/seals/{seal}/{act}"), &Value::Null).by(key);
            client.ask(&ask).await?.good()?;
        }
        Ok(seal)
    }

    /// The request that stamps [`DOCUMENT`] with this seal, for this purpose.
    pub fn stamp(&self, seal: &str, purpose: &str, time_stamp: bool) -> Ask {
        let path = format!(
            "/api/v1/stamps?seal={seal}&page=1&x_mm=150&y_mm=232&purpose={purpose}&time_stamp={time_stamp}"
        );
        Ask::post(path, &Value::Null).carrying("application/pdf", DOCUMENT).by(&self.operator)
    }
}

/// Registers an officer and makes a key; answers the key.
async fn hire(client: &mut Client, security: &str, name: &str, role: &str) -> Outcome<String> {
    let officer = json!({ "name": name, "roles": [role] });
    let officer = text(&create(client, security, "/api/v1/officers", &officer).await?, "id")?;
    let path = format!("/api/v1/officers/{officer}/keys");
    text(&create(client, security, &path, &json!({ "label": "endurance" })).await?, "secret")
}

async fn create(client: &mut Client, key: &str, path: &str, body: &Value) -> Outcome<Value> {
    Ok(client.ask(&Ask::post(path, body).by(key)).await?.good()?.json())
}

/// A text of an answer.
pub fn text(value: &Value, name: &str) -> Outcome<String> {
    let found = value[name].as_str().map(str::to_owned);
    found.ok_or_else(|| Trouble::failed(format!("an answer lacks {name}: {value}")))
}
