//! Every key of the configuration, in the order in which people see them. A new key is an entry here, and a field of a
//! section (`section.rs`) that reads it; the file, the environment, `config check`, `config show`, and the example
//! configuration know it from here.

use super::key::{Key, Kind, Place};
use crate::telemetry::Settings as LogSettings;

/// Declares keys, and gathers them all in `KEYS`.
macro_rules! keys {
    ($($(#[$meta:meta])* $name:ident = $key:expr;)+) => {
        $(pub(super) const $name: &Key = &$key;)+

        /// Every key.
        pub const KEYS: &[&Key] = &[$($name,)+];
    };
}

/// Every section, with a line for people.
pub const SECTIONS: &[(&str, &str)] = &[
    (
        "listen",
        "Where the daemon listens. Plain HTTP only on this machine, or behind a proxy that speaks TLS.",
    ),
    (
        "listen.tls",
        "TLS of listen.address. Files that change are read again within seconds, or at once on SIGHUP.",
    ),
    ("listen.admin_tls", "TLS of listen.admin_address."),
    ("database", "Which database it uses. Without this section: SQLite in the data directory."),
    ("audit", "The record of who did what."),
    ("backup", "Backups of the whole service."),
    ("limits", "How much is taken on. What is beyond is refused at once with 503 and Retry-After."),
    ("log", "What the daemon tells on standard error: a line an event, nothing personal, nothing secret."),
    ("trace", "Spans for a collector (OpenTelemetry). Only in a program built with the feature otel."),
    ("officers", "The people on our side and their API keys."),
    ("outside", "Other parties that the daemon asks by itself: time stamps, revocation lists."),
];

const GIBIBYTE: u64 = 1 << 30;

keys! {
    DATA_DIR = Key::path("data_dir", Place::Folder)
        .default("\"./yinxin-data\"")
        .says("The directory for what the daemon keeps in files");
    PASSPHRASE_FILE = Key::path("passphrase_file", Place::Secret)
        .otherwise("passphrase in the data directory", "\"/etc/yinxin/passphrase\"")
        .credential("passphrase")
        .says("The file with the keystore's passphrase, mode 0600");
    PUBLIC_URL = Key::of("public_url", Kind::Url)
        .otherwise("http:// and listen.address", "\"https://seal.example.gov.cn\"")
        .says("The address under which others see the service; stands in certificates");
    NODE = Key::of("node", Kind::Text)
        .otherwise("made up from the host's name at the first start, and kept in the data directory; with SQLite \"local\"", "\"yinxin-0\"")
        .says("The name of this node, unlike that of every other on the same database: 1 to 64 letters, digits, dots, dashes, underscores");

    SANDBOX = Key::of("sandbox", Kind::Choice(&["off", "on", "require"]))
        .default("\"on\"")
        .says("What the daemon does not need it gives up (Landlock, seccomp): off, as far as the kernel can, or no start");
    SANDBOX_READS = Key::of("sandbox_reads", Kind::List)
        .default("[]")
        .says("Further files and directories that the daemon may read from within its sandbox");

    LISTEN_ADDRESS = Key::address("listen.address")
        .default("\"127.0.0.1:8080\"")
        .says("The TCP address of REST and pages");
    LISTEN_SOCKET = Key::path("listen.socket", Place::Socket)
        .otherwise("yinxin.sock in the data directory", "\"/run/yinxin/yinxin.sock\"")
        .says("The UNIX socket for commands beside the daemon; only its own user may connect");
    LISTEN_ANNOUNCE = Key::duration("listen.announce", 0, 600_000)
        .default("\"0s\"")
        .says("How long after SIGTERM requests are still taken while /readyz says that the node is leaving; with a load balancer, as long as it takes to notice");
    LISTEN_BEHIND_PROXY = Key::of("listen.behind_proxy", Kind::Flag)
        .default("false")
        .says("Allows plain HTTP on an address that others reach, because a proxy before it speaks TLS with them");
    LISTEN_TRUSTED_PROXIES = Key::of("listen.trusted_proxies", Kind::Networks)
        .default("[]")
        .says("Where proxies sit whose word is taken who the caller is; nobody else's is");
    LISTEN_FORWARDED_HEADER = Key::of("listen.forwarded_header", Kind::Choice(&["x-forwarded-for", "forwarded"]))
        .default("\"x-forwarded-for\"")
        .says("In which header they say it; they must write it themselves, and not hand through what a caller wrote");
    LISTEN_ADMIN_ADDRESS = Key::address("listen.admin_address")
        .otherwise("administration is on listen.address", "\"127.0.0.1:8081\"")
        .says("A TCP address of its own for administration, which then is there and on the UNIX socket alone; beyond this machine it needs TLS");

    LISTEN_TLS_CERTIFICATE_FILE = Key::path("listen.tls.certificate_file", Place::File)
        .otherwise("plain HTTP", "\"/etc/yinxin/tls/certificate.pem\"")
        .credential("tls-certificate")
        .says("The certificate, then its chain, PEM; P-256, P-384, Ed25519 or RSA, not SM2");
    LISTEN_TLS_KEY_FILE = Key::path("listen.tls.key_file", Place::Secret)
        .otherwise("plain HTTP", "\"/etc/yinxin/tls/key.pem\"")
        .credential("tls-key")
        .group_may_read()
        .says("Its key, PEM without a passphrase, mode 0640 at most");
    LISTEN_TLS_CLIENT_CA_FILE = Key::path("listen.tls.client_ca_file", Place::File)
        .otherwise("no certificate is asked of clients", "\"/etc/yinxin/tls/client-ca.pem\"")
        .says("The authorities whose certificates clients show, PEM");
    LISTEN_TLS_CLIENT_CRL_FILE = Key::path("listen.tls.client_crl_file", Place::File)
        .otherwise("nobody asks whether they are revoked", "\"/etc/yinxin/tls/client.crl.pem\"")
        .says("Revocation lists of those authorities, PEM");
    LISTEN_TLS_CLIENT_CERTIFICATE = Key::of("listen.tls.client_certificate", Kind::Choice(&["required", "optional"]))
        .default("\"required\"")
        .says("Whether clients without one are turned away, where client_ca_file is set");

    LISTEN_ADMIN_TLS_CERTIFICATE_FILE = Key::path("listen.admin_tls.certificate_file", Place::File)
        .otherwise("plain HTTP", "\"/etc/yinxin/tls/admin-certificate.pem\"")
        .credential("admin-tls-certificate")
        .says("As in listen.tls");
    LISTEN_ADMIN_TLS_KEY_FILE = Key::path("listen.admin_tls.key_file", Place::Secret)
        .otherwise("plain HTTP", "\"/etc/yinxin/tls/admin-key.pem\"")
        .credential("admin-tls-key")
        .group_may_read()
        .says("As in listen.tls");
    LISTEN_ADMIN_TLS_CLIENT_CA_FILE = Key::path("listen.admin_tls.client_ca_file", Place::File)
        .otherwise("no certificate is asked of clients", "\"/etc/yinxin/tls/admin-client-ca.pem\"")
        .says("As in listen.tls; administrators then come with a key and a certificate");
    LISTEN_ADMIN_TLS_CLIENT_CRL_FILE = Key::path("listen.admin_tls.client_crl_file", Place::File)
        .otherwise("nobody asks whether they are revoked", "\"/etc/yinxin/tls/admin-client.crl.pem\"")
        .says("As in listen.tls");
    LISTEN_ADMIN_TLS_CLIENT_CERTIFICATE = Key::of("listen.admin_tls.client_certificate", Kind::Choice(&["required", "optional"]))
        .default("\"required\"")
        .says("As in listen.tls");

    DATABASE_URL = Key::of("database.url", Kind::DatabaseUrl)
        .otherwise("SQLite in the data directory", "\"postgres://yinxin@db.example.gov.cn/yinxin?sslmode=verify-full\"")
        .says("A PostgreSQL server (15 or later); a password is better kept in url_file");
    DATABASE_URL_FILE = Key::path("database.url_file", Place::Secret)
        .otherwise("database.url", "\"/etc/yinxin/database-url\"")
        .instead_of("database.url")
        .credential("database-url")
        .group_may_read()
        .says("A file with that address, for one with a password; mode 0640 at most");
    DATABASE_SCHEMA = Key::of("database.schema", Kind::Text)
        .otherwise("the schema that the server's user comes to by default", "\"yinxin\"")
        .says("The PostgreSQL schema that holds the tables");
    DATABASE_CONNECTIONS = Key::number("database.connections", 2, 1000, "connections")
        .default("16")
        .says("Connections of this node to a PostgreSQL server");
    DATABASE_COMMIT_DEADLINE = Key::duration("database.commit_deadline", 100, 600_000)
        .default("\"5s\"")
        .says("How long a commit may take before its outcome is called unknown; longer where a standby far away confirms it");

    AUDIT_WITNESS_FILE = Key::path("audit.witness_file", Place::Output)
        .otherwise("no witness", "\"/mnt/witness/audit-heads.jsonl\"")
        .says("A second place for the signed heads of the audit chain, on another disk or machine");

    BACKUP_RECIPIENTS = Key::of("backup.recipients", Kind::List)
        .default("[]")
        .says("Public keys that backups are encrypted to (`yinxin backup keygen`), 1 to 8; without any, no backup is made");
    BACKUP_DEADLINE = Key::duration("backup.deadline", 60_000, 604_800_000)
        .default("\"6h\"")
        .says("The longest that one backup may take");
    BACKUP_LOG_LIMIT_BYTES = Key::number("backup.log_limit_bytes", 1 << 20, 1 << 40, "bytes")
        .default("4294967296")
        .says("SQLite's log grows while a backup reads; beyond this the backup is given up");

    LIMITS_CONNECTIONS = Key::number("limits.connections", 1, 100_000, "connections")
        .default("1024")
        .says("Connections at a time; in a full house one that only sits there makes room, else the newcomer is told 503");
    LIMITS_CONNECTIONS_PER_ADDRESS = Key::number("limits.connections_per_address", 1, 100_000, "connections")
        .default("256")
        .says("Connections of one address (in IPv6: one /64) at a time; those of trusted proxies and of the UNIX socket are not counted");
    LIMITS_LIGHT_REQUESTS = Key::number("limits.light_requests", 1, 100_000, "requests")
        .default("256")
        .says("Requests that read, and as many that write, worked on at a time");
    LIMITS_HEAVY_REQUESTS = Key::number("limits.heavy_requests", 1, 1000, "requests")
        .default("8")
        .says("Documents of anyone worked on at a time");
    LIMITS_STAMP_REQUESTS = Key::number("limits.stamp_requests", 1, 1000, "requests")
        .default("16")
        .says("Documents of officers stamped at a time; they have places of their own");
    LIMITS_DOCUMENT_THREADS = Key::number("limits.document_threads", 2, 1024, "threads")
        .otherwise("as many as there are processors, at least 2", "4")
        .says("Threads that read documents; one of them is never given to documents of anyone");
    LIMITS_DOCUMENT_CPU = Key::duration("limits.document_cpu", 10, 600_000)
        .default("\"2s\"")
        .says("The CPU time that reading and judging one document may take; then it is given up, undecided");
    LIMITS_DOCUMENT_BYTES = Key::number("limits.document_bytes", 1024, GIBIBYTE, "bytes")
        .default("67108864")
        .says("The longest document");
    LIMITS_BODIES_BYTES = Key::number("limits.bodies_bytes", 1 << 20, 1024 * GIBIBYTE, "bytes")
        .default("268435456")
        .says("Bodies, and the answers made of them, held in memory at a time; at least the longest document");
    LIMITS_PACE_BYTES = Key::number("limits.pace_bytes", 1, 1 << 20, "bytes a second")
        .default("4096")
        .says("The pace at which a body has to come, and an answer to be read, at least");
    LIMITS_REQUEST_SECONDS = Key::number("limits.request_seconds", 1, 3600, "seconds")
        .default("60")
        .says("The longest that one request may take");
    LIMITS_STOP_SECONDS = Key::number("limits.stop_seconds", 1, 3600, "seconds")
        .default("20")
        .says("How long an orderly stop waits for requests in progress");
    LIMITS_HANDSHAKE_SECONDS = Key::number("limits.handshake_seconds", 1, 60, "seconds")
        .default("10")
        .says("From a connection to the end of its TLS handshake");
    LIMITS_HANDSHAKES = Key::number("limits.handshakes", 1, 10_000, "handshakes")
        .default("128")
        .says("TLS handshakes under way at a time on one address; more wait, within that time");
    LIMITS_VERIFICATIONS_PER_MINUTE = Key::number("limits.verifications_per_minute", 1, 100_000, "verifications")
        .default("30")
        .says("Verifications a minute that one address has without an API key");

    OFFICERS_KEY_DAYS = Key::number("officers.key_days", 1, 3660, "days")
        .default("366")
        .says("Days that an API key is good for at the most, from its making");

    LOG_FORMAT = Key::of("log.format", Kind::Choice(LogSettings::FORMATS))
        .default("\"text\"")
        .says("How a line is written: for people, or an object of JSON for programs");
    LOG_LEVEL = Key::of("log.level", Kind::Choice(LogSettings::LEVELS))
        .default("\"info\"")
        .says("The finest level that is told; info has a line for each request");

    TRACE_ENDPOINT = Key::of("trace.endpoint", Kind::Url)
        .otherwise("no spans leave", "\"http://127.0.0.1:4318/v1/traces\"")
        .says("Where spans are delivered: OTLP over HTTP, as JSON");
    TRACE_PERCENT = Key::number("trace.percent", 0, 100, "percent")
        .default("10")
        .says("How many of a hundred requests are traced, where the caller says nothing about it");

    OUTSIDE_CA_FILE = Key::path("outside.ca_file", Place::File)
        .otherwise("nobody is asked over https", "\"/etc/yinxin/outside-ca.pem\"")
        .says("The authorities, PEM, whose certificates other parties show over https; nobody else is believed");
    OUTSIDE_ALLOWED_NETWORKS = Key::of("outside.allowed_networks", Kind::Networks)
        .default("[]")
        .says("Private networks that the daemon may connect to; the public internet it may always");
}
