//! What was said about each key, and by whom: the default, a systemd credential, the file, the environment, a flag; the later
//! is heard over the earlier.

use super::{
    ConfigError,
    fault::{Fault, Origin},
    file,
    key::{Key, Kind, Place},
    redact,
    table::KEYS,
    value::{Value, milliseconds, of_text},
};
use crate::{
    base::plain_file::{self, Rule},
    outside::Network,
};
use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest file with a secret of one line.
const SECRET_MAX_BYTES: u64 = 4096;

/// What a flag of the command says about a key.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The key.
    pub key: &'static str,
    /// The flag, or the command that chooses by itself.
    pub by: &'static str,
    /// As text.
    pub value: String,
}

/// Everything that was said, before anybody has looked at what it means together.
#[derive(Clone, Default)]
pub struct Settings {
    given: BTreeMap<&'static str, (Value, Origin)>,
    faults: Vec<Fault>,
    credentials_dir: Option<PathBuf>,
}

/// What holds for a key, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The key.
    pub name: &'static str,
    /// As in TOML, without secrets; `None` where nothing is said and there is no default.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Settings {
    /// Gathers all that is said. Nothing fails yet: what is wrong is kept for [`super::Config::of`].
    pub fn gather(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        chosen: &[Chosen],
    ) -> Self {
        let mut all = Self::default();
        if let Some(path) = file {
            let found = file::read(path);
            all.faults = found.faults;
            found.values.into_iter().for_each(|(key, value, origin)| all.take(key, value, origin));
        }
        for (name, value) in variables {
            if name.starts_with(super::PREFIX) {
                all.variable(name, &value);
            } else if name == super::CREDENTIALS {
                all.credentials_dir = Some(value.into());
            }
        }
        chosen.iter().for_each(|chosen| all.option(chosen));
        all.credentials();
        all
    }

    /// What holds for each key, in the order of the table, as it may be shown.
    pub fn shown(&self) -> impl Iterator<Item = Shown> + '_ {
        KEYS.iter().map(|key| match self.given.get(key.name) {
            Some((value, origin)) => {
                Shown { name: key.name, value: Some(shown(key, value)), origin: origin.clone() }
            }
            None => Shown { name: key.name, value: key.default.map(str::to_owned), origin: Origin::Default },
        })
    }

    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.given.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// Every path that was given, and what it leads to.
    pub fn paths(&self) -> impl Iterator<Item = (Place, PathBuf)> + '_ {
        self.given.iter().filter_map(|(name, (value, _))| match (Key::named(name)?.kind, value) {
            (Kind::Path(place), Value::Text(text)) => Some((place, PathBuf::from(text))),
            _ => None,
        })
    }

    /// Every address that was given to listen on.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.given.iter().filter_map(|(name, (value, _))| match (Key::named(name)?.kind, value) {
            (Kind::Address, Value::Text(text)) => text.parse().ok(),
            _ => None,
        })
    }

    /// The path that was given for a key.
    pub(super) fn path(&self, key: &Key) -> Option<PathBuf> {
        match self.given.get(key.name) {
            Some((Value::Text(text), _)) => Some(text.into()),
            _ => None,
        }
    }

    /// What was wrong with single values.
    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Where systemd placed credentials.
    pub fn credentials_dir(&self) -> Option<&Path> {
        self.credentials_dir.as_deref()
    }

    fn variable(&mut self, name: String, text: &str) {
        let origin = Origin::Variable(name.clone());
        match Key::of_variable(&name) {
            Some(key) => self.text(key, text, origin),
            None => {
                let meant = Key::nearest_variable(&name);
                let meant = meant.map_or(String::new(), |key| format!("; did you mean {}?", key.variable()));
                let says = format!("no setting has this variable{meant}");
                self.faults.push(Fault { key: None, origin, says });
            }
        }
    }

    fn option(&mut self, chosen: &Chosen) {
        let origin = Origin::Option(chosen.by);
        match Key::named(chosen.key) {
            Some(key) => self.text(key, &chosen.value, origin),
            None => self.faults.push(Fault {
                key: Some(chosen.key.into()),
                origin,
                says: "nobody knows this key".into(),
            }),
        }
    }

    fn text(&mut self, key: &'static Key, text: &str, origin: Origin) {
        match of_text(key.kind, text) {
            Ok(value) => self.take(key, value, origin),
            Err(says) => self.faults.push(Fault { key: Some(key.name.into()), origin, says }),
        }
    }

    fn take(&mut self, key: &'static Key, value: Value, origin: Origin) {
        // Of two keys that say the same thing, the later layer silences the other; in one layer, both are one too many.
        for other in KEYS.iter().filter(|other| same_thing(key, other)) {
            match self.given.get(other.name) {
                Some((_, earlier)) if earlier.layer() == origin.layer() => {
                    let says = format!("it stands beside {} ({earlier}); one of them is enough", other.name);
                    self.faults.push(Fault { key: Some(key.name.into()), origin: origin.clone(), says });
                }
                _ => {
                    self.given.remove(other.name);
                }
            }
        }
        self.given.insert(key.name, (value, origin));
    }

    /// Systemd's credentials stand in where nobody says anything.
    fn credentials(&mut self) {
        let Some(folder) = self.credentials_dir.clone() else { return };
        for key in KEYS {
            let Some(path) = key.credential.map(|name| folder.join(name)) else { continue };
            let silent = !self.given.contains_key(key.name)
                && !KEYS.iter().any(|other| same_thing(key, other) && self.given.contains_key(other.name));
            if silent && path.exists() {
                let value = Value::Text(path.display().to_string());
                self.given.insert(key.name, (value, Origin::Credential(path)));
            }
        }
    }
}

