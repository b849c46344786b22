//! Panics, told where they happened and not what they said: a message may quote what was being worked on, as the standard
//! library does when a text is cut in the middle of a character.

use std::{backtrace::Backtrace, backtrace::BacktraceStatus, panic};

/// Tells panics as events, `panic.caught`, instead of printing their message. A message that is a literal of the source is
/// told; one that was put together from values is withheld. With `RUST_BACKTRACE=1` the names of the functions are told too.
pub fn tell_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let said = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(withheld)");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        let trace = Backtrace::capture();
        if tracing::dispatcher::has_been_set() {
            match trace.status() {
                BacktraceStatus::Captured => {
                    tracing::error!(name: "panic.caught", place, said, thread, %trace, "a defect: code panicked");
                }
                _ => tracing::error!(name: "panic.caught", place, said, thread, "a defect: code panicked"),
            }
        } else {
            eprintln!("yinxin: a defect: code panicked at {place}: {said}");
        }
    }));
}
