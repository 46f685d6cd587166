//! Where the output of a task goes: Docker's log drivers `json-file`, `local` and `none` with their options.
//!
//! The driver is kept as it was given, for inspect; [`LogDriver::settings`] says what it means, or why it
//! means nothing. The node asks the same question again, so that the two can never differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A driver and its options, as given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogDriver {
    /// Empty: the node's default, which is `json-file`.
    pub name: String,
    pub options: BTreeMap<String, String>,
}

/// What becomes of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSettings {
    /// Nothing is kept, and nothing can be read.
    None,
    Files(LogFiles),
}

/// Bounds of the log files, and what is noted with each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFiles {
    /// A file that would grow beyond it is rotated; `None`: never.
    pub size_bytes_max: Option<u64>,
    /// Files kept, the current one included; at least 1.
    pub file_count_max: u32,
    pub extra: LogExtra,
}

/// What is noted with each line, shown by `logs --details`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogExtra {
    /// Names of labels of the container.
    pub labels: Vec<String>,
    /// Names of variables of its environment.
    pub env: Vec<String>,
    /// A template over the container's names.
    pub tag: Option<String>,
}

/// Options that every driver takes.
const COMMON_OPTIONS: [&str; 2] = ["mode", "max-buffer-size"];
/// Options of the drivers that write files.
const FILE_OPTIONS: [&str; 3] = ["max-size", "max-file", "compress"];
/// Options about what is noted with each line.
const EXTRA_OPTIONS: [&str; 3] = ["labels", "env", "tag"];
/// Options that Docker has and Skep does not.
const UNSUPPORTED_OPTIONS: [&str; 2] = ["labels-regex", "env-regex"];
/// Most files of one log; each costs a rename when the log rotates.
pub const FILE_COUNT_MAX: u32 = 1000;
/// Docker's bounds of the `local` driver.
const LOCAL_FILE_BYTES: u64 = 20 << 20;
const LOCAL_FILE_COUNT: u32 = 5;

impl LogDriver {
    /// Returns what the driver means.
    pub fn settings(&self) -> Result<LogSettings, String> {
        if let Some(key) = UNSUPPORTED_OPTIONS.iter().find(|key| self.options.contains_key(**key)) {
            return Err(format!("the log option {key} is not supported"));
        }
        let (own, defaults): (&[&[&str]], LogFiles) = match self.name.as_str() {
            "" | "json-file" => (&[&FILE_OPTIONS, &EXTRA_OPTIONS], LogFiles::default()),
            "local" => (&[&FILE_OPTIONS, &EXTRA_OPTIONS], LogFiles::local()),
            "none" => (&[], LogFiles::default()),
            other => {
                return Err(format!(
                    "the log driver {other:?} is not supported: Skep knows json-file, local and none"
                ));
            }
        };
        let is_known =
            |key: &&str| COMMON_OPTIONS.contains(key) || own.iter().any(|names| names.contains(key));
        if let Some(key) = self.options.keys().map(String::as_str).find(|key| !is_known(key)) {
            let name = if self.name.is_empty() { "json-file" } else { &self.name };
            return Err(format!("unknown log opt '{key}' for {name} log driver"));
        }
        self.check_mode()?;
        match self.name.as_str() {
            "none" => Ok(LogSettings::None),
            _ => self.files(defaults).map(LogSettings::Files),
        }
    }

    fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    /// Output is always written before the process may go on.
    fn check_mode(&self) -> Result<(), String> {
        match self.option("mode") {
            None | Some("" | "blocking") => {}
            Some("non-blocking") => {
                return Err("the log option mode=non-blocking is not supported".to_owned());
            }
            Some(other) => return Err(format!("logger: logging mode not supported: {other}")),
        }
        match self.option("max-buffer-size") {
            None => Ok(()),
            Some(_) => {
                Err("logger: max-buffer-size option is only supported with 'mode=non-blocking'".to_owned())
            }
        }
    }

    fn files(&self, defaults: LogFiles) -> Result<LogFiles, String> {
        let mut files = defaults;
        if let Some(text) = self.option("max-size") {
            let bytes =
                size(text).ok_or_else(|| format!("invalid max-size: {text:?} is not a size such as 10m"))?;
            files.size_bytes_max = Some(bytes);
            if bytes == 0 {
                return Err("max-size must be a positive number".to_owned());
            }
        }
        if let Some(text) = self.option("max-file") {
            let count =
                text.parse::<i64>().map_err(|_| format!("invalid max-file: {text:?} is not a number"))?;
            if count < 1 {
                return Err("max-file cannot be less than 1".to_owned());
            }
            files.file_count_max = u32::try_from(count)
                .ok()
                .filter(|count| *count <= FILE_COUNT_MAX)
                .ok_or_else(|| format!("max-file cannot be more than {FILE_COUNT_MAX}"))?;
        }
        // The `local` driver compresses by default, but how it keeps its files is its own business.
        match self.option("compress").map(|text| (text, truth(text))) {
            None | Some((_, Some(false))) => {}
            Some((_, Some(true))) if self.name == "local" => {}
            Some((_, Some(true))) => return Err("the log option compress=true is not supported".to_owned()),
            Some((text, None)) => {
                return Err(format!("invalid compress: {text:?} is neither true nor false"));
            }
        }
        files.extra = self.extra();
        Ok(files)
    }

