#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]
//! A few seconds of each target, in a process of its own: one that hangs or takes all memory is ended and named.

use std::process::Command;

/// Seconds for one target; the corpus alone takes less than one.
const SECONDS: &str = "3";

fn short(target: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_skep-fuzz")).args([target, SECONDS]).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{target}: {}\n{said}", output.status);
    print!("{said}");
}

#[test]
fn archive() {
    short("archive");
}

#[test]
fn body() {
    short("body");
}

#[test]
fn frames() {
    short("frames");
}

#[test]
fn layer() {
    short("layer");
}

#[test]
fn log() {
    short("log");
}

#[test]
fn manifest() {
    short("manifest");
}

#[test]
fn query() {
    short("query");
}

#[test]
fn tar() {
    short("tar");
}
