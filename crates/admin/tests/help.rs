//! The list of commands and their help, against what the Java tool prints.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use eruca_admin::{COMMANDS, LocalTime, World, run_with, usage};

fn captured(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/help").join(name)).unwrap()
}

async fn printed(words: &[&str]) -> String {
    let files = tempfile::tempdir().unwrap();
    let world = World {
        local_time: LocalTime::utc(),
        namesrv_addr: None,
        body_dir: files.path().to_owned(),
        status_dir: files.path().to_owned(),
        ..World::of_this_machine()
    };
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    if let Err(failure) = run_with(&words, &world, &mut out, &mut notes).await {
        return failure.to_string();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn every_command_has_the_java_tools_help() {
    for command in COMMANDS {
        let expected = captured(&format!("{}.txt", command.name));
        let (_, expected) = expected.split_once('\n').unwrap();
        assert_eq!(usage(command.name, command.options), expected, "help of {}", command.name);
    }
}

#[tokio::test]
async fn the_list_is_the_java_tools_without_the_commands_that_we_do_not_have() {
    let captured = captured("_list.txt");
    let is_ours = |line: &&str| match line.strip_prefix("   ").and_then(|row| row.split_whitespace().next()) {
        Some(name) => COMMANDS.iter().any(|command| command.name == name),
        None => true,
    };
    let expected: Vec<&str> = captured.lines().filter(is_ours).collect();
    assert_eq!(printed(&[]).await.lines().collect::<Vec<_>>(), expected);
    assert_eq!(printed(&["help"]).await.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn help_is_asked_for_in_every_usual_way() {
    let expected = printed(&["help", "topicRoute"]).await;
    assert!(expected.starts_with("usage: mqadmin topicRoute"));
    for words in [&["topicRoute", "-h"], &["topicroute", "--help"], &["help", "TOPICROUTE"]] {
        assert_eq!(printed(words).await, expected, "{words:?}");
    }
}

#[tokio::test]
async fn what_is_unknown_gets_the_closest_name() {
    assert_eq!(
        printed(&["topicRuote"]).await,
        "mqadmin: unknown command 'topicRuote', did you mean 'topicRoute'?"
    );
    assert_eq!(
        printed(&["help", "xyz"]).await,
        "mqadmin: unknown command 'xyz'; 'mqadmin' without arguments lists the commands"
    );
    assert_eq!(
        printed(&["updateTopic", "--tpoic", "T"]).await,
        "mqadmin updateTopic: unknown option '--tpoic', did you mean '--topic'?; see 'mqadmin help updateTopic'"
    );
    assert_eq!(
        printed(&["updateTopic"]).await,
        "mqadmin updateTopic: missing required options: -b or -c, -t (topic); see 'mqadmin help updateTopic'"
    );
}
