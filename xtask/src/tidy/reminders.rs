//! What must not be left behind: silenced lints, notes to oneself, debug prints and bare `unwrap`.

use super::Finding;
use super::source::{Source, occurrences};

/// Words of a note that nobody will read again.
const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Reports leftovers in one file.
pub fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found =
        |at: usize, message: &str| findings.push(Finding::new(&file.path, file.line(at), message));
    for attribute in ["#[allow(", "#![allow("] {
        for (at, _) in file.code.match_indices(attribute) {
            found(at, "`allow` hides a lint for ever: use `#[expect(…, reason = \"…\")]`");
        }
    }
    for note in NOTES {
        for at in occurrences(&file.comments, note) {
            found(at, "a note without a plan behind it: open an issue or do it");
        }
    }
    for at in file.words("dbg!") {
        found(at, "`dbg!` left behind: use tracing");
    }
    for (at, _) in file.code.match_indices(".unwrap()").filter(|(at, _)| !file.is_test(*at)) {
        found(at, "bare `unwrap`: use `expect(\"why this cannot happen\")` or return the error");
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn lines(text: &str) -> Vec<usize> {
        check(&Source::new(Path::new("x.rs"), text.to_owned(), false))
            .iter()
            .map(|found| found.line)
            .collect()
    }

    #[test]
    fn leftovers_are_found() {
        let note = NOTES[0];
        assert_eq!(
            lines(&format!("a.unwrap();\n// {note}: later\n#[allow(dead_code)]\ndbg!(x);")),
            [3, 2, 4, 1]
        );
    }

    #[test]
    fn tests_may_unwrap_and_strings_may_say_anything() {
        assert!(lines("#[cfg(test)]\nmod tests { fn a() { b.unwrap() } }").is_empty());
        assert!(lines("let a = \"#[allow(x)] .unwrap() dbg!\"; b.unwrap_or(1);").is_empty());
    }
}
