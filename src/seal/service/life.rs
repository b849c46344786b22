//! Applying, deciding, and the changes of a seal's life that need no signature.

use super::{SealService, known_owner, known_seal, must_act_for};
use crate::{
    audit,
    base::{Refusal, failpoint},
    document::pool::Lane,
    http::{Once, idempotency},
    officer::{Caller, Denied, OfficerId, Right},
    seal::{
        error::SealError,
        look::{Look, LookRequest},
        nouns::{Event, Seal, SealId, Version, Wish},
        register::{MakerId, Owner, OwnerId},
        state::{Act, State},
        store::{life as rows, register as registers},
    },
    store::{Rx, StoreError, Tx},
};
use serde_json::json;
use yinxin_pki::budget::Budget;

/// Applies for a seal.
#[derive(Debug, Clone)]
pub struct Apply {
    /// Whose seal it will be.
    pub owner: OwnerId,
    /// Who shall make it.
    pub maker: MakerId,
    /// Its name.
    pub name: String,
    /// SES type number.
    pub kind: u8,
    /// How it shall look.
    pub look: LookRequest,
    /// How long it is valid.
    pub period_days: u32,
    /// Which seal data.
    pub version: Version,
}

impl SealService {
    /// Applies for a seal. The picture is drawn at once, so that what cannot be drawn is said to the applicant; and before
    /// the transaction, which others wait for.
    pub async fn apply(
        &self,
        caller: &Caller,
        command: Apply,
        once: Option<&Once<Seal>>,
    ) -> Result<Seal, SealError> {
        let officer = caller.officer(Right::SealApply)?;
        if let Some(id) = Once::earlier_of(once) {
            return self.made_before(id).await;
        }
        let owner = self.0.store.read(async |rx| may_apply(rx, &command, &officer.id).await).await?;
        // A code that stands in the picture is taken first: it stays unused where the picture can't be drawn.
        let drawn_code = match command.look.shows_code() {
            true => Some(self.0.store.write(async |tx| next_code(tx, owner.region()).await).await?),
            false => None,
        };
        let look = self.draw(command.look.clone(), owner.name, drawn_code.clone()).await?;
        let id = SealId::fresh(caller.now, &*self.0.entropy);
        let seal = self
            .0
            .store
            .write(async |tx| {
                let owner = may_apply(tx, &command, &officer.id).await?;
                let code = match drawn_code {
                    Some(code) => code,
                    None => next_code(tx, owner.region()).await?,
                };
                let wish = Wish {
                    look,
                    owner: command.owner,
                    maker: command.maker,
                    name: command.name,
                    kind: command.kind,
                    period_days: command.period_days,
                    version: command.version,
                };
                let seal = Seal::apply(id, code, wish.checked()?, None, &officer.id, caller.now);
                record_application(tx, caller, &seal, once).await?;
                failpoint::reach("seal.apply.written");
                Ok::<_, SealError>(seal)
            })
            .await?;
        failpoint::reach("seal.apply.committed");
        Ok(seal)
    }

    /// The picture of a seal that was drawn here, as vectors (SVG).
    pub async fn drawing(&self, caller: &Caller, id: &SealId) -> Result<String, SealError> {
        let seal = self.seal(caller, id).await?;
        let says = "this seal's picture was imported; there are no vectors of it";
        let design = seal.wish.look.design.ok_or_else(|| Refusal::new("seal/not-drawn", says))?;
        let drawn =
            self.0.readers.run(Lane::Own, move |_| design.draw().map(|drawing| drawing.svg())).await?;
        Ok(drawn.map_err(|error| Refusal::new(error.code(), error.to_string()))?)
    }

    /// Draws or checks a picture, on a thread that reads documents.
    async fn draw(&self, look: LookRequest, owner: String, code: Option<String>) -> Result<Look, SealError> {
        let draw = move |_: &Budget| look.realise(&owner, code.as_deref().unwrap_or_default());
        Ok(self.0.readers.run(Lane::Own, draw).await??)
    }

