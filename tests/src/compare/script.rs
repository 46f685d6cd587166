//! Scripts: what a person types, one command a line.
//!
//! ```text
//!   # a comment
//!   docker service create -d --name web --replicas 2 localhost:5000/busybox:1 sleep 600
//!   until 2/2 docker service ls --format '{{.Replicas}}'
//!   docker service ls
//! ```
//!
//! A line is given to a shell, so pipes and `$(docker ps -q)` work. `until TEXT COMMAND` repeats a command until it
//! prints the text and nothing else, and is no part of what is compared; a text with blanks stands in quotes.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Typed, and its answer compared.
    Typed(String),
    /// Typed again and again until it prints `wanted`.
    Until { wanted: String, command: String },
}

/// What is typed in one cluster, from its beginning to its end.
#[derive(Debug, Clone)]
pub struct Script {
    /// Of its file, without the ending.
    pub name: String,
    pub lines: Vec<Line>,
}

impl Script {
    fn parse(name: &str, text: &str) -> Result<Self> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parsed = parse_line(line).with_context(|| format!("compare/{name}.txt:{}", at + 1))?;
            lines.push(parsed);
        }
        ensure!(!lines.is_empty(), "compare/{name}.txt types nothing");
        Ok(Self { name: name.to_owned(), lines })
    }
}

fn parse_line(line: &str) -> Result<Line> {
    let Some(rest) = line.strip_prefix("until ") else {
        return Ok(Line::Typed(line.to_owned()));
    };
    let parts = match rest.strip_prefix('\'') {
        Some(quoted) => quoted.split_once("' "),
        None => rest.split_once(' '),
    };
    match parts {
        Some((wanted, command)) if !command.trim().is_empty() => {
            Ok(Line::Until { wanted: wanted.to_owned(), command: command.trim().to_owned() })
        }
        _ => bail!("`until` needs a text and a command"),
    }
}

/// Reads every script, or those with the given names, in the order of their names.
pub fn load(names: &[String]) -> Result<Vec<Script>> {
    let folder = super::folder();
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry.context("cannot list the scripts")?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Beside the scripts lies the list of what is meant to differ.
        if path.extension().is_some_and(|ending| ending == "txt") && name != super::meant::NAME {
            found.push((name, path));
        }
    }
    found.sort();
    for name in names {
        ensure!(found.iter().any(|(known, _)| known == name), "there is no script {name}");
    }
    found.retain(|(name, _)| names.is_empty() || names.contains(name));
    let read = |(name, path): (String, _)| {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read compare/{name}.txt"))?;
        Script::parse(&name, &text)
    };
    found.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_typed_or_waited_for() {
        let script = Script::parse(
            "a",
            "# x\n\ndocker ps | wc -l\nuntil 2/2 docker a\nuntil 'a b' docker c 'd'\nuntil '' docker e\n",
        )
        .unwrap();
        let until =
            |wanted: &str, command: &str| Line::Until { wanted: wanted.into(), command: command.into() };
        assert_eq!(
            script.lines,
            [
                Line::Typed("docker ps | wc -l".into()),
                until("2/2", "docker a"),
                until("a b", "docker c 'd'"),
                until("", "docker e"),
            ]
        );
    }

    #[test]
    fn half_a_wait_is_named() {
        let error = Script::parse("a", "\nuntil 2/2\n").unwrap_err();
        assert_eq!(format!("{error:#}"), "compare/a.txt:2: `until` needs a text and a command");
    }
}
