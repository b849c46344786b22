//! `/metrics`: what the rooms counted, in the words of Prometheus.
//!
//! Nothing is asked of the database here: a monitor that waits for a hanging database would see nothing at the very
//! moment when there is something to see. What only the database knows is looked at beside the requests (`vitals.rs`).

mod exposition;
mod process;

use super::{App, vitals::Vitals};
use crate::{
    authority::Authority,
    base::{
        Timestamp,
        meter::{Histogram, Tally},
    },
    http::{self, Access, Gives, Load, Operation, Route, health::READERS},
    job,
    keys::SigningPool,
    seal::SealService,
    store::Store,
    verification::service::Verifications,
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use exposition::{MEDIA_TYPE, Page};
use std::{fs, sync::Arc};

/// Where the page is.
const PATH: &str = "/metrics";

/// All that is read.
#[derive(Clone)]
struct Readings(Arc<Parts>);

struct Parts {
    door: Arc<http::Meters>,
    limits: http::Limits,
    store: Store,
    pool: Arc<SigningPool>,
    jobs: Arc<job::Meters>,
    seals: SealService,
    authority: Authority,
    verifications: Verifications,
    vitals: Vitals,
    #[cfg(feature = "otel")]
    traces: Option<Arc<crate::telemetry::trace::Meters>>,
}

/// The one route.
pub(super) fn routes(app: &App) -> Vec<Route> {
    let readings = Readings(Arc::new(Parts {
        door: app.door.clone(),
        limits: app.limits,
        store: app.store.clone(),
        pool: app.pool.clone(),
        jobs: app.background.jobs().clone(),
        seals: app.seals.clone(),
        authority: app.authority.clone(),
        verifications: app.verifications.clone(),
        vitals: app.vitals.clone(),
        #[cfg(feature = "otel")]
        traces: app.traces.clone(),
    }));
    vec![
        Operation::get(
            Access::LocalOrOneOf(READERS),
            PATH,
            "readMetrics",
            "Metrics in the text format of Prometheus; also over the UNIX socket, without a key.",
        )
        .gives(200, Gives::Bytes("text/plain"))
        .on_administration()
        .while_held()
        .handled_by(readings, read),
    ]
}

async fn read(State(readings): State<Readings>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], readings.0.page()).into_response()
}

impl Parts {
    fn page(&self) -> String {
        let mut page = Page::default();
        self.build(&mut page);
        self.door(&mut page);
        self.store(&mut page);
        self.pool(&mut page);
        self.audit(&mut page);
        self.jobs(&mut page);
        self.rooms(&mut page);
        self.periods(&mut page);
        self.machine(&mut page);
        #[cfg(feature = "otel")]
        self.traces(&mut page);
        process::write(&mut page);
        page.finish()
    }

    fn build(&self, page: &mut Page) {
        page.gauge("yinxin_build_info", "Always 1: which release this is, and on which database.")
            .sample(&[("version", env!("CARGO_PKG_VERSION")), ("database", self.store.engine_name())], 1);
    }

