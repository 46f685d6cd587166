//! Fills a tree in. The functions and their errors are Go's.

use std::cmp::Ordering;

use super::RESULT_BYTES_MAX;
use super::parse::{Kind, Node, Pipe, Word};
use super::value::Value;

pub(super) fn run(text: &str, nodes: &[Node], root: &Value<'_>) -> Result<String, String> {
    let mut out = String::new();
    let run = Run { text, root };
    run.nodes(nodes, &mut out)?;
    Ok(out)
}

struct Run<'r, 'v> {
    text: &'r str,
    root: &'r Value<'v>,
}

impl<'v> Run<'_, 'v> {
    /// Puts Go's words about the place before an error.
    fn at(&self, at: usize, shown: &str, what: impl std::fmt::Display) -> String {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rfind('\n').map_or(at, |start| at - start - 1);
        format!("template: expansion:{line}:{column}: executing \"expansion\" at <{shown}>: {what}")
    }

    fn nodes(&self, nodes: &[Node], out: &mut String) -> Result<(), String> {
        for node in nodes {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Action(pipe) => out.push_str(&self.pipe(pipe)?.to_string()),
                Node::If(branches, otherwise) => self.branch(branches, otherwise, out)?,
            }
            if out.len() > RESULT_BYTES_MAX {
                return Err(format!(
                    "template: expansion: the result is longer than {RESULT_BYTES_MAX} bytes"
                ));
            }
        }
        Ok(())
    }

    fn branch(
        &self,
        branches: &[(Pipe, Vec<Node>)],
        otherwise: &[Node],
        out: &mut String,
    ) -> Result<(), String> {
        for (condition, nodes) in branches {
            if self.pipe(condition)?.is_true() {
                return self.nodes(nodes, out);
            }
        }
        self.nodes(otherwise, out)
    }

    fn pipe(&self, pipe: &Pipe) -> Result<Value<'v>, String> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last)?);
        }
        Ok(last.expect("the parser makes no empty pipeline"))
    }

    fn command(&self, words: &[Word], piped: Option<Value<'v>>) -> Result<Value<'v>, String> {
        let (first, rest) = words.split_first().expect("the parser makes no empty command");
        let Kind::Function(name) = first.kind else {
            if let Some(argument) = rest.first() {
                let what = format!("can't give argument to non-function {}", self.show(first));
                return Err(self.at(argument.at, &self.show(first), what));
            }
            if piped.is_some() {
                let what = "cannot take a value from a pipeline";
                return Err(self.at(first.at, &self.show(first), what));
            }
            return self.value(first);
        };
        let mut arguments = rest.iter().map(|word| self.value(word)).collect::<Result<Vec<_>, _>>()?;
        arguments.extend(piped);
        call(name, arguments).map_err(|what| {
            let shown = format!(
                "{name}{}",
                rest.iter().map(|word| format!(" {}", self.show(word))).collect::<String>()
            );
            self.at(first.at, &shown, format_args!("error calling {name}: {what}"))
        })
    }

    fn value(&self, word: &Word) -> Result<Value<'v>, String> {
        match &word.kind {
            Kind::Text(text) => Ok(Value::text(text.clone())),
            Kind::Number(number) => Ok(Value::Number(*number)),
            Kind::Truth(truth) => Ok(Value::Truth(*truth)),
            Kind::Fields(fields) => self.fields(self.root.clone(), fields),
            Kind::Group(pipe, fields) => self.fields(self.pipe(pipe)?, fields),
            Kind::Function(name) => self
                .command(std::slice::from_ref(word), None)
                .map_err(|error| if error.is_empty() { (*name).to_owned() } else { error }),
        }
    }

    fn fields(&self, mut value: Value<'v>, fields: &[(usize, String)]) -> Result<Value<'v>, String> {
        let shown: String = fields.iter().map(|(_, name)| format!(".{name}")).collect();
        // Compat: Go reports the place of the last field of a chain but one, and shows all of it.
        let place = fields.get(1).or_else(|| fields.first()).map_or(0, |(at, _)| *at);
        for (_, name) in fields {
            value = value.field(name).map_err(|what| self.at(place, &shown, what))?;
        }
        Ok(value)
    }

    fn show(&self, word: &Word) -> String {
        match &word.kind {
            Kind::Fields(fields) if fields.is_empty() => ".".to_owned(),
            Kind::Fields(fields) => fields.iter().map(|(_, name)| format!(".{name}")).collect(),
            Kind::Text(text) => format!("{text:?}"),
            Kind::Number(number) => number.to_string(),
            Kind::Truth(truth) => truth.to_string(),
            Kind::Function(name) => (*name).to_owned(),
            Kind::Group(pipe, _) => {
                format!("({})", self.text[pipe.at..].split(')').next().unwrap_or_default())
            }
        }
    }
}

fn call<'v>(name: &str, arguments: Vec<Value<'v>>) -> Result<Value<'v>, String> {
    let wanted = |least: usize| match arguments.len() {
        given if given < least => {
            Err(format!("wrong number of args for {name}: want at least {least} got {given}"))
        }
        _ => Ok(()),
    };
    match name {
        "and" => wanted(1).map(|()| choose(arguments, |value| !value.is_true())),
        "or" => wanted(1).map(|()| choose(arguments, Value::is_true)),
        "not" => wanted(1).map(|()| Value::Truth(!arguments[0].is_true())),
        "len" => wanted(1).and_then(|()| length(&arguments[0])),
        "index" => wanted(1).and_then(|()| index(arguments)),
        "join" => wanted(1).and_then(|()| join(&arguments)),
        "print" => Ok(Value::text(print(&arguments))),
        "printf" => wanted(1).and_then(|()| printf(&arguments)),
        _ => wanted(2).and_then(|()| compare(name, &arguments)),
    }
}

