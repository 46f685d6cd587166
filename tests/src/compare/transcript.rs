//! What came of a script, as data and as a file that people read in a review.
//!
//! ```text
//!   $ docker service inspect nobody
//!   | []
//!   ! Status: Error: no such service: nobody, Code: 1
//!   = 1
//! ```
//!
//! `|` is standard output, `!` standard error, `=` an exit code that is not 0.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// How `cargo xtask` is told to write the records again.
pub const REMEDY: &str = "record it with `cargo xtask compare --record`";

/// One command and what it answered, in lines of the file's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    pub answer: Vec<String>,
}

/// All commands of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    pub name: String,
    pub steps: Vec<Step>,
}

impl Transcript {
    fn path(name: &str) -> PathBuf {
        super::folder().join("recorded").join(format!("{name}.txt"))
    }

    /// Reads what dockerd answered.
    pub fn load(name: &str) -> Result<Self> {
        let path = Self::path(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}: {REMEDY}", path.display()))?;
        Self::parse(name, &text).with_context(|| path.display().to_string())
    }

    /// Writes what dockerd answered.
    pub fn save(&self) -> Result<()> {
        let path = Self::path(&self.name);
        fs::write(&path, self.render()).with_context(|| format!("cannot write {}", path.display()))
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let mut steps: Vec<Step> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), answer: Vec::new() }),
                (None, Some(step)) if line.starts_with(['|', '!', '=']) => step.answer.push(line.to_owned()),
                _ => bail!("line {}: neither a command nor an answer", at + 1),
            }
        }
        Ok(Self { name: name.to_owned(), steps })
    }

    /// Returns the text of the file.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            writeln!(text, "$ {}", step.command).expect("writing to a string cannot fail");
            for line in &step.answer {
                writeln!(text, "{line}").expect("writing to a string cannot fail");
            }
        }
        text
    }
}

/// Lists the records that no script asks for.
pub fn leftovers() -> Result<Vec<String>> {
    let known: Vec<String> = super::script::load(&[])?.into_iter().map(|script| script.name).collect();
    let mut leftovers = Vec::new();
    for entry in fs::read_dir(super::folder().join("recorded")).context("cannot list the records")? {
        let path = entry.context("cannot list the records")?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !known.contains(&name) {
            leftovers.push(format!("compare/recorded/{name}.txt answers no script: remove it"));
        }
    }
    Ok(leftovers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_was_written() {
        let text = "$ docker a\n| x\n|\n! no\n= 1\n$ docker b\n";
        let transcript = Transcript::parse("a", text).unwrap();
        assert_eq!(transcript.steps.len(), 2);
        assert_eq!(transcript.steps[0].answer, ["| x", "|", "! no", "= 1"]);
        assert_eq!(transcript.render(), text);
        assert!(Transcript::parse("a", "| x\n").is_err());
    }
}
