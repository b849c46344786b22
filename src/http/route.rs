//! One declarative line per route. The router, its authorization, the OpenAPI document and the route × role test are all
//! made from these lines, so that none of them can know a route that the others don't.
//!
//! There is no way to declare a route without saying who may use it: [`Operation::new`] asks for an [`Access`].

use super::shape::Shape;
use crate::officer::Right;
use axum::{
    handler::Handler,
    http::Method,
    routing::{MethodFilter, MethodRouter, on},
};
use serde_json::Value;
use std::time::Duration;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, at most so many requests a minute from one address (`None`: only the general limits). A key, where one is
    /// sent, must still be good; [`Right::VerifyUnlimited`] lifts the rate.
    Public {
        /// Requests a minute from one address.
        per_minute: Option<u32>,
    },
    /// Any active officer.
    Officer,
    /// Officers whose roles give this right.
    Right(Right),
    /// Officers whose roles give at least one of these rights.
    OneOf(&'static [Right]),
    /// The same; and whoever comes over the UNIX socket, without a key: it is our own user, who can read the data anyway.
    LocalOrOneOf(&'static [Right]),
}

impl Access {
    /// Anyone, without a rate of its own.
    pub const PUBLIC: Access = Access::Public { per_minute: None };

    /// Whether an officer whose roles give what `gives` says may pass.
    pub fn admits(self, gives: impl Fn(Right) -> bool) -> bool {
        match self {
            Access::Public { .. } | Access::Officer => true,
            Access::Right(right) => gives(right),
            Access::OneOf(rights) | Access::LocalOrOneOf(rights) => rights.iter().any(|&right| gives(right)),
        }
    }

    /// Whether only administrators and auditors pass: system administrator, security administrator, auditor.
    pub fn is_of_administrators(self) -> bool {
        match self {
            Access::Public { .. } | Access::Officer => false,
            Access::Right(right) => right.is_of_administrators(),
            Access::OneOf(rights) | Access::LocalOrOneOf(rights) => {
                rights.iter().all(|right| right.is_of_administrators())
            }
        }
    }
}

/// Whom the route answers: programs or people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// REST: stands in the OpenAPI document; problems are JSON.
    Api,
    /// A page: problems are pages.
    Page,
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    /// No body.
    Nothing,
    /// `application/json` of this shape.
    Json(&'static Shape),
    /// `multipart/form-data` with these parts.
    Multipart(&'static Shape),
    /// `application/x-www-form-urlencoded`, of pages.
    Form,
    /// Bytes of this media type.
    Bytes(&'static str),
}

/// What an answer carries.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    /// Nothing.
    Nothing,
    /// `application/json` of this shape.
    Json(&'static Shape),
    /// `{"items": […]}` of this shape.
    List(&'static Shape),
    /// JSON without a shape of its own.
    AnyJson,
    /// Bytes of this media type.
    Bytes(&'static str),
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub says: &'static str,
    /// Its JSON Schema.
    pub schema: fn() -> Value,
    /// Whether it must be there.
    pub required: bool,
}

/// What kind of work a request is; each kind has its own number of requests at a time, which no other kind takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Whether we live: let in always.
    Probe,
    /// What officers must get through whatever else is asked: revocations, suspensions.
    Urgent,
    /// What those who rely on us must be able to look up: certificates, revocation lists.
    Status,
    /// A few statements that read.
    Read,
    /// A few statements that write, a small body.
    Write,
    /// A document of an officer, signatures.
    Stamp,
    /// A document of anyone; or a walk over all records.
    Heavy,
}

impl Load {
    /// Every kind, in the order of the enum.
    pub const ALL: [Load; 7] =
        [Load::Probe, Load::Urgent, Load::Status, Load::Read, Load::Write, Load::Stamp, Load::Heavy];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Urgent => "urgent",
            Self::Status => "status",
            Self::Read => "read",
            Self::Write => "write",
            Self::Stamp => "stamp",
            Self::Heavy => "heavy",
        }
    }
}

/// Whether a route makes something new, and how its idempotency key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creates {
    /// It makes nothing new; a key is passed over.
    No,
    /// The key is reserved before the work, and settled behind it.
    Reserved,
    /// The key is written in the one transaction of the work.
    AtOnce,
}

/// Bytes that a JSON body may have, where the route says nothing else.
const JSON_LIMIT_BYTES: usize = 64 * 1024;

/// What is declared about a route.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for its parameters.
    pub path: &'static str,
    /// The OpenAPI operation id, in camel case; stable.
    pub id: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Who may use it.
    pub access: Access,
    /// Whom it answers.
    pub face: Face,
    /// What a request carries.
    pub takes: Takes,
    /// Query parameters.
    pub query: &'static [Param],
    /// Status and content of good answers.
    pub gives: Vec<(u16, Gives)>,
    /// Codes beyond those that any such route may answer.
    pub problems: &'static [&'static str],
    /// The longest body, in bytes.
    pub body_limit_bytes: usize,
    /// Whether it makes something new, and so honours `Idempotency-Key`.
    pub creates: Creates,
    /// How much it takes.
    pub load: Load,
    /// Whether it stands on the listener for administration, where there is one; `None`: if only administrators and
    /// auditors may use it. [`Operation::is_administration`] tells.
    pub administration: Option<bool>,
    /// Whether it answers while the service is held back ([`super::Hold`]).
    pub while_held: bool,
    /// The longest that the answer may take; `None`: as long as any request.
    pub deadline: Option<Duration>,
}

