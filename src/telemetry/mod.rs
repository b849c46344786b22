//! What the daemon tells while it works: one line an event on standard error; and, with the feature `otel`, spans to a
//! collector.
//!
//! Nothing personal and nothing secret is told. Events carry ids, counts, codes, names of routes and of the program's own
//! parts; never paths as they were typed, queries, bodies, addresses or names. What other people's libraries say is heard
//! only as warnings: at finer levels they may tell statements and values.
//!
//! Events have names (`store.halted`), written at each place as `tracing::warn!(name: "…", …)`; a test sees to it.

mod layer;
mod line;
mod panics;
#[cfg(feature = "otel")]
pub mod trace;

pub use layer::{Sink, Telemetry};
pub use panics::tell_panics;

use crate::base::Clock;
use std::{
    io::{self, Write as _},
    sync::Arc,
};
use tracing::Level;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What is told, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How a line is written.
    pub format: Format,
    /// The finest level that is told.
    pub level: Level,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: `instant LEVEL event sentence field=value …`.
    #[default]
    Text,
    /// For programs: an object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: Format::Text, level: Level::INFO }
    }
}

impl Settings {
    /// Words of `log.format`, in the order of [`Format`].
    pub const FORMATS: &'static [&'static str] = &["text", "json"];
    /// Words of `log.level`, from the quietest on.
    pub const LEVELS: &'static [&'static str] = &["error", "warn", "info", "debug", "trace"];

    /// Settings by their words; `None` where one is none.
    pub fn of_words(format: &str, level: &str) -> Option<Self> {
        let format = match format {
            "text" => Format::Text,
            "json" => Format::Json,
            _ => return None,
        };
        Some(Self { format, level: level.parse().ok().filter(|_| Self::LEVELS.contains(&level))? })
    }
}

/// What tells, under way; told to end when the program ends.
#[derive(Default)]
pub struct Running {
    #[cfg(feature = "otel")]
    deliverer: Option<trace::Deliverer>,
    #[cfg(feature = "otel")]
    delivery: Option<Delivery>,
}

#[cfg(feature = "otel")]
struct Delivery {
    stop: tokio::sync::watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    meters: Arc<trace::Meters>,
}

/// Tells on standard error from now on. Only the first call of a process counts.
pub fn start(settings: Settings, clock: Arc<dyn Clock>) -> Running {
    set(standard_error(settings, clock));
    Running::default()
}

/// The same, and follows spans, which wait for [`Running::deliver`].
#[cfg(feature = "otel")]
pub fn start_tracing(
    settings: Settings,
    traces: trace::Settings,
    clock: Arc<dyn Clock>,
    entropy: &dyn crate::base::Entropy,
) -> Running {
    let (tracer, deliverer) = trace::start(traces, &*clock, entropy);
    set(standard_error(settings, clock).tracing_to(tracer));
    Running { deliverer: Some(deliverer), delivery: None }
}

impl Running {
    /// Begins to deliver spans, where there are any; inside a runtime.
    #[must_use]
    pub fn deliver(self) -> Self {
        #[cfg(feature = "otel")]
        if let Some(deliverer) = self.deliverer {
            let (stop, stopped) = tokio::sync::watch::channel(false);
            let meters = deliverer.meters().clone();
            let task = tokio::spawn(deliverer.run(stopped));
            return Self { deliverer: None, delivery: Some(Delivery { stop, task, meters }) };
        }
        self
    }

    /// What is counted of spans; `None` where none are delivered.
    #[cfg(feature = "otel")]
    pub fn traces(&self) -> Option<Arc<trace::Meters>> {
        self.delivery.as_ref().map(|delivery| delivery.meters.clone())
    }

    /// Delivers what is left, within bounds.
    pub async fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(Delivery { stop, task, .. }) = self.delivery {
            // Gone already where it has ended by itself.
            let _ = stop.send(true);
            let _ = tokio::time::timeout(std::time::Duration::from_secs(5), task).await;
        }
    }
}

/// Standard error, a line with one write.
fn standard_error(settings: Settings, clock: Arc<dyn Clock>) -> Telemetry {
    // Nobody is left to be told where standard error is closed.
    Telemetry::new(settings, clock, Box::new(|line| drop(io::stderr().lock().write_all(line))))
}

fn set(telemetry: Telemetry) {
    // A second call finds a teller in place, which is as well.
    let _ = tracing_subscriber::registry().with(telemetry).try_init();
}
