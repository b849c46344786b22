//! Reads every migration as text: one that takes away or tightens says from which release on it is bearable.

use super::{FIRST_RELEASE, MIGRATIONS, Migration};
use std::collections::BTreeSet;

/// Words of a step that the release before would stumble over.
const HARSH: &[&str] = &[
    "DROP ",
    "RENAME ",
    " TYPE ",
    "SET NOT NULL",
    "DELETE FROM",
    "TRUNCATE",
    "CREATE TRIGGER",
    "ADD CONSTRAINT",
];

/// A statement without comments, in capitals, with single spaces.
fn statements(text: &str) -> Vec<String> {
    let plain: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let words = |one: &str| one.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
    plain.join(" ").split(';').map(words).filter(|one| !one.is_empty()).collect()
}

/// The word behind `after`, up to a space or bracket.
fn name_after<'a>(statement: &'a str, after: &str) -> Option<&'a str> {
    let rest = statement.split_once(after)?.1.trim_start();
    rest.split([' ', '(']).find(|word| !word.is_empty())
}

/// What the release before would stumble over; nothing where the step only adds.
fn stumbles(text: &str) -> Vec<String> {
    let statements = statements(text);
    let own: BTreeSet<&str> =
        statements.iter().filter_map(|statement| name_after(statement, "CREATE TABLE ")).collect();
    let is_harsh = |statement: &&String| {
        if statement.starts_with("CREATE TABLE ") {
            return false;
        }
        let on_own = name_after(statement, " ON ").is_some_and(|table| own.contains(table));
        let tightens = statement.contains("CREATE UNIQUE INDEX") && !on_own;
        let adds_a_must = statement.contains("ADD COLUMN")
            && statement.contains("NOT NULL")
            && !statement.contains("DEFAULT");
        tightens || adds_a_must || HARSH.iter().any(|word| statement.contains(word))
    };
    statements.iter().filter(is_harsh).cloned().collect()
}

#[test]
fn a_step_that_takes_away_or_tightens_says_who_can_bear_it() {
    for step in MIGRATIONS.iter().filter(|step| step.number > FIRST_RELEASE) {
        for text in [step.sqlite, step.postgres] {
            let found = stumbles(text);
            let marked = step.works_from > FIRST_RELEASE;
            assert!(found.is_empty() || marked, "{} needs `works_from`: {found:?}", step.name);
        }
    }
}

/// A release always works on what it made itself, so no step asks for more than its own number.
#[test]
fn no_step_asks_for_a_later_release_than_its_own() {
    let asks_too_much = |step: &&Migration| step.works_from > step.number && step.works_from != FIRST_RELEASE;
    assert_eq!(MIGRATIONS.iter().find(asks_too_much).map(|step| step.name), None);
}

#[test]
fn what_takes_away_is_found_in_every_spelling() {
    for harsh in [
        "-- why\nALTER TABLE a DROP COLUMN b;",
        "drop table a",
        "ALTER TABLE a\n    RENAME TO b;",
        "ALTER TABLE a ADD COLUMN b TEXT NOT NULL;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
        "ALTER TABLE a ALTER COLUMN b TYPE TEXT",
        "CREATE UNIQUE INDEX a_b ON a (b);",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0);",
        "DELETE FROM a",
    ] {
        assert_eq!(stumbles(harsh).len(), 1, "{harsh}");
    }
    for mild in [
        "-- DROP is only spoken of here",
        "CREATE TABLE a (b TEXT NOT NULL, c TEXT); CREATE UNIQUE INDEX a_b ON a (b);",
        "ALTER TABLE a ADD COLUMN b BIGINT NOT NULL DEFAULT 9;",
        "ALTER TABLE a ADD COLUMN b TEXT; CREATE INDEX a_b ON a (b); UPDATE a SET b = '';",
    ] {
        assert_eq!(stumbles(mild), Vec::<String>::new(), "{mild}");
    }
}