    /// Applies for the SESeal that takes the place of one in use or expired: same code, owner and picture.
    pub async fn renew(
        &self,
        caller: &Caller,
        old: &SealId,
        period_days: u32,
        once: Option<&Once<Seal>>,
    ) -> Result<Seal, SealError> {
        let officer = caller.officer(Right::SealRenew)?;
        if let Some(id) = Once::earlier_of(once) {
            return self.made_before(id).await;
        }
        let id = SealId::fresh(caller.now, &*self.0.entropy);
        self.0
            .store
            .write(async |tx| {
                let seal = locked(tx, old).await?;
                must_act_for(tx, &seal.wish.owner, &officer.id).await?;
                let (seal, event) = seal.act(Act::Renew, &officer.id, None, caller.now)?;
                rows::add_event(tx, &seal.id, &event).await?;
                let wish = Wish { period_days, ..seal.wish.clone() }.checked()?;
                let renewal =
                    Seal::apply(id, seal.code.clone(), wish, Some(seal.id.clone()), &officer.id, caller.now);
                record_application(tx, caller, &renewal, once).await?;
                audit::append(
                    tx,
                    &caller.entry(Act::Renew.recorded(), &seal.id, json!({ "by": renewal.id })),
                )
                .await?;
                Ok(renewal)
            })
            .await
    }

    /// Approves an application; never by who applied.
    pub async fn approve(&self, caller: &Caller, seal: &SealId) -> Result<Seal, SealError> {
        self.change(caller, seal, Act::Approve, Right::SealApprove, None).await
    }

    /// Rejects an application, with the reason.
    pub async fn reject(&self, caller: &Caller, seal: &SealId, reason: String) -> Result<Seal, SealError> {
        self.change(caller, seal, Act::Reject, Right::SealApprove, Some(reason)).await
    }

    /// Suspends an active seal (停用). Stamps made before stay valid.
    pub async fn suspend(&self, caller: &Caller, seal: &SealId, reason: String) -> Result<Seal, SealError> {
        self.change(caller, seal, Act::Suspend, Right::SealSuspend, Some(reason)).await
    }

    /// Takes a suspended seal into use again (启用).
    pub async fn resume(&self, caller: &Caller, seal: &SealId) -> Result<Seal, SealError> {
        self.change(caller, seal, Act::Resume, Right::SealResume, None).await
    }

    /// Reports a seal lost (挂失): whoever acts for its owner, or may suspend it.
    pub async fn report_loss(
        &self,
        caller: &Caller,
        seal: &SealId,
        reason: String,
    ) -> Result<Seal, SealError> {
        self.must_have_to_do_with(caller, seal).await?;
        self.change(caller, seal, Act::ReportLoss, Right::SealReportLoss, Some(reason)).await
    }

    /// Takes a lost seal into use again (解挂).
    pub async fn recover(&self, caller: &Caller, seal: &SealId) -> Result<Seal, SealError> {
        self.change(caller, seal, Act::Recover, Right::SealResume, None).await
    }

    /// Ends a seal for good (注销). Who may only apply withdraws an own application that nobody has decided on.
    pub async fn cancel(&self, caller: &Caller, seal: &SealId, reason: String) -> Result<Seal, SealError> {
        let right = if caller.may(Right::SealCancel) { Right::SealCancel } else { Right::SealApply };
        self.change(caller, seal, Act::Cancel, right, Some(reason)).await
    }

    /// The seal with this id.
    pub async fn seal(&self, caller: &Caller, id: &SealId) -> Result<Seal, SealError> {
        caller.officer(Right::SealRead)?;
        self.0.store.read(async |rx| known_seal(rx, id).await).await
    }

    /// A seal's history.
    pub async fn history(&self, caller: &Caller, id: &SealId) -> Result<Vec<rows::EventRow>, SealError> {
        caller.officer(Right::SealRead)?;
        self.0
            .store
            .read(async |rx| {
                let seal = known_seal(rx, id).await?;
                let mut history = vec![rows::EventRow::of_application(&seal)];
                history.extend(rows::events(rx, id).await?);
                Ok(history)
            })
            .await
    }

    /// The SESeal, once made.
    pub async fn seal_data(&self, caller: &Caller, id: &SealId) -> Result<Vec<u8>, SealError> {
        caller.officer(Right::SealRead)?;
        self.0
            .store
            .read(async |rx| {
                known_seal(rx, id).await?;
                let tools = rows::tools(rx, id).await?;
                let says = "this seal is not made yet; there is no seal data";
                tools.map(|tools| tools.esl).ok_or_else(|| Refusal::new("seal/wrong-state", says).into())
            })
            .await
    }

    /// Seals after an id, of an owner and in a stored state where these are given.
    pub async fn seals(
        &self,
        caller: &Caller,
        after: &str,
        owner: &str,
        state: Option<State>,
        limit: i64,
    ) -> Result<Vec<Seal>, SealError> {
        caller.officer(Right::SealRead)?;
        let state = state.map_or("", State::name);
        self.0.store.read(async |rx| Ok(rows::page(rx, after, owner, state, limit).await?)).await
    }

