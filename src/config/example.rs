//! The example configuration: every key with its line, its default, and its variable, as comments; made from the table.

use super::{
    key::Key,
    table::{KEYS, SECTIONS},
};
use std::fmt::Write as _;

const HEAD: &str = "\
# Yinxin's configuration (TOML), with every key. Made by `yinxin config example`; a test keeps it so.
#
# Each key stands as a comment with its default, or, where it has none, with an example. The environment is heard over this
# file, flags of the command over both. Unknown keys are refused. `yinxin config check --config FILE` tells everything that is
# wrong with a file and what it names; `yinxin config show` tells what holds, and who said so.
";

/// The example configuration.
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    let top = KEYS.iter().filter(|key| key.section().is_empty());
    top.for_each(|key| entry(&mut text, key));
    for (section, says) in SECTIONS {
        // Writing into a string never fails.
        let _ = write!(text, "\n# {says}\n[{section}]\n");
        KEYS.iter().filter(|key| key.section() == *section).for_each(|key| entry(&mut text, key));
    }
    text
}

fn entry(text: &mut String, key: &Key) {
    let _ = writeln!(text, "\n# {}.", key.says);
    let _ = writeln!(text, "# Takes {}. Environment: {}.", key.kind.takes(), key.variable());
    if key.default.is_none() {
        let _ = writeln!(text, "# Without it: {}.", key.otherwise);
    }
    if let Some(credential) = key.credential {
        let _ = writeln!(text, "# Where nobody says anything, systemd's credential `{credential}` is taken.");
    }
    if let Some(other) = key.instead_of {
        let _ = writeln!(text, "# Instead of {other}: one of both.");
    }
    let _ = writeln!(text, "#{} = {}", key.last_name(), key.default.unwrap_or(key.example));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, settings};
    use std::{collections::HashSet, fs, path::Path};

    #[test]
    fn every_key_is_whole() {
        let (mut names, mut variables) = (HashSet::new(), HashSet::new());
        for key in KEYS {
            let name = key.name;
            assert!(names.insert(name) && variables.insert(key.variable()), "{name} stands twice");
            assert!(
                !key.says.is_empty() && !key.says.ends_with('.'),
                "{name}: a line for people, without a full stop"
            );
            assert_eq!(
                key.default.is_none(),
                !key.otherwise.is_empty(),
                "{name}: a default, or what happens without one"
            );
            let value = key.default.unwrap_or(key.example);
            assert!(settings::default(key, value).is_some(), "{name}: {value} is not taken by its own kind");
            let sections = SECTIONS.iter().filter(|(section, _)| *section == key.section()).count();
            assert_eq!(
                sections,
                usize::from(!key.section().is_empty()),
                "{name}: its section stands in SECTIONS once"
            );
            assert!(key.instead_of.is_none_or(|other| Key::named(other).is_some()), "{name}");
        }
    }

    #[test]
    fn the_example_in_the_tree_is_the_one_made_from_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/yinxin.example.toml");
        if crate::config::environment().any(|(name, _)| name == "UPDATE_SNAPSHOTS") {
            fs::write(&path, example()).expect("written");
        }
        let told = "UPDATE_SNAPSHOTS=1 cargo test --lib config rewrites it";
        assert_eq!(fs::read_to_string(&path).expect("the example"), example(), "{told}");
    }

    #[test]
    fn the_example_loads_as_it_is_and_says_nothing() {
        let config = load(&example()).expect("taken");
        assert!(config.settings.shown().all(|shown| shown.origin == crate::config::Origin::Default));
    }

    /// Of two keys that say the same thing, one at a time.
    #[test]
    fn the_example_loads_with_every_line_in_force() {
        let secret = tempfile::NamedTempFile::new().expect("a file");
        fs::write(secret.path(), "postgres://db/x").expect("written");
        for first_of_two in [true, false] {
            let dropped = |key: &Key| match first_of_two {
                true => key.instead_of.is_some(),
                false => KEYS.iter().any(|other| other.instead_of == Some(key.name)),
            };
            let mut section = String::new();
            let mut in_force = String::new();
            let text = example().replace("/etc/yinxin/database-url", &secret.path().display().to_string());
            for line in text.lines() {
                if let Some(name) = line.strip_prefix('[') {
                    section = format!("{}.", name.trim_end_matches(']'));
                }
                let set = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty());
                let name = set.map(|set| format!("{section}{}", set.split(" = ").next().unwrap_or_default()));
                let key = name.as_deref().and_then(Key::named);
                assert_eq!(set.is_some(), key.is_some(), "{line}");
                let set = set.filter(|_| !key.is_some_and(dropped));
                in_force += &format!("{}\n", set.unwrap_or(line));
            }
            let config = load(&in_force).unwrap_or_else(|error| panic!("{error}\n{in_force}"));
            let silent =
                config.settings.shown().filter(|shown| shown.origin == crate::config::Origin::Default);
            assert_eq!(silent.count(), KEYS.iter().filter(|key| dropped(key)).count());
        }
    }

    fn load(text: &str) -> Result<Config, crate::config::ConfigError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("written");
        Config::load(Some(file.path()), [])
    }
}
