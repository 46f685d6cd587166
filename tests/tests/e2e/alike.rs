//! Commands as people type them, and what dockerd 20.10 answered, word by word.

use skep_tests::compare::{Client, Host, complaints, play_all, script, transcript};

/// What dockerd answers was written down (`tests/compare/recorded/`), so that this needs no dockerd.
#[test]
fn commands_are_answered_as_by_dockerd() {
    let scripts = script::load(&[]).unwrap();
    let client = Client::at_hand().unwrap();
    let skep = play_all(&scripts, Host::Skep, client);
    let complaints = complaints(&skep, client, true).unwrap();
    assert!(complaints.is_empty(), "{} differences\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_record_has_its_script() {
    assert!(transcript::leftovers().unwrap().is_empty());
}
