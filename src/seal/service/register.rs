//! Owners, their members, makers.

use super::{SealService, known_owner};
use crate::{
    audit,
    authority::{Ask, SubjectFields, SubjectKey},
    base::{CreditCode, Refusal},
    http::{
        Once,
        idempotency::{self, IdempotencyKey},
    },
    officer::{Caller, OfficerId, Right},
    seal::{
        error::SealError,
        register::{Maker, MakerId, Owner, OwnerId, OwnerKind, checked_name, checked_vendor},
        store::register as rows,
    },
    store::StoreError,
};
use serde_json::json;
use yinxin_pki::sign::SignError;

/// Makers looked at in one read.
const MAKERS_AT_ONCE: i64 = 100;

/// Registers an owner.
#[derive(Debug, Clone)]
pub struct RegisterOwner {
    /// Its full name.
    pub name: String,
    /// Its credit code, checked by rule here.
    pub credit_code: String,
    /// What it is.
    pub kind: OwnerKind,
}

/// Registers a maker; the authority issues its certificate.
#[derive(Debug, Clone)]
pub struct RegisterMaker {
    /// Its full name.
    pub name: String,
    /// Its mark (Vid).
    pub vendor: String,
}

impl SealService {
    /// Registers an owner of seals. A code that is registered already is refused.
    pub async fn register_owner(
        &self,
        caller: &Caller,
        command: RegisterOwner,
        once: Option<&Once<Owner>>,
    ) -> Result<Owner, SealError> {
        let officer = caller.officer(Right::OwnerRegister)?;
        if let Some(id) = Once::earlier_of(once) {
            let id = OwnerId::from_row(id.to_owned());
            return self.0.store.read(async |rx| known_owner(rx, &id).await).await;
        }
        let owner = Owner {
            id: OwnerId::fresh(caller.now, &*self.0.entropy),
            name: checked_name("owner", &command.name)?,
            credit_code: CreditCode::parse(&command.credit_code)?,
            kind: command.kind,
            registered_by: officer.id.clone(),
            registered_at: caller.now,
        };
        self.0
            .store
            .write(async |tx| {
                idempotency::record_with_answer(tx, once, &owner.id, &owner).await?;
                rows::insert_owner(tx, &owner).await.map_err(one_owner_a_code)?;
                rows::add_member(tx, &owner.id, &officer.id, &officer.id, caller.now).await?;
                let detail = json!({ "name": owner.name, "credit_code": owner.credit_code.as_str() });
                audit::append(tx, &caller.entry("owner.registered", &owner.id, detail)).await?;
                Ok::<_, SealError>(())
            })
            .await?;
        Ok(owner)
    }

    /// Lets an officer act for an owner: stamp with its seals, apply for new ones.
    pub async fn add_member(
        &self,
        caller: &Caller,
        owner: &OwnerId,
        member: &OfficerId,
    ) -> Result<(), SealError> {
        let officer = caller.officer(Right::OwnerRegister)?;
        self.0
            .store
            .write(async |tx| {
                known_owner(tx, owner).await?;
                super::must_act_for(tx, owner, &officer.id).await?;
                crate::officer::store::find(tx, member)
                    .await?
                    .ok_or_else(|| SealError::Unknown { what: "officer", id: member.to_string() })?;
                rows::add_member(tx, owner, member, &officer.id, caller.now).await?;
                audit::append(tx, &caller.entry("owner.member_added", owner, json!({ "officer": member })))
                    .await?;
                Ok::<_, SealError>(())
            })
            .await
    }

