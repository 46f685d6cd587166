#![no_main]
#![forbid(unsafe_code)]
//! libFuzzer's way into [`skep_fuzz::targets::log`].

libfuzzer_sys::fuzz_target!(|input: &[u8]| skep_fuzz::targets::log(input));
