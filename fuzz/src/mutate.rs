//! Makes new inputs out of those of a corpus: the same ones for the same seed.
//!
//! It knows no format. What a format's own words are it learns from the corpus: everything between quotes, and every
//! run of letters and digits, is put into other places, beside numbers and pieces of paths that parsers stumble over.

use std::collections::BTreeSet;

/// Longest input made, in bytes; what a bound of the product guards against is found with less.
const INPUT_LEN_MAX: usize = 64 << 10;
/// Changes to one input.
const CHANGES_MAX: usize = 8;
/// Longest word taken from a corpus.
const WORD_LEN_MAX: usize = 64;

/// What no corpus has to name.
const WORDS: [&[u8]; 24] = [
    b"0",
    b"-1",
    b"255",
    b"65536",
    b"2147483648",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"1e400",
    b"0.5",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"..",
    b"../",
    b"/",
    b"//",
    b"\\u0000",
    b"\xff\xfe",
    b"{{",
    b"}}",
    b"%00",
    b"\xf0\x9f\x90\x9d",
];

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Returns a number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).expect("it is below a length")
    }
}

/// An endless row of inputs.
pub struct Mutator {
    random: Random,
    corpus: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Mutator {
    /// Begins the row of a seed.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        let mut words: BTreeSet<Vec<u8>> = WORDS.iter().map(|word| word.to_vec()).collect();
        for input in &corpus {
            let parts =
                input.split(|byte| !byte.is_ascii_alphanumeric()).chain(input.split(|byte| *byte == b'"'));
            words.extend(parts.filter(|word| (1..=WORD_LEN_MAX).contains(&word.len())).map(<[u8]>::to_vec));
        }
        Self { random: Random(seed), corpus, words: words.into_iter().collect() }
    }

    /// Returns the next input.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.any_input();
        for _ in 0..=self.random.below(CHANGES_MAX) {
            self.change(&mut input);
        }
        input.truncate(INPUT_LEN_MAX);
        input
    }

    fn any_input(&mut self) -> Vec<u8> {
        let at = self.random.below(self.corpus.len());
        self.corpus.get(at).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.below(input.len() + 1);
        let until = (at + 1 + random.below(16)).min(input.len()).max(at);
        match random.below(10) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = u8::try_from(random.below(256)).expect("it is below 256"),
            2 => drop(input.drain(at..until)),
            3 => input.truncate(at),
            4 => {
                // A piece again, often: what is nested or listed has a bound somewhere.
                let piece = input[at..until].repeat(1 + random.below(64));
                drop(input.splice(at..at, piece));
            }
            5 | 6 => {
                let word = self.words[self.random.below(self.words.len())].clone();
                drop(input.splice(at..at, word));
            }
            7 | 8 => self.replace_word(input, at),
            _ => {
                let other = self.any_input();
                let from = self.random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }

    /// Puts another word in the place of the one at `at`, so that what surrounds it keeps its form.
    fn replace_word(&mut self, input: &mut Vec<u8>, at: usize) {
        let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let begin = at - input[..at].iter().rev().take_while(is_word).count();
        let end = at + input[at..].iter().take_while(is_word).count();
        let word = self.words[self.random.below(self.words.len())].clone();
        drop(input.splice(begin..end, word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_row_of_inputs() {
        let corpus = || vec![br#"{"name":"a"}"#.to_vec(), b"tar".to_vec()];
        let row = |seed| {
            let mut mutator = Mutator::new(seed, corpus());
            (0..500).map(|_| mutator.next()).collect::<Vec<_>>()
        };
        assert_eq!(row(1), row(1));
        assert_ne!(row(1), row(2));
        assert!(row(3).iter().all(|input| input.len() <= INPUT_LEN_MAX));
    }

    #[test]
    fn an_empty_corpus_is_a_corpus() {
        let mut mutator = Mutator::new(1, Vec::new());
        assert!((0..200).map(|_| mutator.next()).any(|input| !input.is_empty()));
    }
}