/// Returns the first argument that decides, else the last.
fn choose<'v>(arguments: Vec<Value<'v>>, decides: impl Fn(&Value<'v>) -> bool) -> Value<'v> {
    let last = arguments.len() - 1;
    let place = arguments.iter().position(decides).unwrap_or(last);
    arguments.into_iter().nth(place).expect("a place within the list")
}

fn length<'v>(value: &Value<'v>) -> Result<Value<'v>, String> {
    match value {
        Value::Text(text) => Ok(Value::Number(text.len() as i64)),
        Value::Map(map) => Ok(Value::Number(map.len() as i64)),
        other => Err(format!("len of type {}", other.type_name())),
    }
}

fn index(arguments: Vec<Value<'_>>) -> Result<Value<'_>, String> {
    let mut arguments = arguments.into_iter();
    let mut value = arguments.next().expect("counted by the caller");
    for key in arguments {
        value = match (&value, &key) {
            // A key that is not there gives the empty text.
            (Value::Map(map), Value::Text(key)) => {
                Value::text(map.get(key.as_ref()).map(String::as_str).unwrap_or_default())
            }
            (Value::Map(_), other) => {
                return Err(format!("value has type {}; should be string", other.type_name()));
            }
            (other, _) => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

fn join<'v>(arguments: &[Value<'v>]) -> Result<Value<'v>, String> {
    let text = |value: &Value<'v>| match value {
        Value::Text(text) => Ok(text.to_string()),
        other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
    };
    let texts = arguments.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::text(texts[1..].join(&texts[0])))
}

/// Compat: Go puts a space between two operands if neither is a text.
fn print(arguments: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (place, value) in arguments.iter().enumerate() {
        let is_text = |place: usize| matches!(arguments[place], Value::Text(_));
        if place > 0 && !is_text(place) && !is_text(place - 1) {
            out.push(' ');
        }
        out.push_str(&value.to_string());
    }
    out
}

/// The verbs `%s`, `%v`, `%d`, `%q`, `%t` and `%%`, with a width for numbers (`%03d`).
fn printf<'v>(arguments: &[Value<'v>]) -> Result<Value<'v>, String> {
    let Value::Text(format) = &arguments[0] else {
        return Err(format!("wrong type for value; expected string; got {}", arguments[0].type_name()));
    };
    let mut values = arguments[1..].iter();
    let mut out = String::new();
    let mut rest = format.as_ref();
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        let verb = rest[percent + 1..].trim_start_matches(|digit: char| digit.is_ascii_digit());
        let width = &rest[percent + 1..rest.len() - verb.len()];
        let kind = verb.chars().next().ok_or("printf: a verb is missing after %")?;
        if kind == '%' {
            out.push('%');
        } else {
            let value = values.next().ok_or_else(|| format!("printf: %{kind} has no value"))?;
            out.push_str(&pad(&render(kind, value)?, width)?);
        }
        rest = &verb[kind.len_utf8()..];
    }
    out.push_str(rest);
    match values.next() {
        None => Ok(Value::text(out)),
        Some(_) => Err("printf: more values than verbs".to_owned()),
    }
}

fn render(kind: char, value: &Value<'_>) -> Result<String, String> {
    match (kind, value) {
        ('v', value) => Ok(value.to_string()),
        ('s', Value::Text(text)) => Ok(text.to_string()),
        ('q', Value::Text(text)) => Ok(format!("{text:?}")),
        ('d', Value::Number(number)) => Ok(number.to_string()),
        ('t', Value::Truth(truth)) => Ok(truth.to_string()),
        (kind, value) => Err(format!("printf: %{kind} does not show a value of type {}", value.type_name())),
    }
}

fn pad(text: &str, width: &str) -> Result<String, String> {
    if width.is_empty() {
        return Ok(text.to_owned());
    }
    let count = width.parse::<usize>().ok().filter(|count| *count <= 100);
    let count = count.ok_or_else(|| format!("printf: the width {width} is more than 100"))?;
    Ok(if width.starts_with('0') { format!("{text:0>count$}") } else { format!("{text:>count$}") })
}

fn compare<'v>(name: &str, arguments: &[Value<'v>]) -> Result<Value<'v>, String> {
    let order = |other: &Value<'v>| match (&arguments[0], other) {
        (Value::Text(one), Value::Text(two)) => Ok(one.cmp(two)),
        (Value::Number(one), Value::Number(two)) => Ok(one.cmp(two)),
        (Value::Truth(one), Value::Truth(two)) => Ok(one.cmp(two)),
        _ => Err("incompatible types for comparison".to_owned()),
    };
    // `eq` takes several values and is true if the first equals any of them.
    if name == "eq" {
        let orders = arguments[1..].iter().map(order).collect::<Result<Vec<_>, _>>()?;
        return Ok(Value::Truth(orders.contains(&Ordering::Equal)));
    }
    let order = order(&arguments[1])?;
    Ok(Value::Truth(match name {
        "ne" => order.is_ne(),
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        "gt" => order.is_gt(),
        _ => order.is_ge(),
    }))
}
