//! What the front door counts: requests by route, problems by code, connections.

use super::Load;
use crate::base::meter::{Counter, Gauge, Histogram, Tally};
use axum::http::Method;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// What the front door counts. Routes are entered when a router is made, so that no request can add a name.
#[derive(Debug, Default)]
pub struct Meters {
    routes: Mutex<Vec<Arc<RouteMeter>>>,
    /// Problems told, by code of the catalogue: refusals by their reason.
    pub problems: Tally,
    /// Handlers that panicked.
    pub panics: Counter,
    /// Requests worked on now, by [`Load`].
    pub under_way: [Gauge; Load::ALL.len()],
    /// Connections open now.
    pub connections: Gauge,
    /// Connections taken so far.
    pub connected: Counter,
    /// Connections that were turned away: a full house.
    pub turned_away: Counter,
    /// Connections that came to nothing: their handshake failed, or took too long.
    pub unmade: Counter,
}

/// What is counted of one route.
#[derive(Debug)]
pub struct RouteMeter {
    /// The method; empty for what no route answered.
    pub method: String,
    /// The path with its `{names}`; empty for what no route answered.
    pub path: &'static str,
    /// Answers by the first digit of their status, from 1.
    pub answers: [Counter; 5],
    /// Requests whose asker went away before the answer.
    pub dropped: Counter,
    /// From the head's arrival to the answer's head, in microseconds.
    pub took_us: Histogram,
}

/// Finds a route's meter on the way of a request.
#[derive(Debug)]
pub(super) struct Routes {
    known: HashMap<&'static str, Vec<(Method, Arc<RouteMeter>)>>,
    /// For what no route answers.
    none: Arc<RouteMeter>,
}

/// A request under way; counts it when it is answered, or dropped before.
pub(super) struct Passage {
    meter: Arc<RouteMeter>,
    begun: Instant,
    answered: bool,
}

impl Meters {
    /// Every route's meter, in the order of their entry.
    pub fn routes(&self) -> Vec<Arc<RouteMeter>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The meter of a route; the same one whenever it is asked for.
    fn route(&self, method: &str, path: &'static str) -> Arc<RouteMeter> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.iter().find(|known| known.method == method && known.path == path) {
            return known.clone();
        }
        let fresh = Arc::new(RouteMeter {
            method: method.to_owned(),
            path,
            answers: Default::default(),
            dropped: Counter::default(),
            took_us: Histogram::of_times(),
        });
        routes.push(fresh.clone());
        fresh
    }

    pub(super) fn enter<'o>(&self, routes: impl Iterator<Item = (&'o Method, &'static str)>) -> Routes {
        let mut known: HashMap<_, Vec<_>> = HashMap::new();
        for (method, path) in routes {
            known.entry(path).or_default().push((method.clone(), self.route(method.as_str(), path)));
        }
        Routes { known, none: self.route("", "") }
    }
}

impl Routes {
    /// Begins to count a request that was matched to `path`, where it was to any.
    pub(super) fn begin(&self, method: &Method, path: Option<&str>) -> Passage {
        let methods = path.and_then(|path| self.known.get(path));
        let found = methods.and_then(|methods| methods.iter().find(|(known, _)| known == method));
        let meter = found.map_or(&self.none, |(_, meter)| meter).clone();
        Passage { meter, begun: Instant::now(), answered: false }
    }
}

impl Passage {
    /// The path of the route with its `{names}`; empty where there is none.
    pub(super) fn path(&self) -> &'static str {
        self.meter.path
    }

    /// It was answered with this status.
    pub(super) fn end(mut self, status: u16) {
        self.answered = true;
        let class = usize::from(status / 100).clamp(1, 5);
        self.meter.answers[class - 1].one();
        self.meter.took_us.note_time(self.begun.elapsed());
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.answered {
            self.meter.dropped.one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_once_for_its_route_or_for_none() {
        let meters = Meters::default();
        let routes = meters.enter([(&Method::GET, "/seals/{seal}"), (&Method::POST, "/seals")].into_iter());
        routes.begin(&Method::GET, Some("/seals/{seal}")).end(200);
        routes.begin(&Method::DELETE, Some("/seals/{seal}")).end(405);
        routes.begin(&Method::GET, None).end(404);
        drop(routes.begin(&Method::POST, Some("/seals")));
        // A second router over the same routes counts in the same place.
        let again = meters.enter([(&Method::GET, "/seals/{seal}")].into_iter());
        again.begin(&Method::GET, Some("/seals/{seal}")).end(503);
        let told: Vec<_> = meters
            .routes()
            .iter()
            .map(|route| {
                let answers: Vec<_> = route.answers.iter().map(Counter::value).collect();
                format!("{} {} {answers:?} {}", route.method, route.path, route.dropped.value())
            })
            .collect();
        assert_eq!(
            told,
            ["GET /seals/{seal} [0, 1, 0, 0, 1] 0", "POST /seals [0, 0, 0, 0, 0] 1", "  [0, 0, 0, 2, 0] 0"]
        );
    }
}
