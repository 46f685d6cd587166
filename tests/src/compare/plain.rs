//! Replaces what no two runs share (ids, times, sizes, addresses) and what no reader sees (the order of JSON's keys,
//! the width of columns), so that what is left can be compared line by line.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;
use serde_json::Value;

use crate::engine::Engine;

/// Where objects are listed, and what stands for an id of theirs.
const LISTS: [(&str, &str); 5] = [
    ("/services", "<service>"),
    ("/tasks", "<task>"),
    ("/nodes", "<node>"),
    ("/containers/json?all=1", "<container>"),
    ("/networks", "<network>"),
];

/// Letters of an id that clients print where they shorten it.
const SHORT: usize = 12;

/// Keys of JSON whose numbers tell of the machine or of the moment.
const DRAWN: [&str; 12] = [
    "Pid",
    "PID",
    "Index",
    "Size",
    "VirtualSize",
    "SharedSize",
    "SizeRw",
    "SizeRootFs",
    "NCPU",
    "MemTotal",
    "LayersSize",
    "UniqueSize",
];

/// Patterns that are replaced, in this order.
static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = [
        (r"SWM(TKN|KEY)-1-[0-9a-zA-Z+/-]+", "SWM$1-<secret>"),
        (r"(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", "<certificate>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:?\d\d( UTC)?)?", "<time>"),
        (
            r"(?i)\b((about|less than) )?(\d+|a|an) (second|minute|hour|day|week|month|year)s?( ago)?\b",
            "<while>",
        ),
        (r"sha256:[0-9a-f]{64}", "sha256:<hex>"),
        (r"\b([0-9a-f]{64}|[0-9a-f]{12})\b", "<hex>"),
        // No list has it, so it is the id of the cluster or of an object that is gone.
        (r"\b[0-9a-z]{25}\b", "<id>"),
        (r"(Key|Public Key|Subject)(\W+)M[FB][0-9A-Za-z+/]{10,}=*", "$1$2<key>"),
        (r"<folder>/(docker|data)/", "<folder>/<data>/"),
        (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "<mac>"),
        (r"\b172\.(1[6-9]|2\d|3[01])\.\d+\.\d+\b", "<address>"),
        (r"\b\d+(\.\d+)?( ?)(kB|MB|GB)\b", "<size>"),
        // Only machines have so much.
        (r"\b\d+(\.\d+)?GiB\b", "<memory>"),
        (r"\b\d+\.\d+%", "<percent>"),
        (r":(3[2-9]|4\d|5\d|6[0-5])\d{3}\b", ":<port>"),
    ];
    let compile = |(pattern, plain)| (Regex::new(pattern).expect("a pattern of ours is right"), plain);
    rules.map(compile).into()
});

/// Lines of the progress display: how many of them there are is a matter of time.
static PROGRESS: LazyLock<Regex> = LazyLock::new(|| {
    let services =
        r"overall progress: |verify: (Waiting|Detected)|\d+/\d+: |<node>: |job progress: |active tasks: ";
    let layers = r"<hex>: (Waiting|Verifying|Download|Extracting)";
    Regex::new(&format!("^({services}|{layers})")).expect("a pattern of ours is right")
});

/// The ids that an engine has drawn so far, and other words of this run alone.
#[derive(Debug)]
pub struct Names {
    words: BTreeMap<String, &'static str>,
    folder: String,
}

impl Names {
    /// Begins with the name of this machine and the folder of a sandbox.
    pub fn new(folder: &Path) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut words = BTreeMap::from([(host, "<host>")]);
        words.extend(memory_bytes().map(|bytes| (bytes.to_string(), "<memory>")));
        Self { words, folder: folder.display().to_string() }
    }

    /// Asks an engine for the ids of all it has.
    pub fn learn(&mut self, engine: &mut Engine) -> Result<()> {
        for (path, plain) in LISTS {
            // No node is part of a swarm before `swarm init`, and then most of these lists are refused.
            let response = engine.send("GET", path, None)?;
            if response.status != 200 {
                continue;
            }
            let list: Value =
                serde_json::from_slice(&response.body).with_context(|| format!("{path} is no JSON"))?;
            for object in list.as_array().into_iter().flatten() {
                let id = object["ID"].as_str().or_else(|| object["Id"].as_str());
                let id = id.with_context(|| format!("an object of {path} has no id"))?;
                self.words.insert(id.to_owned(), plain);
                if let Some(short) = id.get(..SHORT) {
                    self.words.insert(short.to_owned(), plain);
                }
            }
        }
        Ok(())
    }

    /// Returns the lines of what a command printed, each with the sign of its stream.
    pub fn lines(&self, sign: char, printed: &str) -> Vec<String> {
        let text = match serde_json::from_str::<Value>(printed) {
            Ok(value) if value.is_object() || value.is_array() => pretty(&value),
            _ => printed.to_owned(),
        };
        let text = self.plain(&text);
        let lines = text.lines().filter(|line| !PROGRESS.is_match(line));
        lines.map(|line| format!("{sign} {}", squeeze(&one_object(line))).trim_end().to_owned()).collect()
    }

    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.folder, "<folder>");
        let mut plain = String::with_capacity(text.len());
        let is_part = |letter: char| letter.is_ascii_alphanumeric();
        for word in text.split_inclusive(|letter| !is_part(letter)) {
            let end = word.trim_end_matches(|letter| !is_part(letter)).len();
            plain.push_str(self.words.get(&word[..end]).copied().unwrap_or(&word[..end]));
            plain.push_str(&word[end..]);
        }
        for (pattern, replacement) in RULES.iter() {
            plain = pattern.replace_all(&plain, *replacement).into_owned();
        }
        plain
    }
}

