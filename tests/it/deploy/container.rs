//! The container file: what it runs is a command, and it runs as nobody.

use super::text;
use yinxin::{cli, config::Key};

/// The words of a line in the form of JSON, `CMD ["serve"]`.
fn words(instruction: &str) -> Vec<String> {
    let file = text("container/Containerfile");
    let line = file.lines().rfind(|line| line.starts_with(instruction)).unwrap();
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

#[test]
fn the_image_runs_a_command_that_there_is_as_nobody_on_an_empty_root() {
    let file = text("container/Containerfile");
    let last = file.lines().rfind(|line| line.starts_with("FROM ")).unwrap();
    assert_eq!(last, "FROM scratch");
    assert!(file.lines().any(|line| line == "USER 65532:65532"));
    let program = words("ENTRYPOINT");
    let serve: Vec<String> = program.iter().cloned().chain(words("CMD")).collect();
    for command in [serve, words("HEALTHCHECK")] {
        assert_eq!(command[0], program[0]);
        assert!(cli::tree().try_get_matches_from(&command).is_ok(), "{command:?}");
    }
    for line in file.lines().filter_map(|line| line.strip_prefix("ENV YINXIN_")) {
        let name = format!("YINXIN_{}", line.split('=').next().unwrap());
        assert!(Key::of_variable(&name).is_some(), "{name}");
    }
}
