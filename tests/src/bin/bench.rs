#![forbid(unsafe_code)]
//! `make bench`: measures Skep against dockerd 20.10 and writes the page down.
//!
//!     bench [--only skep|dockerd] [--rounds N] [--replicas N] [--write FILE]
//!
//! Exits 0 when everything was measured, whether or not a target was met: the page says which were missed.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use skep_tests::bench::{Kind, Options, markdown, measure};

fn main() -> Result<()> {
    let (options, page) = parse(std::env::args().skip(1))?;
    let report = measure(&options, |line| eprintln!("bench: {line}"))?;
    println!("{}", report.table());
    if let Some(page) = page {
        std::fs::write(&page, markdown(&report)?)
            .with_context(|| format!("cannot write {}", page.display()))?;
        eprintln!("bench: wrote {}", page.display());
    }
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<(Options, Option<PathBuf>)> {
    let mut options = Options { kinds: vec![Kind::Skep, Kind::Dockerd], rounds: 5, replicas: 20 };
    let mut page = None;
    while let Some(flag) = words.next() {
        let value = words.next().with_context(|| format!("{flag} needs a value"))?;
        match (flag.as_str(), value.as_str()) {
            ("--only", "skep") => options.kinds = vec![Kind::Skep],
            ("--only", "dockerd") => options.kinds = vec![Kind::Dockerd],
            ("--rounds", _) => options.rounds = value.parse().context("--rounds is a number")?,
            ("--replicas", _) => options.replicas = value.parse().context("--replicas is a number")?,
            ("--write", _) => page = Some(PathBuf::from(value)),
            _ => bail!("usage: bench [--only skep|dockerd] [--rounds N] [--replicas N] [--write FILE]"),
        }
    }
    if page.is_some() && options.kinds.len() < 2 {
        bail!("a page compares two: --write and --only exclude each other");
    }
    Ok((options, page))
}
