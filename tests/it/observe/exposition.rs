//! A strict reader of Prometheus's text format, stricter than Prometheus where house rules are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write as _,
    process::{Command, Stdio},
};

/// Metrics as read: samples by name with labels, as written.
#[derive(Debug, Default)]
pub struct Metrics {
    pub samples: BTreeMap<String, f64>,
    /// Families in the order of the page: name, type, what it means.
    pub families: Vec<[String; 3]>,
}

impl Metrics {
    /// The labels that samples of a family carry.
    pub fn labels(&self, family: &str) -> BTreeSet<String> {
        let series = self.samples.keys().map(|series| parts(series));
        let ours = series.filter(|(name, _)| {
            name.strip_prefix(family).is_some_and(|end| ["", "_bucket", "_sum", "_count"].contains(&end))
        });
        ours.flat_map(|(_, labels)| labels).map(|(name, _)| name).filter(|name| name != "le").collect()
    }

    /// The value of one sample, `name{label="value"}`.
    pub fn of(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no sample {sample}"))
    }
}

/// Reads a page; panics at the first thing that is not as it should be.
pub fn read(page: &str) -> Metrics {
    assert!(page.ends_with('\n'), "the last line has no end");
    let mut metrics = Metrics::default();
    let (mut family, mut kind, mut seen) = (String::new(), String::new(), BTreeSet::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, says) = help.split_once(' ').expect("a sentence");
            assert!(says.ends_with('.') && says.len() > 10, "{name} is not explained: {says}");
            assert!(seen.insert(name.to_owned()), "{name} stands twice");
            let declared = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type");
            (family, kind) = declared.split_once(' ').map(|(n, k)| (n.to_owned(), k.to_owned())).unwrap();
            assert_eq!(family, name);
            check_name(&family, &kind);
            metrics.families.push([family.clone(), kind.clone(), says.to_owned()]);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let (name, labels) = parts(series);
        let ending = name.strip_prefix(&family).unwrap_or_else(|| panic!("{name} stands under {family}"));
        let allowed: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(allowed.contains(&ending), "{series} under {family}, a {kind}");
        assert!(kind == "gauge" || value >= 0.0, "{line}");
        labels.iter().for_each(|(_, value)| check_label(value));
        assert!(metrics.samples.insert(series.to_owned(), value).is_none(), "{series} stands twice");
    }
    check_histograms(&metrics);
    assert!(metrics.samples.len() < 3_000, "{} samples are many", metrics.samples.len());
    metrics
}

/// Prometheus's rules for names, and the units that its conventions name.
fn check_name(name: &str, kind: &str) {
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_';
    assert!(name.bytes().all(plain), "{name}");
    assert!(name.starts_with("yinxin_") || name.starts_with("process_"), "{name}");
    assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    for unit in ["_ms", "_us", "_millis", "_minutes", "_mb", "_kib", "_percent"] {
        assert!(!name.contains(unit), "{name}: base units only");
    }
}

/// Words of the program: no id, no address, nothing that a caller wrote.
fn check_label(value: &str) {
    let id = value.split_once('_').is_some_and(|(_, body)| body.len() == 26 && !body.contains('_'));
    assert!(!id, "{value} is an id");
    assert!(value.parse::<std::net::IpAddr>().is_err(), "{value} is an address");
    assert!(value.is_ascii() && value.len() <= 64, "{value}");
}

/// The name, and the labels with their values.
fn parts(series: &str) -> (&str, Vec<(String, String)>) {
    let Some((name, rest)) = series.split_once('{') else { return (series, Vec::new()) };
    let inside = rest.strip_suffix('}').expect("a closing brace");
    // None of ours holds a comma or an escape; the writer's own test has them.
    let labels = inside.split(',').map(|label| {
        let (name, value) = label.split_once('=').expect("a label");
        assert!(name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'), "{name}");
        (name.to_owned(), value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap().to_owned())
    });
    (name, labels.collect())
}

/// Ranges add up, end at infinity, and agree with the count.
fn check_histograms(metrics: &Metrics) {
    let mut spreads: HashMap<(String, String), Vec<(f64, f64)>> = HashMap::new();
    for (series, value) in &metrics.samples {
        let (name, labels) = parts(series);
        let Some(name) = name.strip_suffix("_bucket") else { continue };
        let (bound, others): (Vec<_>, Vec<_>) = labels.into_iter().partition(|(name, _)| name == "le");
        let bound = if bound[0].1 == "+Inf" { f64::INFINITY } else { bound[0].1.parse().unwrap() };
        let others: Vec<_> = others.into_iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        spreads.entry((name.to_owned(), others.join(","))).or_default().push((bound, *value));
    }
    for ((name, labels), mut ranges) in spreads {
        ranges.sort_by(|one, two| one.0.total_cmp(&two.0));
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name}{{{labels}}}: {ranges:?}");
        let last = ranges.last().unwrap();
        assert_eq!(last.0, f64::INFINITY, "{name}");
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        assert_eq!(metrics.of(&format!("{name}_count{braces}")), last.1, "{name}");
        assert!(metrics.of(&format!("{name}_sum{braces}")) >= 0.0);
    }
}

/// Has Prometheus's own parser (the Python client's) read a page: the samples that it found, or `None` where it is not
/// installed, said aloud.
pub fn read_by_prometheus(page: &str) -> Option<usize> {
    const SCRIPT: &str = "import sys\n\
        from prometheus_client.parser import text_string_to_metric_families as parse\n\
        families = list(parse(sys.stdin.read()))\n\
        assert all(family.documentation and family.type != 'unknown' for family in families), 'no help or type'\n\
        print(sum(len(family.samples) for family in families))";
    let child = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        crate::support::databases::say_skipped("Prometheus's parser: there is no python3");
        return None;
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("ModuleNotFoundError") {
        crate::support::databases::say_skipped("Prometheus's parser: pip install prometheus_client");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(String::from_utf8_lossy(&output.stdout).trim().parse().unwrap())
}