    /// The seal that an earlier attempt of the same request applied for.
    async fn made_before(&self, id: &str) -> Result<Seal, SealError> {
        let id = SealId::from_row(id.to_owned());
        self.0.store.read(async |rx| known_seal(rx, &id).await).await
    }

    /// An operator reports the loss of his own owner's seals alone: a lost seal stamps no more. Approvers look after all.
    async fn must_have_to_do_with(&self, caller: &Caller, id: &SealId) -> Result<(), SealError> {
        let officer = caller.officer(Right::SealReportLoss)?;
        if caller.may(Right::SealSuspend) {
            return Ok(());
        }
        self.0
            .store
            .read(async |rx| {
                let seal = known_seal(rx, id).await?;
                must_act_for(rx, &seal.wish.owner, &officer.id).await
            })
            .await
    }

    async fn change(
        &self,
        caller: &Caller,
        id: &SealId,
        act: Act,
        right: Right,
        reason: Option<String>,
    ) -> Result<Seal, SealError> {
        let officer = caller.officer(right)?;
        let seal = self
            .0
            .store
            .write(async |tx| {
                let seal = locked(tx, id).await?;
                // Who may not suspend every seal reports only those lost that they have in hand.
                if act == Act::ReportLoss && !caller.may(Right::SealSuspend) {
                    must_act_for(tx, &seal.wish.owner, &officer.id).await?;
                }
                if act == Act::Cancel && right != Right::SealCancel && !seal.may_be_withdrawn_by(&officer.id)
                {
                    return Err(Denied::LacksRight(Right::SealCancel).into());
                }
                let (seal, event) = seal.act(act, &officer.id, reason, caller.now)?;
                record(tx, caller, &seal, &event).await?;
                failpoint::reach("seal.change.written");
                Ok::<_, SealError>(seal)
            })
            .await?;
        failpoint::reach("seal.change.committed");
        Ok(seal)
    }
}

/// The seal, held until the transaction ends.
pub(super) async fn locked(tx: &mut Tx, id: &SealId) -> Result<Seal, SealError> {
    rows::lock(tx, id).await?.ok_or_else(|| SealError::Unknown { what: "seal", id: id.to_string() })
}

/// Whose seal is applied for; an error where this officer may not, or the maker is nobody.
async fn may_apply(rx: &mut Rx, command: &Apply, officer: &OfficerId) -> Result<Owner, SealError> {
    let owner = known_owner(rx, &command.owner).await?;
    must_act_for(rx, &owner.id, officer).await?;
    let maker = registers::find_maker(rx, &command.maker).await?;
    maker.ok_or_else(|| SealError::Unknown { what: "maker", id: command.maker.to_string() })?;
    Ok(owner)
}

/// Writes the seal, its event and its audit entry.
pub(super) async fn record(
    tx: &mut Tx,
    caller: &Caller,
    seal: &Seal,
    event: &Event,
) -> Result<(), SealError> {
    rows::record(tx, seal, event).await?;
    let reason = event.reason.as_ref().map(|reason| audit::fingerprint(&seal.id, reason));
    let detail = json!({ "state": event.state.name(), "reason_sm3": reason });
    audit::append(tx, &caller.entry(event.act.recorded(), &seal.id, detail)).await?;
    Ok(())
}

async fn record_application(
    tx: &mut Tx,
    caller: &Caller,
    seal: &Seal,
    once: Option<&Once<Seal>>,
) -> Result<(), SealError> {
    idempotency::record_with_answer(tx, once, &seal.id, seal).await?;
    rows::insert(tx, seal).await.map_err(one_renewal_at_a_time)?;
    // A seal may bear a person's name.
    let name = audit::fingerprint(&seal.id, &seal.wish.name);
    let detail =
        json!({ "code": seal.code, "name_sm3": name, "owner": seal.wish.owner, "renews": seal.renews });
    audit::append(tx, &caller.entry("seal.applied", &seal.id, detail)).await?;
    Ok(())
}

/// The id is fresh and the code is in use only once made: what two rows can share is the seal that they renew.
fn one_renewal_at_a_time(error: StoreError) -> SealError {
    if error.is_duplicate() {
        let says = "a renewal of this seal is under way already; decide that one first";
        return Refusal::new("seal/renewal-open", says).into();
    }
    error.into()
}

/// esID: the region's six digits and its next serial of eight (seal.md §6.4).
async fn next_code(tx: &mut Tx, region: &str) -> Result<String, SealError> {
    let serial = registers::next_serial(tx, region).await?;
    Ok(format!("{region}{serial:08}"))
}
