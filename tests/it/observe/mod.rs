//! The service seen from outside: metrics, logs, readiness, traces, `yinxin doctor`.

mod canary;
mod doctor;
mod events;
mod exposition;
mod metrics;
mod probe;
mod readiness;
#[cfg(feature = "otel")]
mod traces;
