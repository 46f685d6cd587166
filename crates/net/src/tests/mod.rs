//! The data plane against the real kernel. Needs root, and `nft` to read back what was programmed.
//!
//! Every test plays in a network namespace and a mount namespace of its own ([`scratch`]), which vanish
//! with its thread; the machine that runs the tests is not touched and tests run side by side.

mod attachments;
mod conflicts;
mod ports;
mod rules;
mod scratch;
mod traffic;
