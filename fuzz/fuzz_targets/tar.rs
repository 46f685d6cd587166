#![no_main]
#![forbid(unsafe_code)]
//! libFuzzer's way into [`skep_fuzz::targets::tar`].

libfuzzer_sys::fuzz_target!(|input: &[u8]| skep_fuzz::targets::tar(input));