fn same_thing(key: &Key, other: &Key) -> bool {
    key.instead_of == Some(other.name) || other.instead_of == Some(key.name)
}

fn shown(key: &Key, value: &Value) -> String {
    match (key.secret, key.kind, value) {
        (false, _, value) => value.toml(),
        (true, Kind::DatabaseUrl, Value::Text(url)) => Value::Text(redact::database_url(url)).toml(),
        (true, ..) => "\"…\"".into(),
    }
}

/// Reads settings into sections, and gathers what is wrong with them together.
pub(super) struct Reading<'a> {
    settings: &'a Settings,
    faults: Vec<Fault>,
}

impl<'a> Reading<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self { settings, faults: settings.faults().to_vec() }
    }

    /// `whole`, where nothing was wrong.
    pub fn end<T>(self, whole: T) -> Result<T, ConfigError> {
        if self.faults.is_empty() { Ok(whole) } else { Err(ConfigError { faults: self.faults }) }
    }

    /// Says that the value of a key can't be taken.
    pub fn wrong(&mut self, key: &Key, says: impl Into<String>) {
        let origin = self.settings.origin(key.name);
        self.faults.push(Fault { key: Some(key.name.into()), origin, says: says.into() });
    }

    /// Whether something was found wrong with a key: what follows from that alone need not be said too.
    pub fn is_wrong(&self, key: &Key) -> bool {
        self.faults.iter().any(|fault| fault.key.as_deref() == Some(key.name))
    }

    pub fn is_given(&self, key: &Key) -> bool {
        self.settings.given.contains_key(key.name)
    }

    pub fn text(&self, key: &Key) -> Option<String> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn path(&self, key: &Key) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub fn number(&self, key: &Key) -> u64 {
        match self.value(key) {
            Some(Value::Number(number)) => number,
            _ => 0,
        }
    }

    pub fn size(&self, key: &Key) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }

    pub fn seconds(&self, key: &Key) -> Duration {
        Duration::from_secs(self.number(key))
    }

    pub fn duration(&self, key: &Key) -> Duration {
        Duration::from_millis(self.text(key).as_deref().and_then(milliseconds).unwrap_or(0))
    }

    pub fn flag(&self, key: &Key) -> bool {
        self.value(key) == Some(Value::Flag(true))
    }

    pub fn list(&self, key: &Key) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(lines)) => lines,
            _ => Vec::new(),
        }
    }

    pub fn networks(&self, key: &Key) -> Vec<Network> {
        self.list(key).iter().filter_map(|line| Network::parse(line).ok()).collect()
    }

    pub fn address(&self, key: &Key) -> Option<SocketAddr> {
        self.text(key).and_then(|text| text.parse().ok())
    }

    /// An address of a key with a default.
    pub fn usual_address(&self, key: &Key) -> SocketAddr {
        self.address(key).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// The one line of a file with a secret; a fault where there is none, or where others may read it.
    pub fn line_of_file(&mut self, key: &Key) -> Option<String> {
        let path = self.path(key)?;
        let says = match plain_file::read(&path, Rule::Shared, SECRET_MAX_BYTES) {
            Ok(octets) => match std::str::from_utf8(&octets) {
                Ok(text) => return Some(text.trim().to_owned()),
                Err(_) => "is not UTF-8 text".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        self.wrong(key, format!("{} {says}", path.display()));
        None
    }

    fn value(&self, key: &Key) -> Option<Value> {
        match self.settings.given.get(key.name) {
            Some((value, _)) => Some(value.clone()),
            None => key.default.and_then(|text| default(key, text)),
        }
    }
}

/// A default as its kind takes it. That all are taken is tested.
pub(super) fn default(key: &Key, text: &str) -> Option<Value> {
    let value = toml::de::DeValue::parse(text).ok()?;
    super::value::of_toml(key.kind, value.get_ref()).ok()
}

/// Values may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.given.iter().map(|(name, (_, origin))| (name, origin))).finish()
    }
}
