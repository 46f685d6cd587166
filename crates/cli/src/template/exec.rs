//! Walking the tree over data.

use super::func::{self, Mode};
use super::parse::{Base, Command, Node, Operand, Pipe};
use super::value::Value;
use super::{OUTPUT_BYTES_MAX, TemplateError};

/// Fills a template in.
pub(super) fn run(nodes: &[Node], source: &str, data: &Value, mode: Mode) -> Result<String, TemplateError> {
    let variables = vec![("$".to_owned(), data.clone())];
    let mut walk = Walk { source, mode, variables, output: String::new() };
    walk.nodes(nodes, data)?;
    Ok(walk.output)
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Walk<'a> {
    source: &'a str,
    mode: Mode,
    variables: Vec<(String, Value)>,
    output: String,
}

impl Walk<'_> {
    fn fail<T>(&self, operand: &Operand, message: &str) -> Result<T, TemplateError> {
        self.fail_at(operand.error_at(), &operand.describe(), message)
    }

    /// An error in Go's words: where it is, and what is there.
    fn fail_at<T>(&self, at: usize, context: &str, message: &str) -> Result<T, TemplateError> {
        let before = &self.source[..at];
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(at, |newline| at - newline - 1);
        let (at, what) = (format!("{line}:{column}"), format!("<{context}>: {message}"));
        Err(TemplateError::Execute { at, what })
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.output.push_str(text);
                    Flow::Next
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        self.output.push_str(&value.to_string());
                    }
                    Flow::Next
                }
                Node::Branch { pipe, moves_dot, then, otherwise } => {
                    self.scoped(|walk| walk.branch(pipe, *moves_dot, then, otherwise, dot))?
                }
                Node::Range { pipe, body, otherwise } => {
                    self.scoped(|walk| walk.range(pipe, body, otherwise, dot))?
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if self.output.len() > OUTPUT_BYTES_MAX {
                let why = format!("1: the output is longer than {OUTPUT_BYTES_MAX} bytes");
                return Err(TemplateError::Parse(why));
            }
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// Forgets the variables that `inner` declares.
    fn scoped<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        let scope = self.variables.len();
        let result = inner(self);
        self.variables.truncate(scope);
        result
    }

    fn branch(
        &mut self,
        pipe: &Pipe,
        moves_dot: bool,
        then: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        let value = self.pipe(pipe, dot)?;
        match (value.is_true(), moves_dot) {
            (true, true) => self.nodes(then, &value),
            (true, false) => self.nodes(then, dot),
            (false, _) => self.nodes(otherwise, dot),
        }
    }

    fn range(
        &mut self,
        pipe: &Pipe,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        let silent = Pipe { variables: Vec::new(), ..pipe.clone() };
        let items: Vec<(Value, Value)> = match self.pipe(&silent, dot)? {
            Value::List(items) => {
                items.into_iter().enumerate().map(|(index, item)| (Value::Int(index as i128), item)).collect()
            }
            Value::Map(entries) => entries.into_iter().map(|(key, item)| (Value::Text(key), item)).collect(),
            Value::Object(mut entries) => {
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                entries.into_iter().map(|(key, item)| (Value::Text(key), item)).collect()
            }
            Value::Int(count) if count > 0 => {
                let bounded = usize::try_from(count).unwrap_or(OUTPUT_BYTES_MAX).min(OUTPUT_BYTES_MAX);
                (0..bounded).map(|index| (Value::Int(index as i128), Value::Int(index as i128))).collect()
            }
            Value::Nil | Value::Zero | Value::NilList | Value::NilMap | Value::Int(_) => Vec::new(),
            other => {
                let operand = &pipe.commands[0].0[0];
                return self.fail(operand, &format!("range can't iterate over {other}"));
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            let flow = self.scoped(|walk| {
                match &pipe.variables[..] {
                    [value] => walk.set(value, &item, pipe.declares),
                    [index, value] => {
                        walk.set(index, &key, pipe.declares);
                        walk.set(value, &item, pipe.declares);
                    }
                    _ => {}
                }
                walk.nodes(body, &item)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn set(&mut self, name: &str, value: &Value, declares: bool) {
        if declares {
            self.variables.push((name.to_owned(), value.clone()));
        } else if let Some((_, slot)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            *slot = value.clone();
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, TemplateError> {
        let mut result = None;
        for command in &pipe.commands {
            result = Some(self.command(command, result, dot)?);
        }
        let value = result.expect("the parser refuses empty pipes");
        for name in &pipe.variables {
            self.set(name, &value, pipe.declares);
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &Command,
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, TemplateError> {
        let (first, rest) = command.0.split_first().expect("the parser refuses empty commands");
        let Base::Function(name) = &first.base else {
            if let ([argument], None, Some((_, method))) = (rest, &piped, first.fields.last()) {
                let argument = self.operand(argument, dot)?.to_string();
                if let Some(found) = self.invoke(first, method, &argument, dot)? {
                    return Ok(found);
                }
            }
            if !rest.is_empty() || piped.is_some() {
                return match first.fields.last() {
                    Some((_, name)) => {
                        self.fail(first, &format!("{name} has arguments but cannot be invoked as function"))
                    }
                    None => {
                        self.fail(first, &format!("can't give argument to non-function {}", first.describe()))
                    }
                };
            }
            return self.operand(first, dot);
        };
        if matches!(name.as_str(), "and" | "or") {
            return self.choose(name == "or", rest, piped, dot);
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for operand in rest {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        match func::call(name, &arguments, self.mode) {
            Ok(value) => self.fields(first, value),
            Err(message) => {
                self.fail_at(first.at, &command.describe(), &format!("error calling {name}: {message}"))
            }
        }
    }

    /// Calls a method with one argument; `None` if there is no such method.
    fn invoke(
        &mut self,
        operand: &Operand,
        method: &str,
        argument: &str,
        dot: &Value,
    ) -> Result<Option<Value>, TemplateError> {
        if self.mode == Mode::Headings && method == "Label" {
            let last = argument.rsplit('.').next().unwrap_or_default();
            return Ok(Some(Value::Text(last.replace(['-', '_'], " "))));
        }
        match self.operand(operand, dot)? {
            Value::Lookup(mut entries) => Ok(Some(Value::Text(entries.remove(argument).unwrap_or_default()))),
            _ => Ok(None),
        }
    }

    /// `and` and `or` stop at the first operand that decides.
    fn choose(
        &mut self,
        wanted: bool,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, TemplateError> {
        let mut last = Value::Nil;
        for operand in operands {
            last = self.operand(operand, dot)?;
            if last.is_true() == wanted {
                return Ok(last);
            }
        }
        Ok(piped.unwrap_or(last))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, TemplateError> {
        let value = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Nil => Value::Nil,
            Base::Bool(flag) => Value::Bool(*flag),
            Base::Int(number) => Value::Int(*number),
            Base::Float(number) => Value::Float(*number),
            Base::Text(text) => Value::Text(text.clone()),
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.map_or(Value::Nil, |(_, value)| value.clone())
            }
            Base::Function(name) => match func::call(name, &[], self.mode) {
                Ok(value) => value,
                Err(message) => return self.fail(operand, &format!("error calling {name}: {message}")),
            },
            Base::Paren(pipe) => self.pipe(pipe, dot)?,
        };
        self.fields(operand, value)
    }

    fn fields(&self, operand: &Operand, mut value: Value) -> Result<Value, TemplateError> {
        for (_, name) in &operand.fields {
            value = match value {
                Value::Map(mut entries) => {
                    entries.remove(name).unwrap_or(Value::Text("<no value>".to_owned()))
                }
                Value::NilMap => Value::Text("<no value>".to_owned()),
                Value::NilPointer(target) => {
                    return self.fail(operand, &format!("nil pointer evaluating *{target}.{name}"));
                }
                Value::Object(mut entries) => match entries.iter().position(|(known, _)| known == name) {
                    Some(index) => entries.swap_remove(index).1,
                    None => {
                        return self.fail(operand, &format!("map has no entry for key \"{name}\""));
                    }
                },
                // A field of what was left out is itself left out.
                Value::Zero | Value::Nil => Value::Zero,
                Value::Struct(mut object) => {
                    match object.fields.iter().position(|field| field.name == *name) {
                        Some(index) => object.fields.swap_remove(index).value,
                        None => {
                            let message = format!("can't evaluate field {name} in type {}", object.type_name);
                            return self.fail(operand, &message);
                        }
                    }
                }
                other => {
                    let message = format!("can't evaluate field {name} in type {}", other.type_name());
                    return self.fail(operand, &message);
                }
            };
        }
        Ok(value)
    }
}
