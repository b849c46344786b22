//! The table of all routes, and what is made from it.

use super::{
    Access, Gives, Hold, Limits, Meters, Operation, Problem, Proxies, Route, admission::Admission, door,
    gate, idempotency::AT_ONCE, meter::Routes, openapi, query::Declared, rate::Rates,
};
use crate::{
    base::{Clock, Entropy},
    officer::Officers,
    store::Store,
};
use axum::{
    Router,
    body::Bytes,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Method, header},
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
};
use serde_json::Value;
use std::{collections::HashSet, fmt, sync::Arc};
use tokio::sync::Semaphore;

/// What the front door works with.
pub struct Kit {
    pub(super) store: Store,
    pub(super) officers: Officers,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) limits: Limits,
    pub(super) problem_page: Option<door::ProblemPage>,
    pub(super) admission: Admission,
    pub(super) rates: Rates,
    pub(super) meters: Arc<Meters>,
    /// Ends of reservations that are written beside the requests.
    pub(super) afterwards: Arc<Semaphore>,
    pub(super) hold: Hold,
    pub(super) proxies: Proxies,
    /// Whether everybody comes by https.
    pub(super) https: bool,
    /// Whether routes of administration are turned away here.
    administration_elsewhere: bool,
}

impl Kit {
    /// Gathers it. Problems are told as JSON everywhere until [`Kit::with_problem_page`].
    pub fn new(
        store: Store,
        officers: Officers,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: Limits,
    ) -> Self {
        let admission = Admission::new(&limits);
        let rates = Rates::default();
        Self {
            store,
            officers,
            clock,
            entropy,
            limits,
            problem_page: None,
            admission,
            rates,
            meters: Arc::default(),
            afterwards: Arc::new(Semaphore::new(AT_ONCE)),
            hold: Hold::default(),
            proxies: Proxies::default(),
            https: false,
            administration_elsewhere: false,
        }
    }

    /// Counts where `meters` is read.
    pub fn counted_by(self, meters: Arc<Meters>) -> Self {
        Self { meters, ..self }
    }

    /// Has every gate mind `hold`.
    pub fn with_hold(self, hold: Hold) -> Self {
        Self { hold, ..self }
    }

    /// Takes the word of these proxies about who comes.
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// Tells browsers never to come but by https, where `https` says that everybody does.
    pub fn by_https(self, https: bool) -> Self {
        Self { https, ..self }
    }

    /// Turns requests for routes of administration away: they have a listener of their own.
    pub fn without_administration(self) -> Self {
        Self { administration_elsewhere: true, ..self }
    }

    /// Lets people see problems as pages.
    pub fn with_problem_page(self, page: door::ProblemPage) -> Self {
        Self { problem_page: Some(page), ..self }
    }
}

/// What stands behind the front door: the kit, and the routes that lead on.
pub(super) struct Hall {
    pub kit: Arc<Kit>,
    pub routes: Routes,
}

/// Every route of the daemon.
pub struct Table(Vec<Route>);

/// Why routes can't stand in one table: a mistake of ours, seen at the start and in tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableError {
    /// Two routes have this method and path, or this operation id.
    Twice(String),
    /// A method that the table does not take.
    Method(&'static str),
}

const OPENAPI_PATH: &str = "/api/v1/openapi.json";

impl Table {
    /// Takes all routes, and adds the one that describes them.
    ///
    /// # Errors
    /// [`TableError`] where two routes collide.
    pub fn new(mut routes: Vec<Route>) -> Result<Self, TableError> {
        let described = Operation::get(Access::PUBLIC, OPENAPI_PATH, "readOpenApi", "This document")
            .gives(200, Gives::AnyJson)
            .while_held();
        let mut operations: Vec<&Operation> = routes.iter().map(|route| &route.operation).collect();
        operations.push(&described);
        check(&operations)?;
        let document = Bytes::from(openapi::document(&operations).to_string());
        routes.push(described.handled_by((), async move || json_bytes(document)));
        Ok(Self(routes))
    }

    /// What is declared, route by route.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.0.iter().map(|route| &route.operation)
    }

    /// The OpenAPI document.
    pub fn openapi(&self) -> Value {
        openapi::document(&self.operations().collect::<Vec<_>>())
    }

    /// The router: each route behind its gate, all behind the front door.
    pub fn router(self, kit: Kit) -> Router {
        let kit = Arc::new(kit);
        let routes = kit.meters.enter(self.operations().map(|operation| (&operation.method, operation.path)));
        let hall = Arc::new(Hall { kit: kit.clone(), routes });
        let mut router = Router::new();
        for Route { operation, handler } in self.0 {
            let path = operation.path;
            if kit.administration_elsewhere && operation.is_administration() {
                router = router.route(path, operation.answered_by(elsewhere));
                continue;
            }
            let query = Declared::of(operation.query);
            let gate = Arc::new(gate::Gate { kit: Arc::clone(&kit), operation, query });
            // A route layer: another method on this path is refused as such, without asking who comes.
            router = router.route(path, handler.route_layer(from_fn_with_state(gate, gate::pass)));
        }
        router
            .fallback(async || Problem::new("request/unknown-path", "no route has this path"))
            // Each gate bounds its own body; the framework's flat limit would cut documents short.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(hall, door::pass))
    }
}

/// What the public listener says of a route of administration. Nobody is asked who he is: a key has no business here.
async fn elsewhere() -> Problem {
    Problem::new(
        "request/administration-elsewhere",
        "this is a route of administration, which has a listener of its own",
    )
}

fn check(operations: &[&Operation]) -> Result<(), TableError> {
    let (mut ids, mut places) = (HashSet::new(), HashSet::new());
    for operation in operations {
        if !matches!(
            operation.method,
            Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE
        ) {
            return Err(TableError::Method(operation.id));
        }
        if !ids.insert(operation.id) || !places.insert((operation.method.clone(), operation.path)) {
            return Err(TableError::Twice(format!("{} {}", operation.method, operation.path)));
        }
    }
    Ok(())
}

fn json_bytes(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
}

impl fmt::Display for TableError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::Twice(place) => write!(out, "two routes are declared as {place}"),
            TableError::Method(id) => write!(out, "route {id} has a method that the table does not take"),
        }
    }
}

impl std::error::Error for TableError {}
