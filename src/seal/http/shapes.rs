//! What this room answers, as JSON and as its schema.

use crate::{
    base::Timestamp,
    http::{
        Shape,
        shape::{id, instant, list_of, nullable, object, one_of, text},
    },
    seal::{
        nouns::Seal,
        register::{Maker, Owner},
        stamp::StampRecord,
        state::State,
    },
};
use serde_json::{Value, json};

pub(super) static OWNER: Shape = Shape {
    name: "Owner",
    json: || {
        object(
            &[
                ("id", id("owner")),
                ("name", text("full name, as registered")),
                ("credit_code", text("unified social credit code (GB 32100)")),
                ("kind", one_of(["legal-person", "organisation"])),
                ("registered_by", id("officer")),
                ("registered_at", instant("when it was registered")),
            ],
            &[("members", list_of(id("officer")))],
        )
    },
    parts: &[],
};

pub(super) fn owner(owner: &Owner) -> Value {
    json!({
        "id": owner.id,
        "name": owner.name,
        "credit_code": owner.credit_code.as_str(),
        "kind": owner.kind.name(),
        "registered_by": owner.registered_by,
        "registered_at": owner.registered_at,
    })
}

pub(super) static MAKER: Shape = Shape {
    name: "Maker",
    json: || {
        object(
            &[
                ("id", id("maker")),
                ("name", text("full name, as registered")),
                ("vendor", text("its mark in seals (Vid)")),
                ("registered_by", id("officer")),
                ("registered_at", instant("when it was registered")),
            ],
            &[],
        )
    },
    parts: &[],
};

pub(super) fn maker(maker: &Maker) -> Value {
    json!({
        "id": maker.id,
        "name": maker.name,
        "vendor": maker.vendor,
        "registered_by": maker.registered_by,
        "registered_at": maker.registered_at,
    })
}

pub(super) static SEAL: Shape = Shape {
    name: "Seal",
    json: || {
        object(
            &[
                ("id", id("seal")),
                ("code", text("esID: 6 digits of region, 8 of serial; kept through renewals")),
                ("name", text("name of the seal")),
                ("owner", id("owner")),
                ("maker", id("maker")),
                ("kind", json!({ "type": "integer", "description": "SES type number" })),
                ("version", json!({ "type": "integer", "enum": [4, 5] })),
                ("period_days", json!({ "type": "integer" })),
                ("width_mm", json!({ "type": "integer" })),
                ("height_mm", json!({ "type": "integer" })),
                ("state", one_of(State::ALL.map(State::name))),
                ("changed_at", instant("since when it is in this state")),
                ("changed_by", id("officer")),
                ("reason", nullable(text("why, in their words"))),
                ("applied_by", id("officer")),
                ("applied_at", instant("when it was applied for")),
                ("approved_by", nullable(id("officer"))),
                ("renews", nullable(id("seal"))),
                ("valid_from", nullable(instant("start of its period, once made"))),
                ("valid_to", nullable(instant("end of its period, once made"))),
                ("esl_sm3", nullable(text("SM3 of the seal data, hex, once made"))),
                (
                    "certificate",
                    nullable(text("serial number of the certificate it stamps with, hex, once made")),
                ),
            ],
            &[],
        )
    },
    parts: &[],
};

pub(super) fn seal(seal: &Seal, now: Timestamp) -> Value {
    let (wish, made) = (&seal.wish, seal.made.as_ref());
    json!({
        "id": seal.id,
        "code": seal.code,
        "name": wish.name,
        "owner": wish.owner,
        "maker": wish.maker,
        "kind": wish.kind,
        "version": wish.version.number(),
        "period_days": wish.period_days,
        "width_mm": wish.look.width_mm,
        "height_mm": wish.look.height_mm,
        "state": seal.standing(now).name(),
        "changed_at": seal.changed_at,
        "changed_by": seal.changed_by,
        "reason": seal.reason,
        "applied_by": seal.applied_by,
        "applied_at": seal.applied_at,
        "approved_by": seal.approved_by,
        "renews": seal.renews,
        "valid_from": made.map(|made| made.valid_from),
        "valid_to": made.map(|made| made.valid_to),
        "esl_sm3": made.map(|made| made.esl_sm3.as_str()),
        "certificate": made.map(|made| made.certificate.as_str()),
    })
}

pub(super) static SEAL_EVENT: Shape = Shape {
    name: "SealEvent",
    json: || {
        object(
            &[
                ("act", text("what was done")),
                ("state", one_of(State::ALL.map(State::name))),
                ("at", instant("when it was asked for")),
                ("effective_at", instant("from when it counts")),
                ("by", id("officer")),
                ("reason", nullable(text("why"))),
            ],
            &[],
        )
    },
    parts: &[],
};

pub(super) static STAMP: Shape = Shape {
    name: "Stamp",
    json: || {
        object(
            &[
                ("id", id("stamp")),
                ("seal", id("seal")),
                ("owner", id("owner")),
                ("officer", id("officer")),
                ("state", one_of(["intended", "done", "failed", "abandoned"])),
                ("document_sm3", text("SM3 of the document as it came, hex")),
                ("document_bytes", json!({ "type": "integer" })),
                ("signed_sm3", text("SM3 of the bytes that the stamp covers, hex")),
                ("page", json!({ "type": "integer", "minimum": 1 })),
                ("x_mm", json!({ "type": "number" })),
                ("y_mm", json!({ "type": "number" })),
                ("purpose", nullable(text("what for"))),
                ("time_stamped", json!({ "type": "boolean" })),
                ("intended_at", instant("when it was intended")),
                ("settled_at", nullable(instant("when it was settled"))),
                ("product_sm3", nullable(text("SM3 of the stamped file, hex"))),
                ("failure", nullable(text("why it failed"))),
            ],
            &[],
        )
    },
    parts: &[],
};

pub(super) fn stamp(record: &StampRecord) -> Value {
    let mm = |um: i64| um as f64 / 1000.0;
    json!({
        "id": record.id,
        "seal": record.seal,
        "owner": record.owner,
        "officer": record.officer,
        "state": record.state.name(),
        "document_sm3": record.document_sm3,
        "document_bytes": record.document_bytes,
        "signed_sm3": record.signed_sm3,
        "page": record.page,
        "x_mm": mm(record.x_um),
        "y_mm": mm(record.y_um),
        "purpose": record.purpose,
        "time_stamped": record.time_stamped,
        "intended_at": record.intended_at,
        "settled_at": record.settled_at,
        "product_sm3": record.product_sm3,
        "failure": record.failure,
    })
}
