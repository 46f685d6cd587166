//! `docs/pitfalls.md`: every number has a test or says what is to come first, and every test named after a number
//! is listed there.

use std::collections::BTreeSet;
use std::path::Path;

use super::Finding;
use super::source::Source;

pub const PAGE: &str = "docs/pitfalls.md";

/// The numbers that the page must have.
fn numbers() -> impl Iterator<Item = Number> {
    let reported = (1..=18).map(|number| Number { kind: 's', number });
    let found = [1, 2, 5, 6].into_iter().chain(10..=44).map(|number| Number { kind: 'w', number });
    reported.chain(found)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    kind: char,
    number: u32,
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            's' => write!(f, "S{}", self.number),
            _ => write!(f, "W-{}", self.number),
        }
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row<'p> {
    line: usize,
    number: Number,
    tests: Vec<&'p str>,
    is_not_yet: bool,
}

/// The names in test files that begin with a number, as they are met.
#[derive(Default)]
pub struct Tests(BTreeSet<String>);

impl Tests {
    /// Takes in one file.
    pub fn add(&mut self, file: &Source) {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for word in file.code.split(|c| !is_part(c)).filter(|word| number_of(word).is_some()) {
            let at = word.as_ptr() as usize - file.code.as_ptr() as usize;
            if file.is_test(at) {
                self.0.insert(word.to_owned());
            }
        }
    }

    /// Compares them with the page.
    pub fn check(&self, page: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut report = |line, message: String| findings.push(Finding::new(Path::new(PAGE), line, message));
        let rows: Vec<Row<'_>> = rows(page).collect();
        for number in numbers().filter(|number| rows.iter().all(|row| row.number != *number)) {
            report(0, format!("{number} has no row"));
        }
        for row in &rows {
            if row.tests.is_empty() && !row.is_not_yet {
                report(row.line, format!("{} names neither a test nor `not yet: …`", row.number));
            }
            for test in row.tests.iter().filter(|test| !self.0.contains(**test)) {
                report(row.line, format!("{} names the test {test}, which does not exist", row.number));
            }
        }
        for test in &self.0 {
            let number = number_of(test).expect("only names with a number are kept");
            let is_listed = rows.iter().any(|row| row.number == number && row.tests.contains(&test.as_str()));
            if !is_listed {
                report(0, format!("the test {test} is not in the row of {number}"));
            }
        }
        findings
    }
}

/// Returns the number that a name like `s02_pulls_first` begins with.
fn number_of(name: &str) -> Option<Number> {
    let kind = name.chars().next().filter(|kind| ['s', 'w'].contains(kind))?;
    let digits = name.get(1..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let rest = name.get(3..)?;
    rest.starts_with('_').then_some(Number { kind, number: digits.parse().ok()? })
}

fn rows(page: &str) -> impl Iterator<Item = Row<'_>> {
    (1..).zip(page.lines()).filter_map(|(line, text)| {
        let cells: Vec<&str> = text.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
        let [number, _, _, tests] = cells[..] else { return None };
        let number = number.trim();
        let (kind, digits) = match number.strip_prefix("W-") {
            Some(digits) => ('w', digits),
            None => ('s', number.strip_prefix('S')?),
        };
        let number = Number { kind, number: digits.parse().ok()? };
        let is_not_yet = tests.trim().starts_with("not yet: ");
        let tests = if is_not_yet { Vec::new() } else { tests.split('`').skip(1).step_by(2).collect() };
        Some(Row { line, number, tests, is_not_yet })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(names: &[&str]) -> Tests {
        Tests(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Returns a page that has every number, but for the rows given.
    fn page(rows: &str) -> String {
        let given: Vec<_> = super::rows(rows).map(|row| row.number).collect();
        let others = numbers().filter(|number| !given.contains(number));
        let others: String = others.map(|number| format!("| {number} | a | b | not yet: c |\n")).collect();
        format!("| | x | y | test |\n|---|---|---|---|\n{rows}{others}")
    }

    fn findings(names: &[&str], rows: &str) -> Vec<String> {
        tests(names).check(&page(rows)).iter().map(|finding| finding.message.clone()).collect()
    }

    #[test]
    fn rows_and_tests_agree() {
        let row = "| S2 | it does | it does not | `s02_a`, `s02_b` |\n";
        assert!(findings(&["s02_a", "s02_b"], row).is_empty());
    }

    #[test]
    fn a_row_without_its_test_and_a_test_without_its_row_are_found() {
        let row = "| W-13 | it does | it does not | `w13_a` |\n| S3 | a | b | soon |\n";
        assert_eq!(
            findings(&["w13_b"], row),
            [
                "W-13 names the test w13_a, which does not exist",
                "S3 names neither a test nor `not yet: …`",
                "the test w13_b is not in the row of W-13",
            ]
        );
    }

    #[test]
    fn a_number_without_a_row_is_found() {
        let short = page("").replace("| S7 | a | b | not yet: c |\n", "");
        let findings = tests(&[]).check(&short);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "S7 has no row");
    }

    #[test]
    fn only_names_that_begin_with_a_number_are_taken_for_tests() {
        let names = ["s02_x", "w44_x", "slot", "s2_x", "with", "s02", "s100_x"];
        let taken: Vec<_> = names.into_iter().filter(|name| number_of(name).is_some()).collect();
        assert_eq!(taken, ["s02_x", "w44_x"]);
    }
}
