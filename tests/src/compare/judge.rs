//! Two transcripts of one script, line by line: what differs, and is not meant to.

use super::meant::{Meant, Place, Seen, Side, excuses};
use super::play::Client;
use super::transcript::{REMEDY, Step, Transcript};

/// What became of one script.
#[derive(Debug, Default)]
pub struct Verdict {
    /// One for each command that was answered otherwise, with the lines of both.
    pub complaints: Vec<String>,
}

/// Compares what Skep answered with what dockerd did.
///
/// `client` is who asked Skep.
pub fn judge(
    dockerd: &Transcript,
    (skep, client): (&Transcript, Client),
    meant: &[Meant],
    seen: &mut Seen,
) -> Verdict {
    let name = &skep.name;
    let commands = |transcript: &Transcript| -> Vec<String> {
        transcript.steps.iter().map(|step| step.command.clone()).collect()
    };
    if commands(dockerd) != commands(skep) {
        let complaint =
            format!("{name}: the script has changed since dockerd's answers were taken: {REMEDY}");
        return Verdict { complaints: vec![complaint] };
    }
    let mut verdict = Verdict::default();
    for (theirs, ours) in dockerd.steps.iter().zip(&skep.steps) {
        let place = Place { client, script: name, command: &ours.command };
        let left: Vec<String> = differences(theirs, ours)
            .into_iter()
            .filter(|(side, line)| !excuses(meant, seen, place, (*side, line)))
            .map(|(side, line)| match side {
                Side::Dockerd => format!("  - {line}"),
                Side::Skep => format!("  + {line}"),
            })
            .collect();
        if !left.is_empty() {
            verdict.complaints.push(format!("{name}: $ {}\n{}", ours.command, left.join("\n")));
        }
    }
    verdict
}

/// Returns the lines that only one of two answers has, in their order.
fn differences<'a>(dockerd: &'a Step, skep: &'a Step) -> Vec<(Side, &'a str)> {
    let (theirs, ours) = (&dockerd.answer, &skep.answer);
    // Length of the longest common subsequence of what begins at each pair of lines; answers have hundreds of lines
    // at most.
    let mut common = vec![vec![0usize; ours.len() + 1]; theirs.len() + 1];
    for (i, their) in theirs.iter().enumerate().rev() {
        for (j, our) in ours.iter().enumerate().rev() {
            common[i][j] = match their == our {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut found = Vec::new();
    while i < theirs.len() || j < ours.len() {
        if i < theirs.len() && j < ours.len() && theirs[i] == ours[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < theirs.len() && (j == ours.len() || common[i + 1][j] >= common[i][j + 1]) {
            found.push((Side::Dockerd, theirs[i].as_str()));
            i += 1;
        } else {
            found.push((Side::Skep, ours[j].as_str()));
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(answer: &[&str]) -> Transcript {
        let answer = answer.iter().map(|line| (*line).to_owned()).collect();
        Transcript { name: "a".into(), steps: vec![Step { command: "docker x".into(), answer }] }
    }

    #[test]
    fn lines_that_differ_are_shown_in_order() {
        let theirs = transcript(&["| a", "| b", "| c"]);
        let ours = transcript(&["| a", "| x", "| c", "= 1"]);
        let verdict = judge(&theirs, (&ours, Client::Docker), &[], &mut Seen::default());
        assert_eq!(verdict.complaints, ["a: $ docker x\n  - | b\n  + | x\n  + = 1"]);
        assert!(judge(&ours, (&ours, Client::Docker), &[], &mut Seen::default()).complaints.is_empty());
    }

    #[test]
    fn a_script_that_changed_asks_for_a_new_record() {
        let mut other = transcript(&[]);
        other.steps[0].command = "docker y".into();
        let verdict = judge(&transcript(&[]), (&other, Client::Docker), &[], &mut Seen::default());
        assert!(verdict.complaints[0].contains("--record"), "{verdict:?}");
    }
}
