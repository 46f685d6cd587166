//! Files stay readable: at 500 lines look for a second idea, and every module says what it is.

use super::Finding;
use super::source::Source;

/// Lines that a file may have.
const LINE_LIMIT: usize = 500;

/// Files that may be longer, each with the reason.
const LONGER: [(&str, &str); 0] = [];

/// Reports a file that is too long, or a module that does not say what it decides.
pub fn check(file: &Source) -> Vec<Finding> {
    check_with(file, &LONGER)
}

fn check_with(file: &Source, longer: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let line_count = file.text.lines().count();
    if line_count > LINE_LIMIT && !longer.iter().any(|(path, _)| file.path.as_os_str() == *path) {
        let message = format!("{line_count} lines, more than {LINE_LIMIT}: split it by idea");
        findings.push(Finding::new(&file.path, 0, message));
    }
    if !file.test && !file.text.contains("//!") {
        findings.push(Finding::new(
            &file.path,
            0,
            "no `//!` text: say what this module decides, and where to read next",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn file(line_count: usize, test: bool) -> Source {
        Source::new(Path::new("a/b.rs"), "//! x\n".repeat(line_count), test)
    }

    #[test]
    fn long_files_are_named_unless_listed() {
        assert!(check_with(&file(LINE_LIMIT, false), &[]).is_empty());
        assert_eq!(check_with(&file(LINE_LIMIT + 1, false), &[]).len(), 1);
        assert!(check_with(&file(LINE_LIMIT + 1, false), &[("a/b.rs", "one table")]).is_empty());
    }

    #[test]
    fn a_module_says_what_it_is_and_a_test_need_not() {
        assert_eq!(check_with(&file(0, false), &[]).len(), 1);
        assert!(check_with(&file(0, true), &[]).is_empty());
    }
}