    /// Ends it.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        owner: &OwnerId,
        member: &OfficerId,
    ) -> Result<(), SealError> {
        let officer = caller.officer(Right::OwnerRegister)?;
        self.0
            .store
            .write(async |tx| {
                known_owner(tx, owner).await?;
                super::must_act_for(tx, owner, &officer.id).await?;
                if rows::remove_member(tx, owner, member).await? {
                    let entry = caller.entry("owner.member_removed", owner, json!({ "officer": member }));
                    audit::append(tx, &entry).await?;
                }
                Ok::<_, SealError>(())
            })
            .await
    }

    /// The owner with this id, and who acts for it.
    pub async fn owner(&self, caller: &Caller, id: &OwnerId) -> Result<(Owner, Vec<String>), SealError> {
        caller.officer(Right::SealRead)?;
        self.0
            .store
            .read(async |rx| {
                let owner = known_owner(rx, id).await?;
                let members = rows::members(rx, id).await?;
                Ok((owner, members))
            })
            .await
    }

    /// Owners after an id, in order.
    pub async fn owners(&self, caller: &Caller, after: &str, limit: i64) -> Result<Vec<Owner>, SealError> {
        caller.officer(Right::SealRead)?;
        self.0.store.read(async |rx| Ok(rows::owners(rx, after, limit).await?)).await
    }

    /// Registers a maker of seals: a key is made, the authority issues the certificate that signs seals.
    pub async fn register_maker(
        &self,
        caller: &Caller,
        command: RegisterMaker,
        key: Option<&IdempotencyKey>,
    ) -> Result<Maker, SealError> {
        let officer = caller.officer(Right::MakerRegister)?;
        if let Some(id) = IdempotencyKey::earlier_of(key) {
            return self.known_maker(&MakerId::from_row(id.to_owned())).await;
        }
        let maker = Maker {
            id: MakerId::fresh(caller.now, &*self.0.entropy),
            name: checked_name("maker", &command.name)?,
            vendor: checked_vendor(&command.vendor)?,
            registered_by: officer.id.clone(),
            registered_at: caller.now,
        };
        let ask = Ask {
            reference: super::maker_reference(&maker.id),
            subject: SubjectFields::new(&maker.name)?,
            key: SubjectKey::Fresh,
        };
        let issued = self.0.authority.issue_maker(&super::act(caller), &ask).await?;
        let key_id = issued.key.ok_or(SealError::Sign(SignError::Fault))?;
        let row =
            rows::MakerRow { maker, key_id: key_id.as_str().to_owned(), cert: issued.cert.der().to_vec() };
        self.0
            .store
            .write(async |tx| {
                rows::insert_maker(tx, &row).await?;
                idempotency::record(tx, key, &row.maker.id).await?;
                let detail = json!({ "name": row.maker.name, "vendor": row.maker.vendor, "certificate": issued.cert.serial_hex() });
                audit::append(tx, &caller.entry("maker.registered", &row.maker.id, detail)).await?;
                Ok::<_, SealError>(())
            })
            .await?;
        Ok(row.maker)
    }

    /// Has makers sign with the newest certificate that the authority gave them: after one was renewed, by whomever. Seals
    /// made before keep the one that they were made with. Answers how many makers changed.
    pub async fn take_over_makers(&self, caller: &Caller) -> Result<usize, SealError> {
        let (mut changed, mut after) = (0, String::new());
        loop {
            let rows = self.0.store.read(async |rx| rows::makers(rx, &after, MAKERS_AT_ONCE).await).await?;
            let Some(last) = rows.last() else { return Ok(changed) };
            after = last.maker.id.to_string();
            for row in &rows {
                changed += usize::from(self.take_over_maker(caller, row).await?);
            }
        }
    }

    async fn take_over_maker(&self, caller: &Caller, row: &rows::MakerRow) -> Result<bool, SealError> {
        let newest = self.0.authority.own(&super::maker_reference(&row.maker.id), caller.now).await?;
        let Some(key) = newest.key.filter(|key| key.as_str() != row.key_id) else { return Ok(false) };
        let (before, cert) = (row.key_id.as_str(), newest.cert);
        self.0
            .store
            .write(async |tx| {
                if !rows::change_maker(tx, &row.maker.id, before, key.as_str(), cert.der()).await? {
                    return Ok(false); // Another node did.
                }
                let detail = json!({ "certificate": cert.serial_hex() });
                audit::append(tx, &caller.entry("maker.certificate_renewed", &row.maker.id, detail)).await?;
                Ok::<_, SealError>(true)
            })
            .await
    }

    async fn known_maker(&self, id: &MakerId) -> Result<Maker, SealError> {
        let found = self.0.store.read(async |rx| Ok::<_, SealError>(rows::find_maker(rx, id).await?)).await?;
        found.map(|row| row.maker).ok_or_else(|| SealError::Unknown { what: "maker", id: id.to_string() })
    }

    /// Makers after an id, in order.
    pub async fn makers(&self, caller: &Caller, after: &str, limit: i64) -> Result<Vec<Maker>, SealError> {
        // Two roles work with makers: who registers them, and who applies for seals.
        if !caller.may(Right::MakerRegister) {
            caller.officer(Right::SealRead)?;
        }
        let found =
            self.0.store.read(async |rx| Ok::<_, SealError>(rows::makers(rx, after, limit).await?)).await?;
        Ok(found.into_iter().map(|row| row.maker).collect())
    }
}

fn one_owner_a_code(error: StoreError) -> SealError {
    if error.is_duplicate() {
        let says = "an owner with this credit code is registered already";
        return Refusal::new("owner/exists", says).into();
    }
    error.into()
}
