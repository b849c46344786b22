//! The text format that Prometheus reads (exposition format 0.0.4): families of samples, each with what it means.
//!
//! Written by hand: rooms count in plain numbers (`base/meter.rs`), so a library would bring its own counters for the
//! sake of these few lines. Tests have it read back by Prometheus's own parser.

use crate::base::meter::Spread;
use std::fmt::{Display, Write as _};

/// Its media type.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics, being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// One metric of the page: samples under one name.
#[derive(Debug)]
pub(super) struct Family<'p> {
    page: &'p mut String,
    name: &'static str,
}

/// What a sample is about. Values are words of the program, never ids or addresses.
pub(super) type Labels<'l> = &'l [(&'static str, &'l str)];

impl Page {
    /// What only ever grows; the name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        debug_assert!(name.ends_with("_total"), "{name}");
        self.family(name, "counter", help)
    }

    /// What goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// How values are spread.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    /// The whole page.
    pub fn finish(self) -> String {
        self.0
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { page: &mut self.0, name }
    }
}

impl Family<'_> {
    /// One sample.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// The only sample, without labels.
    pub fn is(mut self, value: impl Display) {
        self.sample(&[], value);
    }

    /// A spread of microseconds, told in seconds.
    pub fn times(&mut self, labels: Labels<'_>, spread: &Spread) {
        self.spread(labels, spread, 1e-6);
    }

    /// A spread of plain numbers.
    pub fn numbers(&mut self, labels: Labels<'_>, spread: &Spread) {
        self.spread(labels, spread, 1.0);
    }

    fn spread(&mut self, labels: Labels<'_>, spread: &Spread, unit: f64) {
        let mut below = 0;
        for (bound, count) in spread.bounds.iter().zip(&spread.counts) {
            below += count;
            self.line("_bucket", labels, Some(&rounded(*bound, unit)), below);
        }
        let all: u64 = spread.counts.iter().sum();
        self.line("_bucket", labels, Some("+Inf"), all);
        self.line("_sum", labels, None, rounded(spread.sum, unit));
        self.line("_count", labels, None, all);
    }

    fn line(&mut self, ending: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let _ = write!(self.page, "{}{ending}", self.name);
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut open = '{';
        for (name, value) in all {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.page, "{open}{name}=\"{value}\"");
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        let _ = writeln!(self.page, "{close} {value}");
    }
}

/// In its unit, without the noise behind the sixth digit that floating point adds.
fn rounded(value: u64, unit: f64) -> String {
    let text = format!("{:.6}", value as f64 * unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::meter::Histogram;

    #[test]
    fn families_are_written_as_the_format_says() {
        let mut page = Page::default();
        let mut family = page.counter("x_total", "How \\ often.\nReally.");
        family.sample(&[("reason", "a \"b\" \\ \n"), ("other", "c")], 3);
        page.gauge("y", "Now.").is(-2);
        let times = Histogram::new(&[100, 2_500_000]);
        times.note(7);
        times.note(3_000_000);
        page.histogram("z_seconds", "How long.").times(&[("route", "/a/{b}")], &times.spread());
        let wanted = r##"# HELP x_total How \\ often.\nReally.
# TYPE x_total counter
x_total{reason="a \"b\" \\ \n",other="c"} 3
# HELP y Now.
# TYPE y gauge
y -2
# HELP z_seconds How long.
# TYPE z_seconds histogram
z_seconds_bucket{route="/a/{b}",le="0.0001"} 1
z_seconds_bucket{route="/a/{b}",le="2.5"} 1
z_seconds_bucket{route="/a/{b}",le="+Inf"} 2
z_seconds_sum{route="/a/{b}"} 3.000007
z_seconds_count{route="/a/{b}"} 2
"##;
        assert_eq!(page.finish(), wanted);
    }
}
