#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]
//! Skep from the outside: the unmodified docker client against a real daemon with real containers.
//!
//! One program, so that it links once. Read [`walkthrough`] first; the others take one idea each.

mod adoption;
mod alike;
mod api;
mod authority;
mod bad_requests;
mod bollard;
mod clients;
mod containers;
mod crashes;
mod differential;
mod discretion;
mod exec;
mod health;
mod holdings;
mod limits;
mod logs;
mod node;
mod people;
mod prometheus;
mod recorded;
mod registries;
mod rollouts;
mod rollouts_alike;
mod tls;
mod updates;
mod walkthrough;
