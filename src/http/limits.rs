//! How much is taken on at a time, and for how long.

use std::time::Duration;

/// The limits of the front door.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more are told 503 and closed.
    pub connections: usize,
    /// Connections of one address at a time (of one /64 in IPv6); more are told 503 and closed. Not of trusted proxies, nor
    /// of the UNIX socket.
    pub connections_per_address: usize,
    /// Requests that read, and as many that write, worked on at a time; more are answered 503.
    pub light_requests: usize,
    /// Documents of anyone worked on at a time; more are answered 503.
    pub heavy_requests: usize,
    /// Documents of officers stamped at a time; more are answered 503.
    pub stamp_requests: usize,
    /// Octets of bodies, and of answers made of them, that are held at a time; more are answered 503.
    pub bodies_bytes: usize,
    /// Octets a second at which a body has to come, and an answer to be read, at least.
    pub pace: u32,
    /// Over which span a body's pace is measured.
    pub pace_span: Duration,

    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// TLS handshakes under way at a time; more wait, within that.
    pub handshakes: usize,
    /// From the first octet of a request's head to its last, and between two requests of a connection.
    pub head: Duration,
    /// From the head to the answer, the body's arrival included.
    pub request: Duration,
    /// How long what a client still sends after its answer is read and thrown away, so that it comes to read the answer.
    pub drain: Duration,
    /// Connections that are in that state at a time; beyond, they are closed.
    pub drains: usize,
    /// How long an answer may stand still because its reader takes nothing.
    pub stalled_write: Duration,
    /// How long an orderly stop waits for requests in progress.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            light_requests: 256,
            heavy_requests: 8,
            stamp_requests: 16,
            bodies_bytes: 256 << 20,
            pace: 4096,
            pace_span: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            handshakes: 128,
            head: Duration::from_secs(10),
            request: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            drains: 64,
            stalled_write: Duration::from_secs(30),
            stop: Duration::from_secs(20),
        }
    }
}
