//! `--env` and `--env-file`: what the client's own environment and files contribute to a container's.

use std::collections::BTreeMap;

use crate::fault::Fault;

/// The client's variables, and how it reads files.
pub(crate) struct Environment<'a> {
    /// The variables of the client.
    pub variables: &'a BTreeMap<String, String>,
    /// Reads a whole file.
    pub read: fn(&str) -> std::io::Result<Vec<u8>>,
}

/// What Docker calls white space in keys.
const WHITESPACE: [char; 2] = [' ', '\t'];

impl Environment<'_> {
    /// Collects the lines of all files, then the flags. Of several values for one name the last stays, where it is.
    pub(crate) fn collect(&self, files: &[String], flags: &[String]) -> Result<Vec<String>, Fault> {
        let mut collected: Vec<String> = Vec::new();
        for file in files {
            for line in self.file(file)? {
                put(&mut collected, line);
            }
        }
        for flag in self.lookup(flags) {
            put(&mut collected, flag);
        }
        Ok(collected)
    }

    /// Gives bare names the value they have here, if they have one.
    pub(super) fn lookup(&self, flags: &[String]) -> Vec<String> {
        let full = |flag: &String| match self.variables.get(flag) {
            Some(value) if !flag.contains('=') => format!("{flag}={value}"),
            _ => flag.clone(),
        };
        flags.iter().map(full).collect()
    }

    fn file(&self, path: &str) -> Result<Vec<String>, Fault> {
        let bytes =
            (self.read)(path).map_err(|error| Fault::new(format!("open {path}: {}", go_reason(&error))))?;
        let about = format!("invalid env file ({path})");
        let mut lines = Vec::new();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let Ok(line) = std::str::from_utf8(line) else {
                let text =
                    format!("invalid utf8 bytes at line {}: {}", index + 1, String::from_utf8_lossy(line));
                return Err(Fault::new(text).about(&about));
            };
            let line =
                self.line(line.strip_suffix('\r').unwrap_or(line)).map_err(|fault| fault.about(&about))?;
            lines.extend(line);
        }
        Ok(lines)
    }

    /// One line of a file: `KEY=value` verbatim, a bare `KEY` looked up and dropped if unset, a comment, or nothing.
    fn line(&self, line: &str) -> Result<Option<String>, Fault> {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (line, None),
        };
        if key.contains(WHITESPACE) {
            return Err(Fault::new(format!("variable '{key}' contains whitespaces")));
        }
        if key.is_empty() {
            return Err(Fault::new(format!("no variable name on line '{line}'")));
        }
        let value = value.or_else(|| self.variables.get(key).map(String::as_str));
        Ok(value.map(|value| format!("{key}={value}")))
    }
}

/// The name of `NAME=value` or of a bare `NAME`.
pub(super) fn name(variable: &str) -> &str {
    variable.split('=').next().unwrap_or_default()
}

/// Appends a variable, removing an older one of the same name.
fn put(variables: &mut Vec<String>, variable: String) {
    if variables.contains(&variable) {
        return;
    }
    variables.retain(|known| name(known) != name(&variable));
    variables.push(variable);
}

/// Puts a variable in the place of an older one of the same name, or at the end.
pub(super) fn replace(variables: &mut Vec<String>, variable: String) {
    match variables.iter_mut().find(|known| name(known) == name(&variable)) {
        Some(known) => *known = variable,
        None => variables.push(variable),
    }
}

/// The system's reason in the words Go uses.
fn go_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}