    fn extra(&self) -> LogExtra {
        let given = |key: &str| self.option(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let names = |key: &str| {
            let words = self.option(key).unwrap_or_default().split(',');
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        LogExtra { labels: names("labels"), env: names("env"), tag: given("tag") }
    }
}

impl Default for LogFiles {
    /// The bounds of `json-file`: none.
    fn default() -> Self {
        LogFiles { size_bytes_max: None, file_count_max: 1, extra: LogExtra::default() }
    }
}

impl LogFiles {
    fn local() -> Self {
        LogFiles {
            size_bytes_max: Some(LOCAL_FILE_BYTES),
            file_count_max: LOCAL_FILE_COUNT,
            extra: LogExtra::default(),
        }
    }
}

/// Reads `10m`, `1.5g`, `512kb` or plain bytes. Compat: the units of log options are powers of 1000.
fn size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let lower = lower.trim_end();
    let (number, factor) = match lower.chars().last()? {
        'k' => (&lower[..lower.len() - 1], 1e3),
        'm' => (&lower[..lower.len() - 1], 1e6),
        'g' => (&lower[..lower.len() - 1], 1e9),
        't' => (&lower[..lower.len() - 1], 1e12),
        _ => (lower, 1.0),
    };
    let number = number.trim_end();
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    number.parse::<f64>().ok().map(|number| (number * factor) as u64)
}

/// Go's words for true and false.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, options: &[(&str, &str)]) -> Result<LogSettings, String> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        LogDriver { name: name.to_owned(), options }.settings()
    }

    fn files(name: &str, options: &[(&str, &str)]) -> (Option<u64>, u32) {
        match settings(name, options) {
            Ok(LogSettings::Files(files)) => (files.size_bytes_max, files.file_count_max),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_driver_has_its_own_bounds() {
        assert_eq!(files("", &[]), (None, 1));
        assert_eq!(files("local", &[("compress", "true")]), (Some(20 << 20), 5));
        assert_eq!(files("local", &[("max-file", "1")]), (Some(20 << 20), 1));
        assert_eq!(settings("none", &[]), Ok(LogSettings::None));
        let given = [("max-size", "1.5kb"), ("max-file", "3"), ("compress", "false"), ("mode", "blocking")];
        assert_eq!(files("json-file", &given), (Some(1500), 3));
        assert_eq!(files("", &[("max-size", "10m")]), (Some(10_000_000), 1));
    }

    #[test]
    fn what_is_noted_with_lines_is_read() {
        let given = [("labels", "a,b"), ("env", "X"), ("tag", "{{.Name}}")];
        let Ok(LogSettings::Files(files)) = settings("json-file", &given) else { panic!("a valid driver") };
        assert_eq!(files.extra.labels, ["a", "b"]);
        assert_eq!(files.extra.env, ["X"]);
        assert_eq!(files.extra.tag.as_deref(), Some("{{.Name}}"));
    }

    #[test]
    fn refuses_in_dockers_words() {
        for (name, key, value, expected) in [
            ("", "max-sise", "1", "unknown log opt 'max-sise' for json-file log driver"),
            ("local", "x", "1", "unknown log opt 'x' for local log driver"),
            ("none", "max-size", "1", "unknown log opt 'max-size' for none log driver"),
            ("", "max-size", "0", "max-size must be a positive number"),
            ("", "max-size", "-1", "invalid max-size: \"-1\" is not a size such as 10m"),
            ("", "max-file", "0", "max-file cannot be less than 1"),
            ("", "mode", "x", "logger: logging mode not supported: x"),
            ("", "compress", "true", "the log option compress=true is not supported"),
            ("", "labels-regex", "^a", "the log option labels-regex is not supported"),
            (
                "syslog",
                "tag",
                "x",
                "the log driver \"syslog\" is not supported: Skep knows json-file, local and none",
            ),
        ] {
            assert_eq!(settings(name, &[(key, value)]), Err(expected.to_owned()));
        }
    }
}