    fn door(&self, page: &mut Page) {
        let (door, routes) = (&self.door, self.door.routes());
        let mut family = page.counter(
            "yinxin_http_requests_total",
            "Requests by route and by the class of the answer's status; `dropped` where the client went away first.",
        );
        for route in &routes {
            let labels =
                |answer| [("route", named(route.path)), ("method", named(&route.method)), ("status", answer)];
            for (answer, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(&route.answers) {
                if count.value() > 0 || answer == "2xx" {
                    family.sample(&labels(answer), count.value());
                }
            }
            if route.dropped.value() > 0 {
                family.sample(&labels("dropped"), route.dropped.value());
            }
        }
        let mut family = page.histogram(
            "yinxin_http_request_duration_seconds",
            "From a request's head to the answer's head, by route; routes that were asked for at least once.",
        );
        for route in &routes {
            let spread = route.took_us.spread();
            if spread.counts.iter().any(|&count| count > 0) {
                family.times(&[("route", named(route.path)), ("method", named(&route.method))], &spread);
            }
        }
        tally(
            page,
            "yinxin_http_problems_total",
            "Failed requests by the code of the error catalogue (`service/busy`, `request/too-many` …).",
            "code",
            &door.problems,
        );
        page.counter("yinxin_http_panics_total", "Requests whose handler panicked: a defect.")
            .is(door.panics.value());
        let mut family =
            page.gauge("yinxin_http_requests_in_flight", "Requests worked on now, by how much they take.");
        for load in Load::ALL {
            family.sample(&[("load", load.name())], door.under_way[load as usize].value());
        }
        let mut family =
            page.gauge("yinxin_http_requests_in_flight_limit", "Requests worked on at a time at the most.");
        let limits = &self.limits;
        for (load, most) in [
            (Load::Read, limits.light_requests),
            (Load::Write, limits.light_requests),
            (Load::Stamp, limits.stamp_requests),
            (Load::Heavy, limits.heavy_requests),
        ] {
            family.sample(&[("load", load.name())], most);
        }
        page.counter("yinxin_http_connections_total", "Connections taken.").is(door.connected.value());
        page.counter(
            "yinxin_http_connections_unmade_total",
            "Connections that came to nothing: their TLS handshake failed, or took too long.",
        )
        .is(door.unmade.value());
        page.gauge("yinxin_http_connections", "Connections open now, those of the UNIX socket left out.")
            .is(door.connections.value());
        page.gauge(
            "yinxin_http_connections_limit",
            "Connections open at a time at the most, on each listener.",
        )
        .is(self.limits.connections);
    }

    fn store(&self, page: &mut Page) {
        let (store, meters) = (&self.store, self.store.meters());
        page.counter("yinxin_store_writes_total", "Writes that are durable and were acknowledged.")
            .is(meters.writes.value());
        page.counter("yinxin_store_reads_total", "Reads begun.").is(meters.reads.value());
        tally(
            page,
            "yinxin_store_failures_total",
            "Reads and writes that failed: busy, deadline, lost, unknown (a commit that was not confirmed), full, halted and others.",
            "reason",
            &meters.failures,
        );
        page.gauge("yinxin_store_writers_waiting", "Writers that wait for their turn or a connection.")
            .is(meters.waiting.value());
        times(
            page,
            "yinxin_store_write_wait_seconds",
            "How long writers waited for their turn or a connection.",
            &meters.wait_us,
        );
        times(
            page,
            "yinxin_store_commit_duration_seconds",
            "How long a commit took: above all the disk's sync.",
            &meters.commit_us,
        );
        page.histogram("yinxin_store_commit_writes", "How many writes one commit made durable.")
            .numbers(&[], &meters.batch.spread());
        page.gauge(
            "yinxin_store_halted",
            "1 where this process takes no more writes and must be started again.",
        )
        .is(u8::from(store.is_halted()));
        let connections = store.connections();
        let mut family =
            page.gauge("yinxin_store_connections", "Connections to the database (readers, on SQLite).");
        family.sample(&[("state", "used")], connections.open.saturating_sub(connections.idle));
        family.sample(&[("state", "idle")], connections.idle);
        page.gauge(
            "yinxin_store_commits_hung",
            "Commits on PostgreSQL whose answer is late; each keeps a connection.",
        )
        .is(connections.hung);
        page.gauge("yinxin_store_connections_limit", "Connections to the database at the most.")
            .is(connections.most);
    }

    fn pool(&self, page: &mut Page) {
        let (size, meters) = (self.pool.size(), self.pool.meters());
        page.gauge("yinxin_signing_threads", "Threads of the signing pool.").is(size.threads);
        page.gauge("yinxin_signing_threads_busy", "Threads that sign now.").is(meters.working.value());
        page.gauge("yinxin_signing_queue", "Signatures that wait for a thread.").is(meters.waiting.value());
        page.gauge("yinxin_signing_queue_limit", "Signatures that may wait; more are refused.")
            .is(size.queue);
        tally(
            page,
            "yinxin_signatures_total",
            "Signatures asked for: done, failed, busy (the queue was full), late (no longer waited for), fault.",
            "outcome",
            &meters.ends,
        );
        times(
            page,
            "yinxin_signing_wait_seconds",
            "How long signatures waited for a thread.",
            &meters.wait_us,
        );
        times(page, "yinxin_signing_duration_seconds", "How long signers took.", &meters.work_us);
    }

    fn audit(&self, page: &mut Page) {
        let chain = &self.vitals.parts().chain;
        page.counter("yinxin_audit_records_chained_total", "Audit records chained by this node.")
            .is(chain.chained.value());
        page.counter("yinxin_audit_chain_failures_total", "Steps of the chain that did not succeed.")
            .is(chain.failures.value());
        page.gauge("yinxin_audit_stopped", "1 where records are no longer chained: see to it.")
            .is(chain.stopped.value());
        page.gauge("yinxin_audit_signed_records", "Up to which record the chain's newest head is signed.")
            .is(chain.signed_seq.value());
        instant(
            page,
            "yinxin_audit_step_timestamp_seconds",
            "When the chain was last looked after; twice a second.",
            chain.stepped_at(),
        );
        instant(
            page,
            "yinxin_audit_head_timestamp_seconds",
            "When the newest head of the chain was signed.",
            chain.signed_at(),
        );
        if let Some(waiting) = self.vitals.seen().unchained {
            page.gauge("yinxin_audit_records_waiting", "Audit records that wait to be chained.").is(waiting);
        }
    }

    fn jobs(&self, page: &mut Page) {
        let seen = self.vitals.seen();
        if let Some(line) = seen.line {
            let mut family =
                page.gauge("yinxin_jobs", "Jobs of the outbox by state; failed ones were given up.");
            family.sample(&[("state", "waiting")], line.waiting);
            family.sample(&[("state", "running")], line.running);
            family.sample(&[("state", "failed")], line.failed);
            // Without a waiting job nothing is due: now stands for it, so that `time() - x` is near zero.
            let due = line.first_due.or(seen.at);
            instant(
                page,
                "yinxin_jobs_first_due_timestamp_seconds",
                "When the first waiting job is or was due.",
                due,
            );
        }
        let kinds = self.jobs.kinds();
        let mut family = page.counter("yinxin_job_attempts_total", "Attempts at jobs by kind and outcome.");
        for (kind, ends) in &kinds {
            for (outcome, count) in
                [("done", &ends.done), ("retried", &ends.retried), ("failed", &ends.failed)]
            {
                family.sample(&[("kind", kind), ("outcome", outcome)], count.value());
            }
        }
        let mut family = page.histogram("yinxin_job_duration_seconds", "How long attempts at jobs took.");
        for (kind, ends) in &kinds {
            family.times(&[("kind", kind)], &ends.took_us.spread());
        }
    }

    fn rooms(&self, page: &mut Page) {
        let (seals, verifications) = (self.seals.meters(), self.verifications.meters());
        page.counter("yinxin_stamps_total", "Stamps made, recorded and handed out.")
            .is(seals.stamped.value());
        tally(
            page,
            "yinxin_stamps_refused_total",
            "Stamps that a rule refused, by the code of the error catalogue.",
            "code",
            &seals.refused,
        );
        tally(
            page,
            "yinxin_stamps_failed_total",
            "Stamps begun that came to nothing, by the code of the error catalogue.",
            "code",
            &seals.failed,
        );
        tally(
            page,
            "yinxin_time_stamps_total",
            "Answers of the time-stamp authority: granted, rejected (the request's fault), failed (ours).",
            "outcome",
            &self.authority.meters().time_stamps,
        );
        tally(
            page,
            "yinxin_verifications_total",
            "Documents judged, by verdict.",
            "verdict",
            &verifications.verdicts,
        );
        tally(
            page,
            "yinxin_verifications_unanswered_total",
            "Documents that got no verdict: busy, broken.",
            "reason",
            &verifications.unanswered,
        );
        times(
            page,
            "yinxin_verification_duration_seconds",
            "How long judging a document took.",
            &verifications.judged_us,
        );
        page.gauge("yinxin_verifications_in_flight", "Documents judged now.")
            .is(verifications.at_work.value());
        page.gauge("yinxin_verifications_in_flight_limit", "Documents judged at a time at the most.")
            .is(self.limits.heavy_requests);
    }

    fn periods(&self, page: &mut Page) {
        let Some(slow) = self.vitals.seen().slow else { return };
        let mut family = page.gauge(
            "yinxin_certificates",
            "Certificates of the authority itself that are not revoked, by role.",
        );
        for ends in &slow.certs {
            for (state, count) in [("good", ends.good), ("ending", ends.ending), ("ended", ends.ended)] {
                family.sample(&[("role", ends.role.as_str()), ("state", state)], count);
            }
        }
        let mut family = page.gauge(
            "yinxin_certificate_expiry_timestamp_seconds",
            "When the last certificate of a role ends: `x - time()` seconds from now.",
        );
        for ends in &slow.certs {
            family.sample(&[("role", ends.role.as_str())], seconds(ends.last));
        }
        instant(
            page,
            "yinxin_crl_next_update_timestamp_seconds",
            "Until when the newest revocation list is good.",
            slow.list_ends,
        );
        let keys = &slow.api_keys;
        let mut family = page.gauge(
            "yinxin_api_keys",
            "API keys of officers on duty: good, and of these ending (within 30 days) and endless; ended.",
        );
        for (state, count) in
            [("good", keys.good), ("ending", keys.ending), ("endless", keys.endless), ("ended", keys.ended)]
        {
            family.sample(&[("state", state)], count);
        }
        if let Some(master) = slow.master {
            instant(
                page,
                "yinxin_keystore_master_made_timestamp_seconds",
                "When the newest master key of the keystore was made.",
                Some(master.made_at),
            );
            page.gauge("yinxin_keystore_replacing", "1 while a master key takes the place of another.")
                .is(i64::from(master.is_replacing));
        }
        instant(
            page,
            "yinxin_backup_timestamp_seconds",
            "When the last backup was recorded; left out where none ever was.",
            slow.backed_up_at,
        );
    }

    #[cfg(feature = "otel")]
    fn traces(&self, page: &mut Page) {
        let Some(traces) = &self.traces else { return };
        page.counter("yinxin_trace_spans_delivered_total", "Spans that the collector took.")
            .is(traces.delivered.value());
        page.counter("yinxin_trace_spans_dropped_total", "Spans dropped: no room, or the collector is away.")
            .is(traces.dropped.value());
    }

    fn machine(&self, page: &mut Page) {
        let places = self.vitals.parts();
        if let Some(disk) = super::vitals::disk(&places.folder) {
            page.gauge("yinxin_disk_free_bytes", "Room on the file system of the data directory.")
                .is(disk.free_bytes);
            page.gauge("yinxin_disk_size_bytes", "Size of the file system of the data directory.")
                .is(disk.size_bytes);
        }
        if let Some(file) = &places.database {
            let log = format!("{}-wal", file.display());
            let size = |path: &str| fs::metadata(path).map_or(0, |file| file.len());
            page.gauge("yinxin_database_size_bytes", "Size of SQLite's file.")
                .is(size(&file.display().to_string()));
            page.gauge("yinxin_database_log_size_bytes", "Size of SQLite's write-ahead log.").is(size(&log));
        }
        page.gauge("yinxin_clock_behind_seconds", "By how much the clock is behind what it showed before.")
            .is(self.vitals.clock_behind_ms() as f64 / 1e3);
        instant(
            page,
            "yinxin_vitals_timestamp_seconds",
            "When what only the database knows was last looked at; every ten seconds.",
            self.vitals.seen().at,
        );
    }
}

fn tally(page: &mut Page, name: &'static str, help: &str, label: &'static str, tally: &Tally) {
    let mut family = page.counter(name, help);
    for (word, count) in tally.values() {
        family.sample(&[(label, word)], count);
    }
}

fn times(page: &mut Page, name: &'static str, help: &str, histogram: &Histogram) {
    page.histogram(name, help).times(&[], &histogram.spread());
}

/// Left out where there is none.
fn instant(page: &mut Page, name: &'static str, help: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        page.gauge(name, help).is(seconds(at));
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.ms() as f64 / 1e3
}

/// What no route answered has no method and no path.
fn named(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