/// A declared route and what answers it.
pub struct Route {
    /// What is declared.
    pub operation: Operation,
    pub(super) handler: MethodRouter<()>,
}

impl Operation {
    /// Declares a route of the REST interface; `.handled_by` finishes it.
    pub fn new(
        access: Access,
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            load: if method == Method::GET { Load::Read } else { Load::Write },
            method,
            path,
            id,
            summary,
            access,
            face: Face::Api,
            takes: Takes::Nothing,
            query: &[],
            gives: Vec::new(),
            problems: &[],
            body_limit_bytes: 0,
            creates: Creates::No,
            administration: None,
            while_held: false,
            deadline: None,
        }
    }

    /// A `GET`.
    pub fn get(access: Access, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(access, Method::GET, path, id, summary)
    }

    /// A `POST` that changes something that exists.
    pub fn post(access: Access, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(access, Method::POST, path, id, summary)
    }

    /// A `POST` that makes something new: honours `Idempotency-Key`.
    pub fn create(access: Access, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self { creates: Creates::Reserved, ..Self::new(access, Method::POST, path, id, summary) }
    }

    /// Makes it in one transaction, in which its command writes the key and the answer too
    /// ([`super::idempotency::record_with_answer`]).
    pub fn at_once(self) -> Self {
        Self { creates: Creates::AtOnce, ..self }
    }

    /// A page for people: not in the OpenAPI document.
    pub fn page(self) -> Self {
        Self { face: Face::Page, ..self }
    }

    /// Takes JSON, 64 KiB at most unless `body_limit` says otherwise.
    pub fn json(self, shape: &'static Shape) -> Self {
        Self { takes: Takes::Json(shape), body_limit_bytes: JSON_LIMIT_BYTES, ..self }
    }

    /// Takes another kind of body of at most so many bytes.
    pub fn body(self, takes: Takes, limit_bytes: usize) -> Self {
        Self { takes, body_limit_bytes: limit_bytes, ..self }
    }

    /// Takes these query parameters.
    pub fn query(self, query: &'static [Param]) -> Self {
        Self { query, ..self }
    }

    /// Answers this when all is well.
    pub fn gives(mut self, status: u16, gives: Gives) -> Self {
        self.gives.push((status, gives));
        self
    }

    /// May answer these codes of the catalogue too.
    pub fn problems(self, problems: &'static [&'static str]) -> Self {
        Self { problems, ..self }
    }

    /// Counts among the heavy requests.
    pub fn heavy(self) -> Self {
        self.load(Load::Heavy)
    }

    /// Counts as this kind of work, instead of as one that reads (`GET`) or writes.
    pub fn load(self, load: Load) -> Self {
        Self { load, ..self }
    }

    /// Answers while the service is held back: it looks into that, or ends it.
    pub fn while_held(self) -> Self {
        Self { while_held: true, ..self }
    }

    /// May take this long, whatever the limit of other requests.
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Stands on the listener for administration, whoever may use it.
    pub fn on_administration(self) -> Self {
        Self { administration: Some(true), ..self }
    }

    /// Whether the route is one of administration: then it is not on the public listener where administration has its own.
    pub fn is_administration(&self) -> bool {
        self.administration.unwrap_or_else(|| self.access.is_of_administrators())
    }

    /// Finishes the route: `handler` answers it, with `state` at hand.
    pub fn handled_by<H, T, S>(self, state: S, handler: H) -> Route
    where
        H: Handler<T, S>,
        T: 'static,
        S: Clone + Send + Sync + 'static,
    {
        Route { handler: on(self.filter(), handler).with_state(state), operation: self }
    }

    /// The route with another answer, and nothing before it.
    pub(super) fn answered_by<H, T>(&self, handler: H) -> MethodRouter<()>
    where
        H: Handler<T, ()>,
        T: 'static,
    {
        on(self.filter(), handler)
    }

    /// Methods come from the constructors above; anything stranger answers as GET would, and the table refuses it.
    fn filter(&self) -> MethodFilter {
        MethodFilter::try_from(self.method.clone()).unwrap_or(MethodFilter::GET)
    }
}
