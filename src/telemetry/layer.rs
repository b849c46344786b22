//! What hears events and spans, and tells them.

use super::{
    Settings,
    line::{self, Fields},
};
use crate::base::Clock;
use std::{cell::RefCell, sync::Arc};
use tracing::{
    Event, Level, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Where lines go.
pub type Sink = Box<dyn Fn(&[u8]) + Send + Sync>;

/// How the targets of this program's own events begin.
const OWN: &str = "yinxin";

/// Hears everything that the program says while it works, and tells what the settings ask for.
pub struct Telemetry {
    settings: Settings,
    clock: Arc<dyn Clock>,
    sink: Sink,
    #[cfg(feature = "otel")]
    traces: Option<super::trace::Tracer>,
}

impl Telemetry {
    /// Tells lines to `sink`.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, sink: Sink) -> Self {
        Self {
            settings,
            clock,
            sink,
            #[cfg(feature = "otel")]
            traces: None,
        }
    }

    /// Hands spans over as well.
    #[cfg(feature = "otel")]
    pub fn tracing_to(self, tracer: super::trace::Tracer) -> Self {
        Self { traces: Some(tracer), ..self }
    }

    fn traces(&self) -> bool {
        #[cfg(feature = "otel")]
        return self.traces.is_some();
        #[cfg(not(feature = "otel"))]
        false
    }

    fn wants(&self, of: &Metadata<'_>) -> bool {
        let (own, told) = (of.target().starts_with(OWN), *of.level() <= self.settings.level);
        match of.is_span() {
            true => own && (told || (self.traces() && *of.level() <= Level::DEBUG)),
            // Others' finer events may hold statements and values.
            false => told && (own || *of.level() <= Level::WARN),
        }
    }

    fn tell<S>(&self, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        thread_local! {
            static DESK: RefCell<Option<(Fields, String)>> = const { RefCell::new(None) };
        }
        let format = self.settings.format;
        // Inside its own sink nobody tells anything; should it happen, the line is left out rather than the thread lost.
        let _ = DESK.try_with(|desk| {
            let Ok(mut desk) = desk.try_borrow_mut() else { return };
            let (fields, out) = desk.get_or_insert_with(|| (Fields::new(format), String::new()));
            fields.clear();
            out.clear();
            event.record(fields);
            let of = event.metadata();
            line::begin(out, self.clock.now(), *of.level(), &name_of(of), fields);
            for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
                if let Some(known) = span.extensions().get::<Fields>() {
                    line::add(out, known);
                }
            }
            line::add(out, fields);
            line::end(out, format);
            (self.sink)(out.as_bytes());
        });
    }
}

/// The name that an event was given; where it has none, where it comes from.
fn name_of(of: &Metadata<'static>) -> std::borrow::Cow<'static, str> {
    match of.name() {
        // What the macros put where no name is given: `event src/file.rs:1`.
        unnamed if unnamed.starts_with("event ") => of.target().replace("::", ".").into(),
        name => name.into(),
    }
}

impl<S> Layer<S> for Telemetry
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn register_callsite(&self, of: &'static Metadata<'static>) -> Interest {
        if self.wants(of) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, of: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(of)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let finest = if self.traces() { self.settings.level.max(Level::DEBUG) } else { self.settings.level };
        Some(LevelFilter::from_level(finest))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::new(self.settings.format);
        #[cfg(feature = "otel")]
        if let Some(tracer) = &self.traces {
            tracer.begin(&span, attributes, &mut fields);
        }
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        #[cfg(feature = "otel")]
        if let Some(tracer) = &self.traces {
            tracer.record(&span, values);
        }
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.tell(event, &context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        #[cfg(feature = "otel")]
        if let (Some(tracer), Some(span)) = (&self.traces, context.span(&id)) {
            tracer.end(&span);
        }
        #[cfg(not(feature = "otel"))]
        let _ = (id, context);
    }
}
