//! Every key of the configuration, in the order in which people see them. A new key is an entry here, and a field of a
//! section (`section.rs`) that reads it; the file, the environment, `config check`, `config show`, and the example
//! configuration know it from here.

use super::key::{Key, Kind, Place};

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
    ("listen", "Where the daemon listens."),
    ("database", "Which database it uses. Without this section: SQLite in the data directory."),
    ("limits", "How much is taken on. What is beyond is refused at once with 503 and Retry-After."),
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

    LISTEN_ADDRESS = Key::address("listen.address")
        .default("\"127.0.0.1:8080\"")
        .says("The TCP address of REST and pages");
    LISTEN_SOCKET = Key::path("listen.socket", Place::Socket)
        .otherwise("yinxin.sock in the data directory", "\"/run/yinxin/yinxin.sock\"")
        .says("The UNIX socket for commands beside the daemon; only its own user may connect");

    DATABASE_URL = Key::of("database.url", Kind::DatabaseUrl)
        .otherwise("SQLite in the data directory", "\"postgres://yinxin@db.example.gov.cn/yinxin?sslmode=verify-full\"")
        .says("A PostgreSQL server (15 or later); a password is better kept in url_file");
    DATABASE_URL_FILE = Key::path("database.url_file", Place::Secret)
        .otherwise("database.url", "\"/etc/yinxin/database-url\"")
        .instead_of("database.url")
        .credential("database-url")
        .says("A file with that address, for one with a password; mode 0600");
    DATABASE_SCHEMA = Key::of("database.schema", Kind::Text)
        .otherwise("the schema that the server's user comes to by default", "\"yinxin\"")
        .says("The PostgreSQL schema that holds the tables");

    LIMITS_CONNECTIONS = Key::number("limits.connections", 1, 100_000, "connections")
        .default("1024")
        .says("Connections at a time; more wait in the kernel's queue");
    LIMITS_LIGHT_REQUESTS = Key::number("limits.light_requests", 1, 100_000, "requests")
        .default("256")
        .says("Light requests worked on at a time");
    LIMITS_HEAVY_REQUESTS = Key::number("limits.heavy_requests", 1, 1000, "requests")
        .default("8")
        .says("Heavy requests (documents) worked on at a time");
    LIMITS_DOCUMENT_BYTES = Key::number("limits.document_bytes", 1024, GIBIBYTE, "bytes")
        .default("67108864")
        .says("The longest document");
    LIMITS_REQUEST_SECONDS = Key::number("limits.request_seconds", 1, 3600, "seconds")
        .default("60")
        .says("The longest that one request may take");
    LIMITS_VERIFICATIONS_PER_MINUTE = Key::number("limits.verifications_per_minute", 1, 100_000, "verifications")
        .default("30")
        .says("Verifications a minute that one address has without an API key");

    OUTSIDE_ALLOWED_NETWORKS = Key::of("outside.allowed_networks", Kind::Networks)
        .default("[]")
        .says("Private networks that the daemon may connect to; the public internet it may always");
}
