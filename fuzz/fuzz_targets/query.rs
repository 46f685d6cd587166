#![no_main]
#![forbid(unsafe_code)]
//! libFuzzer's way into [`skep_fuzz::targets::query`].

libfuzzer_sys::fuzz_target!(|input: &[u8]| skep_fuzz::targets::query(input));
