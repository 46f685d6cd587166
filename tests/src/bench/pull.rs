//! Pulling: an image of 300 MB in 12 layers, from a registry on the same machine to the moment when it is there.

use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};

use super::contender::Contender;
use super::row::Unit;
use super::{Rounds, Row, Subject};
use crate::images::{Entry, Image, Layer};

const NAME: &str = "large";
const TAG: &str = "1";
const LAYERS: u64 = 12;
/// How many files of how many bytes a layer has: 25 MB, most of them in few files, as in images that people make.
const FILES: [(u64, usize); 4] = [(1, 8_000_000), (10, 1_000_000), (50, 100_000), (500, 4_000)];
const FOLDERS: u64 = 20;

pub const SUBJECT: Subject = Subject {
    name: "pull",
    method: "An image of 12 layers with 561 files and 25 MB each, which gzip makes less than half of, in Debian's \
             docker-registry on the loopback interface. From the POST of `/images/create` to the end of its answer. \
             Before each round the image is removed and the disk is synced.",
    rows: &[Row {
        what: "pull and unpack of an image of 300 MB in 12 layers",
        unit: Unit::Seconds,
        ratio: Some(0.8),
        own: None,
    }],
    rounds: 3,
    start: |kind| {
        let contender = Contender::start(kind)?;
        contender.push(large()?)?;
        Ok(Box::new(Pull(contender)))
    },
};

struct Pull(Contender);

impl Rounds for Pull {
    fn round(&mut self) -> Result<Vec<f64>> {
        let engine = &mut self.0.engine;
        let image = format!("127.0.0.1:5000/{NAME}:{TAG}");
        // What one contender has written must not be brought to disk at the other's expense.
        rustix::fs::sync();
        let started = Instant::now();
        let path = format!("/images/create?fromImage=127.0.0.1:5000/{NAME}&tag={TAG}");
        let answer = engine.send("POST", &path, None)?;
        let lasted = started.elapsed();
        let told = answer.text();
        ensure!(answer.status == 200 && !told.contains("\"error\""), "pull: {} {told}", answer.status);
        let seen = engine.get(&format!("/images/{image}/json"))?;
        let layers = seen["RootFS"]["Layers"].as_array().map_or(0, Vec::len);
        ensure!(layers as u64 == LAYERS, "{layers} layers after the pull");
        let removed = engine.send("DELETE", &format!("/images/{image}?force=1"), None)?;
        ensure!(removed.status == 200, "remove: {} {}", removed.status, removed.text());
        Ok(vec![lasted.as_secs_f64()])
    }
}

/// Returns the image, which is made once.
fn large() -> Result<&'static Image> {
    static IMAGE: OnceLock<Result<Image, String>> = OnceLock::new();
    let made = IMAGE.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|error| anyhow!(error.clone())).context("cannot make the image")
}

fn make() -> Result<Image> {
    let mut image = Image::new(NAME, TAG);
    for layer in 0..LAYERS {
        let folder = |number: u64| format!("opt/layer-{layer}/{:02}", number % FOLDERS);
        let mut entries: Vec<Entry> =
            (0..FOLDERS).map(|number| Entry::folder(&format!("{}/", folder(number)))).collect();
        let mut number = 0;
        for (count, bytes) in FILES {
            for _ in 0..count {
                let content = content(layer << 32 | number, bytes);
                entries.push(Entry::file(&format!("{}/file-{number:03}", folder(number)), &content));
                number += 1;
            }
        }
        image = image.layer(Layer::of(entries)?);
    }
    Ok(image)
}

/// Returns bytes that are the same for the same seed, and that compress as programs do: some noise, some repetition.
fn content(seed: u64, length: usize) -> Vec<u8> {
    const WORDS: &[u8] =
        b"the bees of a straw hive build their combs side by side and seal what they have stored ";
    const BLOCK: usize = 512;
    const NOISE: usize = 160;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64: any generator does, as long as gzip finds nothing in it.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(length + BLOCK);
    while bytes.len() < length {
        (0..NOISE / 8).for_each(|_| bytes.extend_from_slice(&next().to_le_bytes()));
        bytes.extend(WORDS.iter().cycle().skip(seed as usize % WORDS.len()).take(BLOCK - NOISE));
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_reproducible_and_compresses_to_less_than_half() {
        let bytes = content(7, 100_000);
        assert_eq!(bytes, content(7, 100_000));
        assert_ne!(bytes, content(8, 100_000));
        let layer = Layer::of([Entry::file("x", &bytes)]).unwrap();
        assert!((30_000..50_000).contains(&layer.blob().len()), "{}", layer.blob().len());
    }
}
