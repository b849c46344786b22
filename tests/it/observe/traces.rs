//! Spans arrive at a collector: a real one of a few lines in this process, which reads OTLP as JSON.

use crate::support::process::Place;
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Takes deliveries, and keeps their spans.
pub struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let spans = Arc::<Mutex<Vec<Value>>>::default();
        let keep = spans.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                keep.lock().unwrap().extend(delivery(stream));
            }
        });
        Self { address, spans }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Value> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits for a span that fits.
    fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let asked = Instant::now();
        loop {
            if let Some(found) = self.spans.lock().unwrap().iter().find(|span| fits(span)) {
                return found.clone();
            }
            assert!(asked.elapsed() < Duration::from_secs(30), "{:#?}", self.spans.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reads one delivery as the protocol says, and answers it.
fn delivery(mut stream: TcpStream) -> Vec<Value> {
    let (mut all, mut part) = (Vec::new(), [0; 65536]);
    let body = loop {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "cut off");
        all.extend_from_slice(&part[..read]);
        let Some(end) = all.windows(4).position(|octets| octets == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
        assert!(
            head.starts_with("post /v1/traces http/1.1") && head.contains("content-type: application/json")
        );
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let length: usize = length.parse().unwrap();
        if all.len() >= end + 4 + length {
            break all[end + 4..end + 4 + length].to_vec();
        }
    };
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(answer.as_bytes()).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let resource = &body["resourceSpans"][0];
    let about = resource["resource"]["attributes"].to_string();
    assert!(about.contains("service.name") && about.contains("yinxin"), "{about}");
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap().clone();
    spans.iter().for_each(check);
    spans
}

/// What the protocol demands of every span.
fn check(span: &Value) {
    let hex = |name: &str, length: usize| {
        let text = span[name].as_str().unwrap_or_default();
        assert!(text.len() == length && text.bytes().all(|octet| octet.is_ascii_hexdigit()), "{span}");
    };
    hex("traceId", 32);
    hex("spanId", 16);
    let ns = |name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
    assert!(ns("startTimeUnixNano") <= ns("endTimeUnixNano"), "{span}");
    // This century, and not in milliseconds by mistake.
    assert_eq!(span["startTimeUnixNano"].as_str().unwrap().len(), 19, "{span}");
    assert!(!span.to_string().contains("traceparent"));
}

fn attribute<'s>(span: &'s Value, name: &str) -> &'s Value {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == name);
    found.map_or(&Value::Null, |attribute| &attribute["value"])
}

#[test]
fn a_request_is_followed_from_the_door_to_the_database_and_the_signer() {
    let (collector, place) = (Collector::start(), Place::initialised());
    let daemon = place.serve_with(&[
        ("YINXIN_TRACE_ENDPOINT", &collector.endpoint()),
        ("YINXIN_TRACE_PERCENT", "100"),
        ("YINXIN_LOG_FORMAT", "json"),
    ]);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let query = [0x30, 0x02, 0x05, 0x00];
    let headers = format!("Content-Type: application/timestamp-query\r\nTraceparent: {parent}\r\n");
    assert_eq!(daemon.exchange("POST", "/tsa", &headers, &query).0, 200);
    let request = collector.wait_for(|span| span["parentSpanId"] == "b7ad6b7169203331");
    assert_eq!(request["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((&request["name"], &request["kind"]), (&"request".into(), &2.into()));
    assert_eq!(attribute(&request, "http.route")["stringValue"], "/tsa");
    assert_eq!(attribute(&request, "http.request.method")["stringValue"], "POST");
    assert_eq!(attribute(&request, "http.response.status_code")["intValue"], "200");
    let command = collector.wait_for(|span| span["parentSpanId"] == request["spanId"]);
    assert_eq!(command["name"], "command");
    assert_eq!(attribute(&command, "yinxin.command")["stringValue"], "timeStamp");
    // The log leads to the trace.
    let line = daemon.wait_for("\"trace\":\"0af7651916cd43dd8448eb211c80319c\"");
    assert!(line.contains("\"route\":\"/tsa\""), "{line}");

    // By commands: a seal is made and a document stamped, which writes and signs.
    let sealed = place.sealed();
    place.good(sealed.stamp(&place.file("stamped.pdf")));
    let stamping = collector.wait_for(|span| attribute(span, "yinxin.command")["stringValue"] == "stampPdf");
    for name in ["store.write", "store.read", "sign"] {
        let inner =
            collector.wait_for(|span| span["name"] == name && span["parentSpanId"] == stamping["spanId"]);
        assert_eq!(inner["traceId"], stamping["traceId"], "{name}");
    }
    // A caller who does not keep its spans has ours not kept either; what is no traceparent is none.
    let unkept = parent.replace("-01", "-00").replace("b7ad", "aaaa");
    daemon.exchange("GET", "/healthz", &format!("traceparent: {unkept}\r\n"), b"");
    daemon.exchange("GET", "/healthz", "traceparent: 13800138000\r\n", b"");
    let health = collector.wait_for(|span| attribute(span, "http.route")["stringValue"] == "/healthz");
    assert_eq!(health["parentSpanId"], Value::Null);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    let all = format!("{:?}", collector.spans.lock().unwrap());
    assert!(!all.contains("aaaa6b7169203331") && !all.contains("13800138000"));
}

#[test]
fn a_collector_that_is_away_or_hangs_costs_spans_and_nothing_else() {
    let place = Place::initialised();
    // Takes connections, and answers none.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let daemon = place.serve_with(&[("YINXIN_TRACE_ENDPOINT", &endpoint), ("YINXIN_TRACE_PERCENT", "100")]);
    let begun = Instant::now();
    for _ in 0..3_000 {
        assert_eq!(daemon.exchange("GET", "/healthz", "", b"").0, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    // More spans than the queue has room for: the rest is dropped and counted.
    let key = std::fs::read_to_string(place.key("system_administrator")).unwrap();
    let authorization = format!("Authorization: Bearer {key}\r\n");
    let dropped = |daemon: &crate::support::process::Daemon| {
        let (status, page) = daemon.exchange("GET", "/metrics", &authorization, b"");
        assert_eq!(status, 200);
        let line = page.lines().find_map(|line| line.strip_prefix("yinxin_trace_spans_dropped_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    daemon.wait_for("trace.not_delivered");
    assert!(dropped(&daemon) > 0);
    daemon.signal(rustix::process::Signal::TERM);
    let asked = Instant::now();
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(30), "an orderly stop waits for no collector");
}

/// Without an endpoint nothing is followed, and what a caller sends stays out of the log.
#[test]
fn without_a_collector_a_traceparent_is_passed_over() {
    let place = Place::initialised();
    let daemon = place.serve();
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    assert_eq!(daemon.exchange("GET", "/healthz", parent, b"").0, 200);
    let log = daemon.wait_for("route=/healthz");
    assert!(!log.contains("0af7651916cd43dd") && !log.contains("traceparent"), "{log}");
}
