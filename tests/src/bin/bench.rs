#![forbid(unsafe_code)]
//! `make bench`: measures Skep against dockerd 20.10 and writes the page down.
//!
//!     bench [--only SUBJECT]… [--engine skep|dockerd] [--rounds N] [--write FILE]
//!
//! Exits 0 when everything was measured, whether or not a target was met: the page says which were missed.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use skep_tests::bench::{Kind, Options, SUBJECTS, chatter, measure, page};

const USAGE: &str = "usage: bench [--only SUBJECT]... [--engine skep|dockerd] [--rounds N] [--write FILE]";

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == chatter::COMMAND).is_some() {
        return chatter::run(words);
    }
    let (options, target) = parse(words)?;
    let report = measure(&options, |line| eprintln!("bench: {line}"))?;
    println!("{}", report.table());
    if let Some(path) = target {
        let old =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        std::fs::write(&path, page(&report, &old)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("bench: wrote {}", path.display());
    }
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<(Options, Option<PathBuf>)> {
    let mut options = Options { kinds: vec![Kind::Skep, Kind::Dockerd], subjects: Vec::new(), rounds: None };
    let mut target = None;
    while let Some(flag) = words.next() {
        let value = words.next().with_context(|| format!("{flag} needs a value; {USAGE}"))?;
        match (flag.as_str(), value.as_str()) {
            ("--only", name) => {
                let subject = SUBJECTS.into_iter().find(|subject| subject.name == name);
                let names = || SUBJECTS.map(|subject| subject.name).join(", ");
                options.subjects.push(subject.with_context(|| format!("--only: one of {}", names()))?);
            }
            ("--engine", "skep") => options.kinds = vec![Kind::Skep],
            ("--engine", "dockerd") => options.kinds = vec![Kind::Dockerd],
            ("--rounds", _) => options.rounds = Some(value.parse().context("--rounds is a number")?),
            ("--write", _) => target = Some(PathBuf::from(value)),
            _ => bail!(USAGE),
        }
    }
    if target.is_some() && (options.kinds.len() < 2 || !options.subjects.is_empty()) {
        bail!("a page has every subject of both engines: --write excludes --only and --engine");
    }
    if options.subjects.is_empty() {
        options.subjects = SUBJECTS.to_vec();
    }
    Ok((options, target))
}
