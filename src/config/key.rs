//! What one key of the configuration is: its name, what it takes, what holds without it, and a line for people.

use super::{nearest::nearest, table};

/// A key of the configuration. It has one name everywhere: `limits.connections` in the file is
/// `YINXIN_LIMITS_CONNECTIONS` in the environment.
#[derive(Debug)]
pub struct Key {
    /// Its name, sections first, with dots between.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds where nobody says anything, as in TOML; `None`: nothing does, see [`Key::otherwise`].
    pub default: Option<&'static str>,
    /// What happens where nothing is said and there is no default, in words.
    pub otherwise: &'static str,
    /// A value to show where there is no default, as in TOML.
    pub example: &'static str,
    /// Whether its value is kept out of everything that is printed.
    pub secret: bool,
    /// Another key that says the same thing in another way: only one of both may be given.
    pub instead_of: Option<&'static str>,
    /// The systemd credential whose file is the value where nobody says anything. Only keys that name a file have one.
    pub credential: Option<&'static str>,
    /// Whether the file is a secret that the group may read and root may own, as with credentials of systemd; else only its own
    /// user may.
    pub group_may_read: bool,
    /// One line for people.
    pub says: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A path in the file system.
    Path(Place),
    /// An address to listen on, `127.0.0.1:8080` or `[::1]:8080`.
    Address,
    /// A whole number.
    Number {
        /// The least that is taken.
        least: u64,
        /// The most that is taken.
        most: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A span of time: `500ms`, `30s`, `10m`, `24h`, `90d`.
    Duration {
        /// The shortest that is taken, in milliseconds.
        least_ms: u64,
        /// The longest that is taken, in milliseconds.
        most_ms: u64,
    },
    /// One line of text of at most 1024 octets.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// Lines of text.
    List,
    /// Networks in CIDR notation.
    Networks,
    /// A plain `http://` or `https://` address.
    Url,
    /// The address of a PostgreSQL server; may hold a password.
    DatabaseUrl,
}

/// What a path leads to: by this a check knows what to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A directory, which is made where it is missing.
    Folder,
    /// A socket, which is made.
    Socket,
    /// A file that anybody may read.
    File,
    /// A file with a secret: it must be there, and nobody else may read it.
    Secret,
    /// A file that is written, and made where it is missing.
    Output,
}

impl Key {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            default: None,
            otherwise: "",
            example: "",
            secret: matches!(kind, Kind::DatabaseUrl),
            instead_of: None,
            credential: None,
            group_may_read: false,
            says: "",
        }
    }

    /// A key that takes a path.
    pub const fn path(name: &'static str, place: Place) -> Self {
        Self::new(name, Kind::Path(place))
    }

    /// A key that takes an address to listen on.
    pub const fn address(name: &'static str) -> Self {
        Self::new(name, Kind::Address)
    }

    /// A key that takes a whole number from `least` to `most`.
    pub const fn number(name: &'static str, least: u64, most: u64, unit: &'static str) -> Self {
        Self::new(name, Kind::Number { least, most, unit })
    }

    /// A key that takes a span of time.
    pub const fn duration(name: &'static str, least_ms: u64, most_ms: u64) -> Self {
        Self::new(name, Kind::Duration { least_ms, most_ms })
    }

    /// A key of any other kind.
    pub const fn of(name: &'static str, kind: Kind) -> Self {
        Self::new(name, kind)
    }

    /// With this default, as in TOML.
    pub const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// Without a default: what happens then, and an example as in TOML.
    pub const fn otherwise(self, otherwise: &'static str, example: &'static str) -> Self {
        Self { otherwise, example, ..self }
    }

    /// Says the same as another key, in another way.
    pub const fn instead_of(self, other: &'static str) -> Self {
        Self { instead_of: Some(other), ..self }
    }

    /// Takes the file of this systemd credential where nobody says anything.
    pub const fn credential(self, credential: &'static str) -> Self {
        Self { credential: Some(credential), ..self }
    }

    /// A secret that the group may read and root may own.
    pub const fn group_may_read(self) -> Self {
        Self { group_may_read: true, ..self }
    }

    /// The line for people.
    pub const fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("{}{}", super::PREFIX, self.name.to_ascii_uppercase().replace('.', "_"))
    }

    /// The section that it stands in, `listen` or `listen.tls`; empty at the top of the file.
    pub fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within its section.
    pub fn last_name(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, name)| name)
    }

    /// The key of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        table::KEYS.iter().copied().find(|key| key.name == name)
    }

    /// The key of this environment variable.
    pub fn of_variable(variable: &str) -> Option<&'static Self> {
        table::KEYS.iter().copied().find(|key| key.variable() == variable)
    }

    /// The key whose name comes nearest to one that nobody knows.
    pub fn nearest(name: &str) -> Option<&'static Self> {
        nearest(name, table::KEYS.iter().copied(), |key| {
            vec![key.name.to_owned(), key.last_name().to_owned()]
        })
    }

    /// The key whose variable comes nearest to one that nobody knows.
    pub fn nearest_variable(variable: &str) -> Option<&'static Self> {
        nearest(variable, table::KEYS.iter().copied(), |key| vec![key.variable()])
    }
}

impl Kind {
    /// What is taken, in words that end "… is taken".
    pub fn takes(self) -> String {
        match self {
            Kind::Path(_) => "a path".into(),
            Kind::Address => "an address like 127.0.0.1:8080 or [::1]:8080".into(),
            Kind::Number { least, most, unit } => format!("a whole number of {unit} from {least} to {most}"),
            Kind::Duration { least_ms, most_ms } => {
                format!("a span like 30s, 10m or 90d from {} to {}", span(least_ms), span(most_ms))
            }
            Kind::Text => "one line of text".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Flag => "true or false".into(),
            Kind::List => "a list of lines of text".into(),
            Kind::Networks => "a list of networks like 10.1.0.0/16 or fd00::/8".into(),
            Kind::Url => "a plain http:// or https:// address".into(),
            Kind::DatabaseUrl => "an address that begins with postgres://".into(),
        }
    }
}

/// Units of a span of time, the longest first, in milliseconds.
pub(super) const UNITS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A span in its longest whole unit.
pub(super) fn span(ms: u64) -> String {
    let (unit, size) =
        UNITS.iter().find(|(_, size)| ms > 0 && ms.is_multiple_of(*size)).unwrap_or(&("s", 1000));
    format!("{}{unit}", ms / size)
}
