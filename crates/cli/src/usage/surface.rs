//! Every command and every flag of the docker client, held against ours: a walk through both helps.
//!
//! What only docker has stands in `commands::absent` with what to do instead, because whoever types it is told. What
//! differs otherwise stands in [`MEANT`] with its reason. An entry without a difference is an error, too.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands::ABSENT;
use crate::testing::docker;
use crate::usage;

/// Differences that are wanted: a command, or a command and a flag, and why.
const MEANT: [(&str, &str); 29] = [
    ("", "the program says what it is"),
    ("--config", "the directory is not spelled out, so that the help is the same for everybody"),
    ("--context", "SKEP_HOST comes before DOCKER_HOST"),
    ("--host", "the default is Skep's socket"),
    ("--tlscacert", "see --config"),
    ("--tlscert", "see --config"),
    ("--tlskey", "see --config"),
    ("cluster", "Skep's own: policies of the cluster"),
    ("completion", "docker hides its completion command"),
    ("context import", "zip archives, which neither client writes, are not read"),
    ("doctor", "Skep's own: what is wrong with a node"),
    ("image rm --platform", "a node keeps the variant of its own platform only"),
    ("init", "Skep's own: short for swarm init"),
    ("node update --force", "Skep's own: a drain that does not wait"),
    ("rmi --platform", "see image rm"),
    ("rollout", "Skep's own: rollouts, step by step"),
    ("system", "the program's own name"),
    ("version", "it is not docker's version alone"),
    ("volume create --availability", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --group", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --limit-bytes", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --required-bytes", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --scope", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --secret", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --sharing", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --topology-preferred", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --topology-required", "volumes of the whole cluster (CSI) are not supported"),
    ("volume create --type", "volumes of the whole cluster (CSI) are not supported"),
    ("volume ls --cluster", "see volume create"),
];

/// One help text, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Help {
    /// Everything but flags and commands: usage line, description, aliases.
    head: String,
    /// Flags by their long names, with shorthand, kind and text.
    flags: BTreeMap<String, String>,
    commands: BTreeSet<String>,
}

impl Help {
    fn read(text: &str) -> Help {
        let mut help = Help::default();
        let (mut section, mut flag) = (String::new(), String::new());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if !line.starts_with(' ') {
                section = line.trim_end_matches(':').to_owned();
            }
            let body = line.trim();
            if section.ends_with("Options") && line.starts_with(' ') {
                if line.starts_with("  -") || line.starts_with("      --") {
                    let (_, name) = body.split_once("--").expect("a flag has a long name");
                    flag = name.split_whitespace().next().unwrap_or_default().to_owned();
                }
                let known = help.flags.entry(format!("--{flag}")).or_default();
                known.push_str(&format!("{} ", body.split_whitespace().collect::<Vec<_>>().join(" ")));
            } else if section.ends_with("Commands") && line.starts_with(' ') {
                let name = body.split_whitespace().next().unwrap_or_default();
                help.commands.insert(name.to_owned());
            } else if !section.ends_with("Options") && !section.ends_with("Commands") {
                help.head.push_str(&format!("{body}\n"));
            }
        }
        help
    }
}

/// The differences below one command, by name.
async fn walk(path: &str, differences: &mut BTreeMap<String, String>) {
    let words: Vec<&str> = path.split_whitespace().chain(["--help"]).collect();
    let theirs = docker(&words, &[("DOCKER_HOST", "unix:///nonexistent"), ("HOME", "/nonexistent")]).await;
    let theirs = Help::read(&theirs.expect("the version was checked").nameless().out);
    let root = crate::app::command();
    let owned: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let found = usage::find(&root, &owned);
    let ours = usage::help(found.command, &found.path, None).replace("docker", "skep");
    let ours = Help::read(&ours);
    let named = |name: &str| format!("{path} {name}").trim().to_owned();
    if ours.head != theirs.head {
        differences.insert(path.to_owned(), format!("{:?}, docker {:?}", ours.head, theirs.head));
    }
    let flags: BTreeSet<&String> = ours.flags.keys().chain(theirs.flags.keys()).collect();
    for flag in flags {
        let (our, their) = (ours.flags.get(flag), theirs.flags.get(flag));
        if our != their {
            differences.insert(named(flag), format!("{our:?}, docker {their:?}"));
        }
    }
    for command in ours.commands.difference(&theirs.commands) {
        differences.insert(named(command), "docker has no such command".to_owned());
    }
    for command in &theirs.commands {
        let path = named(command);
        let is_absent = ABSENT.iter().any(|absent| absent.words == path);
        match (is_absent, ours.commands.contains(command)) {
            (true, true) => drop(differences.insert(path, "absent, and there".to_owned())),
            (true, false) => {}
            (false, true) => Box::pin(walk(&path, differences)).await,
            (false, false) => drop(differences.insert(path, "only docker has it".to_owned())),
        }
    }
}

#[tokio::test]
async fn every_command_and_flag_is_dockers() {
    if docker(&["--version"], &[]).await.is_none() {
        eprintln!("skipped: no docker client 28.2 here");
        return;
    }
    let mut differences = BTreeMap::new();
    walk("", &mut differences).await;
    let meant: BTreeMap<&str, &str> = MEANT.into_iter().collect();
    let unmeant = differences.iter().filter(|(name, _)| !meant.contains_key(name.as_str()));
    let stale = meant.iter().filter(|(name, _)| !differences.contains_key(**name));
    let mut found: Vec<String> = unmeant.map(|(name, difference)| format!("{name}: {difference}")).collect();
    found.extend(stale.map(|(name, _)| format!("{name}: meant to differ, and does not")));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn what_only_docker_has_is_answered_with_what_to_do() {
    let ran = crate::testing::skep(&["container", "restart", "web.1.x"], &[]).await;
    assert_eq!(ran.code, 1);
    expect_test::expect![[r#"
        skep: unknown command: skep container restart

        Usage:  skep container

        Run 'skep container --help' for more information
        hint: containers of tasks are not restarted but replaced: "skep service update --force SERVICE"
    "#]]
    .assert_eq(&ran.err);
    // A command of docker's that is in no help, and one that nobody has.
    assert!(crate::testing::skep(&["run", "-it", "busybox"], &[]).await.err.contains("skep service create"));
    assert!(!crate::testing::skep(&["fly"], &[]).await.err.contains("hint"));
}
