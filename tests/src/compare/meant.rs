//! Differences that are meant: `tests/compare/differences.txt`, each with its reason.
//!
//! ```text
//!   # A volume without a name is marked, as in later versions of Docker.
//!   volumes, mounts: docker volume inspect *
//!   - | "Labels": null*
//!   + | "com.docker.volume.anonymous": ""
//! ```
//!
//! `skep/volumes` is that script with `skep` typed in place of docker's client, to which the paragraphs of `volumes` apply as
//! well. A paragraph names scripts and commands, then the lines of dockerd (`-`) and of Skep (`+`) that may differ there, as
//! they stand in a transcript without the blanks that indent them; a star stands for anything. A line that excuses
//! nothing any more is an error, so that the list stays true.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::play::Client;

/// Name of the list, without its ending.
pub const NAME: &str = "differences";

/// Begins the name of a script when it was `skep` that was typed.
const OF_SKEP: &str = "skep/";

/// Whose line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Dockerd,
    Skep,
}

/// One paragraph.
#[derive(Debug, Clone)]
pub struct Meant {
    /// The line at which it begins.
    at: usize,
    scripts: Vec<String>,
    command: String,
    lines: Vec<(Side, String)>,
}

/// Which lines of which paragraphs excused something.
#[derive(Debug, Default)]
pub struct Seen(BTreeSet<(usize, usize)>);

impl Seen {
    /// Names the lines that excused nothing, among those that are about this client.
    pub fn stale(&self, meant: &[Meant], client: Client) -> Vec<String> {
        let mut stale = Vec::new();
        for (paragraph, entry) in meant.iter().enumerate() {
            let is_own = entry.scripts.iter().all(|script| script.starts_with(OF_SKEP));
            if is_own != (client == Client::Skep) {
                continue;
            }
            for (line, (_, pattern)) in entry.lines.iter().enumerate() {
                if !self.0.contains(&(paragraph, line)) {
                    let at = entry.at;
                    stale.push(format!("{NAME}.txt:{at}: nothing differs like this any more: {pattern}"));
                }
            }
        }
        stale
    }
}

/// A command of a script, and who typed it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub client: Client,
    pub script: &'a str,
    pub command: &'a str,
}

/// Tells whether a difference is meant, and remembers by which lines it is.
pub fn excuses(meant: &[Meant], seen: &mut Seen, place: Place<'_>, (side, line): (Side, &str)) -> bool {
    let Place { client, script, command } = place;
    let line = without_indent(line);
    let names_it = |pattern: &String| match pattern.strip_prefix(OF_SKEP) {
        Some(pattern) => client == Client::Skep && matches(pattern, script),
        None => matches(pattern, script),
    };
    let mut is_excused = false;
    for (paragraph, entry) in meant.iter().enumerate() {
        let is_about = entry.scripts.iter().any(names_it);
        if !is_about || !matches(&entry.command, command) {
            continue;
        }
        for (at, (whose, pattern)) in entry.lines.iter().enumerate() {
            if *whose == side && matches(pattern, &line) {
                seen.0.insert((paragraph, at));
                is_excused = true;
            }
        }
    }
    is_excused
}

/// Takes away the blanks between the sign of the stream and the text.
fn without_indent(line: &str) -> String {
    let (sign, text) = line.split_at(1.min(line.len()));
    format!("{sign} {}", text.trim_start()).trim_end().to_owned()
}

/// Tells whether a text is as a pattern says, in which a star stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().expect("a split has a first part");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Reads the list.
pub fn load() -> Result<Vec<Meant>> {
    let path = super::folder().join(format!("{NAME}.txt"));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Vec<Meant>> {
    let mut meant: Vec<Meant> = Vec::new();
    let mut has_reason = false;
    let mut is_open = false;
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        if line.trim().is_empty() {
            (has_reason, is_open) = (false, false);
        } else if line.starts_with('#') {
            has_reason = true;
        } else if let Some((side, pattern)) = pattern(line) {
            ensure!(is_open, "line {at}: no script is named above");
            meant.last_mut().expect("a paragraph is open").lines.push((side, pattern));
        } else if let Some((scripts, command)) = line.split_once(": ") {
            ensure!(has_reason, "line {at}: why is this meant? Say it above, behind a #");
            let scripts = scripts.split(", ").map(str::to_owned).collect();
            meant.push(Meant { at, scripts, command: command.to_owned(), lines: Vec::new() });
            is_open = true;
        } else {
            bail!("line {at}: neither a reason, nor scripts and a command, nor a line of one side");
        }
    }
    match meant.iter().find(|entry| entry.lines.is_empty()) {
        Some(entry) => bail!("line {}: no line may differ", entry.at),
        None => Ok(meant),
    }
}

fn pattern(line: &str) -> Option<(Side, String)> {
    let side = match line.get(..2)? {
        "- " => Side::Dockerd,
        "+ " => Side::Skep,
        _ => return None,
    };
    Some((side, line[2..].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# why\na, b: docker x *\n- | one *\n+ ! two\n\n# because\n*: *\n+ | z\n";

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text) in [("*", "a"), ("a*", "a"), ("a*c", "abc"), ("*b*d", "abcd"), ("a", "a")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "ab"), ("*b", "ba"), ("ab*b", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_meant_is_excused_and_nothing_else() {
        let meant = parse(LIST).unwrap();
        let mut seen = Seen::default();
        let mut excused = |script, command, side, line| {
            let place = Place { client: Client::Docker, script, command };
            excuses(&meant, &mut seen, place, (side, line))
        };
        assert!(excused("a", "docker x y", Side::Dockerd, "|    one two"));
        assert!(excused("b", "docker x y", Side::Skep, "! two"));
        assert!(excused("c", "docker q", Side::Skep, "| z"));
        assert!(!excused("c", "docker x y", Side::Dockerd, "| one two"));
        assert!(!excused("a", "docker y", Side::Skep, "! two"));
        assert!(!excused("a", "docker x y", Side::Skep, "| one two"));
        assert!(seen.stale(&meant, Client::Docker).is_empty());
    }

    #[test]
    fn a_line_that_excuses_nothing_is_named() {
        let meant = parse(LIST).unwrap();
        let stale = Seen::default().stale(&meant, Client::Docker);
        assert_eq!(stale[0], "differences.txt:2: nothing differs like this any more: | one *");
        assert_eq!(stale.len(), 3);
    }

    #[test]
    fn what_is_meant_of_skep_excuses_no_client_of_dockers() {
        let meant = parse("# why\nskep/a: docker x\n+ | z\n").unwrap();
        let mut seen = Seen::default();
        let mut excused = |client| {
            let place = Place { client, script: "a", command: "docker x" };
            excuses(&meant, &mut seen, place, (Side::Skep, "| z"))
        };
        assert!(!excused(Client::Docker));
        assert!(excused(Client::Skep));
        let unseen = Seen::default();
        assert!(unseen.stale(&meant, Client::Docker).is_empty());
        assert_eq!(unseen.stale(&meant, Client::Skep).len(), 1);
    }

    #[test]
    fn every_paragraph_has_its_reason() {
        for text in ["a: b\n- | x\n", "# why\n- | x\n", "# why\na: b\n", "# why\n\na: b\n- | x\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