/// The memory of this machine, which nodes tell of.
fn memory_bytes() -> Option<u64> {
    let facts = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = facts.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Writes a line that is a JSON object in itself (`--format json`) with its keys in order.
fn one_object(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(value) if value.is_object() || value.is_array() => without_drawn(&value).to_string(),
        _ => line.to_owned(),
    }
}

/// Writes JSON with its keys in order.
fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(&without_drawn(value)).expect("JSON can be written")
}

fn without_drawn(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_drawn).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| {
                let is_drawn =
                    DRAWN.contains(&key.as_str()) && field.as_i64().is_some_and(|number| number != 0);
                (key.clone(), if is_drawn { Value::from("<number>") } else { without_drawn(field) })
            })
            .collect(),
        plain => plain.clone(),
    }
}

/// Makes each run of blanks behind the first word two blanks, as narrow as columns get.
fn squeeze(line: &str) -> String {
    let text = line.trim_start();
    let mut squeezed = line[..line.len() - text.len()].to_owned();
    let mut blanks = 0;
    for letter in text.chars() {
        if letter == ' ' {
            blanks += 1;
            continue;
        }
        squeezed.push_str(&"  "[..blanks.min(2)]);
        blanks = 0;
        squeezed.push(letter);
    }
    squeezed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(printed: &str) -> Vec<String> {
        let words = [("w6kn3x5j7q8r9s0t1u2v3w4x5", "<task>"), ("w6kn3x5j7q8r", "<task>"), ("farm", "<host>")];
        let words = words.into_iter().map(|(word, plain)| (word.to_owned(), plain)).collect();
        Names { words, folder: "/tmp/skep-t1".into() }.lines('|', printed)
    }

    #[test]
    fn what_a_run_draws_is_replaced() {
        for (printed, plain) in [
            ("web.1.w6kn3x5j7q8r9s0t1u2v3w4x5 farm", "web.1.<task> <host>"),
            ("w6kn3x5j7q8r   farmer", "<task>  farmer"),
            ("Running 12 seconds ago", "Running <while>"),
            ("Up Less than a second (healthy)", "Up <while> (healthy)"),
            ("2026-01-02T03:04:05.123456789Z x", "<time> x"),
            ("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256:<hex>"),
            ("e3b0c44298fc", "<hex>"),
            ("172.17.0.2 10.1.2.3 127.0.0.1", "<address> 10.1.2.3 127.0.0.1"),
            ("1.24MB 64MiB", "<size> 64MiB"),
            ("/tmp/skep-t1/desk", "<folder>/desk"),
            ("overall progress: 1 out of 2 tasks", ""),
        ] {
            assert_eq!(lines(printed).join("\n").trim_start_matches("| "), plain, "{printed}");
        }
    }

    #[test]
    fn what_a_person_chose_stays() {
        for text in ["decade", "8080->80/tcp", "acceptable", "sleep 600", "0.5 2s", "beeffeed", "2.5.1"] {
            assert_eq!(lines(text), [format!("| {text}")]);
        }
    }

    #[test]
    fn json_is_written_in_the_order_of_its_keys() {
        assert_eq!(
            lines("[{\"b\": 1, \"a\": {\"Pid\": 7}}]").join(""),
            lines("[{\"a\":{\"Pid\":8},\"b\":1}]").join("")
        );
        assert_eq!(
            lines("{\"b\":1,\"a\":2}\n{\"d\":1,\"c\":2}\n"),
            ["| {\"a\":2,\"b\":1}", "| {\"c\":2,\"d\":1}"]
        );
        assert_eq!(lines("[]\n"), ["| []"]);
    }
}
