//! A program of this machine with the shared libraries it needs, as entries of a layer.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::layer::Entry;
use crate::process::run;

/// Returns `program` as `target` in the image, with its libraries.
///
/// Libraries in `own` come before those of the machine. They go to `/lib`, where every loader looks; the
/// loader itself goes where the program expects it.
pub fn with_libraries(program: &Path, target: &str, own: Option<&Path>) -> Result<Vec<Entry>> {
    let mut command = Command::new("ldd");
    command.arg(program).env("LC_ALL", "C");
    if let Some(own) = own {
        command.env("LD_LIBRARY_PATH", own);
    }
    let output = run(&mut command, Duration::from_secs(10))?;
    let listing = format!("{}{}", output.stdout, output.stderr);
    let mut entries = vec![Entry::program(target, &read(program)?)];
    if output.code != Some(0) && listing.contains("not a dynamic executable") {
        return Ok(entries);
    }
    ensure!(output.code == Some(0), "ldd {}: {listing}", program.display());
    for library in libraries(&listing)? {
        entries.push(Entry::program(&library.target, &read(Path::new(&library.source))?));
    }
    Ok(entries)
}

#[derive(Debug, PartialEq, Eq)]
struct Library {
    source: String,
    target: String,
}

/// Reads what `ldd` prints: `NAME => PATH (ADDRESS)`, and the loader as `PATH (ADDRESS)`.
fn libraries(listing: &str) -> Result<Vec<Library>> {
    let mut found = Vec::new();
    for line in listing.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, "=>", "not", "found"] => {
                anyhow::bail!("{name} is missing on this machine: run `make setup`")
            }
            [name, "=>", path, _] => {
                found.push(Library { source: (*path).to_owned(), target: format!("lib/{name}") });
            }
            [path, _] if path.starts_with('/') => {
                found.push(Library {
                    source: (*path).to_owned(),
                    target: path.trim_start_matches('/').to_owned(),
                });
            }
            // The kernel's own library has no file.
            _ => {}
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}: run `make setup`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_listing_of_ldd() {
        let listing = "\tlinux-vdso.so.1 (0x00007f8f)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f8f)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f8f)\n";
        let library = |source: &str, target: &str| Library { source: source.into(), target: target.into() };
        assert_eq!(
            libraries(listing).unwrap(),
            [
                library("/lib/x86_64-linux-gnu/libm.so.6", "lib/libm.so.6"),
                library("/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"),
            ]
        );
        assert!(libraries("libx.so => not found").unwrap_err().to_string().contains("make setup"));
    }
}
