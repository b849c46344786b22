//! Spans for a collector: OTLP over HTTP, as JSON, through our own client. Nothing here waits for anybody: what has no
//! room in the queue, or is not taken by the collector, is dropped and counted.

mod deliver;
mod field;
mod otlp;
mod parent;

pub use deliver::Deliverer;

use super::line::{self, PARENT};
use crate::{
    base::{Clock, Entropy, meter::Counter},
    outside::Url,
};
use field::{Fields, Value};
use otlp::{Ended, Resource};
use parent::Parent;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::mpsc;
use tracing::span::{Attributes, Record};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// Ended spans that wait for their delivery.
const QUEUE: usize = 4096;

/// Where spans go, and how many.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collector's address for traces, `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: Url,
    /// Of a hundred requests that come without a word about it, so many are kept; a caller who keeps its own spans has ours
    /// kept too.
    pub percent: u32,
}

/// What is counted.
#[derive(Debug, Default)]
pub struct Meters {
    /// Spans that the collector took.
    pub delivered: Counter,
    /// Spans that were dropped: no room, or not taken.
    pub dropped: Counter,
}

/// Follows spans from their beginning to their end.
pub struct Tracer {
    queue: mpsc::Sender<Ended>,
    meters: Arc<Meters>,
    /// A hundredth each.
    percent: u32,
    seed: u64,
    drawn: AtomicU64,
    /// One instant on both clocks: wall time in nanoseconds, and the clock that never goes back.
    noon: (u128, Instant),
}

/// What is known of a span while it lasts.
struct Traced {
    trace: u128,
    span: u64,
    parent: Option<u64>,
    begun: Instant,
    sampled: bool,
    fields: Fields,
}

/// A tracer, and what delivers its spans.
pub fn start(settings: Settings, clock: &dyn Clock, entropy: &dyn Entropy) -> (Tracer, Deliverer) {
    let (queue, spans) = mpsc::channel(QUEUE);
    let mut chance = [0; 16];
    entropy.fill(&mut chance);
    let (seed, instance) = chance.split_at(8);
    let meters = Arc::new(Meters::default());
    let now_ns = u128::try_from(clock.now().ms()).unwrap_or_default() * 1_000_000;
    let tracer = Tracer {
        queue,
        meters: meters.clone(),
        percent: settings.percent,
        seed: u64::from_be_bytes(seed.try_into().unwrap_or_default()),
        drawn: AtomicU64::new(0),
        noon: (now_ns, Instant::now()),
    };
    let resource = Resource { instance: hex::encode(instance) };
    (tracer, Deliverer::new(settings.endpoint, resource, spans, meters))
}

impl Tracer {
    /// A span begins. Puts the trace's id among what lines of the log tell of it, so that they lead to the trace.
    pub(super) fn begin<'s, S: LookupSpan<'s>>(
        &self,
        span: &SpanRef<'s, S>,
        attributes: &Attributes<'_>,
        line: &mut line::Fields,
    ) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let said = match fields.take(PARENT) {
            Some(Value::Text(text)) => Parent::parse(&text),
            _ => None,
        };
        let above = span.parent().and_then(|above| {
            let above = above.extensions();
            above.get::<Traced>().map(|above| (above.trace, above.span, above.sampled))
        });
        let (trace, parent, sampled) = match (above, said) {
            (Some((trace, parent, sampled)), _) => (trace, Some(parent), sampled),
            (None, Some(said)) => (said.trace, Some(said.span), said.sampled),
            (None, None) => {
                let trace = u128::from(self.draw()) << 64 | u128::from(self.draw());
                (trace, None, self.draw() % 100 < u64::from(self.percent))
            }
        };
        if above.is_none() && sampled {
            line.text("trace", &format!("{trace:032x}"));
        }
        let traced = Traced { trace, span: self.draw(), parent, begun: Instant::now(), sampled, fields };
        span.extensions_mut().insert(traced);
    }

    /// More is known of a span.
    pub(super) fn record<'s, S: LookupSpan<'s>>(&self, span: &SpanRef<'s, S>, values: &Record<'_>) {
        if let Some(traced) = span.extensions_mut().get_mut::<Traced>() {
            values.record(&mut traced.fields);
        }
    }

    /// A span has ended.
    pub(super) fn end<'s, S: LookupSpan<'s>>(&self, span: &SpanRef<'s, S>) {
        let known = span.extensions();
        let Some(traced) = known.get::<Traced>().filter(|traced| traced.sampled) else { return };
        let ended = Ended {
            name: span.metadata().name(),
            trace: traced.trace,
            span: traced.span,
            parent: traced.parent,
            begun_ns: self.ns(traced.begun),
            ended_ns: self.ns(Instant::now()),
            fields: traced.fields.iter().map(|(name, value)| (name, value.clone())).collect(),
        };
        if self.queue.try_send(ended).is_err() {
            self.meters.dropped.one();
        }
    }

    fn ns(&self, at: Instant) -> u128 {
        let (wall, instant) = self.noon;
        wall + at.saturating_duration_since(instant).as_nanos()
    }

    /// A number that no other span has; not one that nobody could foresee. SplitMix64, never 0.
    fn draw(&self) -> u64 {
        let turn = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut mixed = self.seed.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    }
}
