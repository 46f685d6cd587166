//! Every request that people's tools send, and an answer with the same keys, types and nulls as dockerd's.

use std::collections::BTreeMap;

use skep_tests::cluster::PATIENCE;
use skep_tests::images::busybox;
use skep_tests::recorded::{
    self, Answer, Difference, MEANT, Meant, Question, SERVICE, ask, compare, questions,
};
use skep_tests::{Daemon, Engine, Look, Oracle, Registry, Sandbox, wait_for};

/// Runs the whole script against an engine that is a swarm of one.
fn run(engine: &mut Engine) -> Vec<(Question, Answer)> {
    let spec = serde_json::from_str(SERVICE).unwrap();
    engine.create_service(&spec).unwrap();
    let task = engine.wait_running("rec", 1, PATIENCE, |_| true).unwrap().remove(0);
    wait_for("the container to be healthy", PATIENCE, || {
        let container = engine.get(&format!("/containers/{}/json", task.container))?;
        let status = container["State"]["Health"]["Status"].clone();
        Ok(if status == "healthy" { Look::Done(()) } else { Look::NotYet(status.to_string()) })
    })
    .unwrap();
    let mut known = BTreeMap::new();
    let all = questions().into_iter();
    all.map(|question| (question, ask(engine, &question, &mut known).unwrap())).collect()
}

fn registry(sandbox: &Sandbox) -> Registry {
    let registry = Registry::start(sandbox).unwrap();
    registry.push(sandbox, &busybox().unwrap()).unwrap();
    let other = busybox().unwrap().named("other", "1").with("Labels", serde_json::json!({"other": "yes"}));
    registry.push(sandbox, &other).unwrap();
    registry
}

fn dockerd() -> Vec<(Question, Answer)> {
    let sandbox = Sandbox::new().unwrap();
    let _registry = registry(&sandbox);
    let (_oracle, mut engine) = Oracle::start(&sandbox).unwrap();
    run(&mut engine)
}

#[test]
fn answers_have_the_form_of_dockerds() {
    let sandbox = Sandbox::new().unwrap();
    let _registry = registry(&sandbox);
    let (_daemon, mut engine) = Daemon::start_cluster(&sandbox).unwrap();
    let mut complaints = Vec::new();
    let mut unseen: Vec<Meant> = MEANT.to_vec();
    for (question, answer) in run(&mut engine) {
        let expected = recorded::load(question.name).unwrap();
        if expected.status != answer.status {
            let (theirs, ours) = (expected.status, answer.status);
            complaints.push(format!("{}: dockerd {theirs}, skep {ours} {}", question.name, answer.body));
            continue;
        }
        let mut found = compare(&expected.body, &answer.body);
        if expected.content_type != answer.content_type {
            let what = format!("dockerd {:?}, skep {:?}", expected.content_type, answer.content_type);
            found.push(Difference { at: "type".to_owned(), what });
        }
        for difference in found {
            unseen.retain(|meant| !meant.covers(question.name, &difference.at));
            if !MEANT.iter().any(|meant| meant.covers(question.name, &difference.at)) {
                complaints.push(format!("{}: {difference}", question.name));
            }
        }
    }
    complaints.extend(unseen.iter().map(|meant| format!("is meant to differ and does not: {meant:?}")));
    assert!(complaints.is_empty(), "{} differences\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_recorded_answer_has_its_question() {
    recorded::check_leftovers().unwrap();
}

/// What is recorded is what dockerd answers; with `SKEP_RECORD=1` it is written anew.
#[test]
#[ignore = "needs dockerd: `make compare`"]
fn dockerd_still_answers_as_recorded() {
    let is_recording = std::env::var_os("SKEP_RECORD").is_some();
    let mut complaints = Vec::new();
    for (question, answer) in dockerd() {
        let answer = answer.normalised();
        if is_recording {
            recorded::save(question.name, &answer).unwrap();
            continue;
        }
        let expected = recorded::load(question.name).unwrap();
        if expected.status != answer.status || !compare(&expected.body, &answer.body).is_empty() {
            complaints.push(format!("{}: {answer:?}", question.name));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
