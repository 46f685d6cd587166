//! From text to a tree. Positions are byte offsets, for errors.

use super::DEPTH_MAX;

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    /// Branches with their conditions, then what happens otherwise.
    If(Vec<(Pipe, Vec<Node>)>, Vec<Node>),
}

/// Commands, each fed with the result of the one before.
#[derive(Debug, PartialEq)]
pub(super) struct Pipe {
    pub at: usize,
    pub commands: Vec<Vec<Word>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Word {
    pub at: usize,
    pub kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// Fields of the root, with their places; none: the root itself.
    Fields(Vec<(usize, String)>),
    Text(String),
    Number(i64),
    Truth(bool),
    Function(&'static str),
    /// A pipeline in parentheses, and fields of its result.
    Group(Box<Pipe>, Vec<(usize, String)>),
}

pub(super) const FUNCTIONS: [&str; 14] =
    ["and", "eq", "ge", "gt", "index", "join", "le", "len", "lt", "ne", "not", "or", "print", "printf"];

/// What an action between `{{` and `}}` means for the text around it.
enum Step {
    Node(Node),
    If(Pipe),
    ElseIf(Pipe),
    Else,
    End,
    Nothing,
}

pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let (nodes, stopped) = parser.nodes()?;
    match stopped {
        None => Ok(nodes),
        Some(Step::End) => Err(parser.error("unexpected {{end}}")),
        Some(_) => Err(parser.error("unexpected {{else}}")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, what: impl std::fmt::Display) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("template: expansion:{line}: {what}")
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(self.error("nested too deeply")) } else { Ok(()) }
    }

    /// Reads up to an `else` or `end` that belongs to an outer condition.
    fn nodes(&mut self) -> Result<(Vec<Node>, Option<Step>), String> {
        let mut nodes = Vec::new();
        let mut trims = false;
        loop {
            let length = self.rest().find("{{").unwrap_or(self.rest().len());
            let mut text = &self.text[self.at..self.at + length];
            if std::mem::take(&mut trims) {
                text = text.trim_start();
            }
            self.at += length;
            if self.rest().is_empty() {
                push_text(&mut nodes, text);
                return Ok((nodes, None));
            }
            self.at += 2;
            if self.rest().starts_with("- ") {
                self.at += 2;
                text = text.trim_end();
            }
            push_text(&mut nodes, text);
            let step = self.action()?;
            trims = self.close()?;
            match step {
                Step::Nothing => {}
                Step::Node(node) => nodes.push(node),
                Step::If(condition) => nodes.push(self.condition(condition, &mut trims)?),
                other => return Ok((self.note_trim(nodes, trims), Some(other))),
            }
        }
    }

    /// A trim marker at the end of an `else` or `end` reaches into the text that its caller reads.
    fn note_trim(&mut self, nodes: Vec<Node>, trims: bool) -> Vec<Node> {
        if trims {
            self.at += self.rest().len() - self.rest().trim_start().len();
        }
        nodes
    }

    fn condition(&mut self, first: Pipe, trims: &mut bool) -> Result<Node, String> {
        self.deeper()?;
        let mut branches = Vec::new();
        let mut condition = Some(first);
        self.note_trim(Vec::new(), std::mem::take(trims));
        let otherwise = loop {
            let (nodes, stopped) = self.nodes()?;
            let otherwise = match condition.take() {
                Some(condition) => {
                    branches.push((condition, nodes));
                    Vec::new()
                }
                None => nodes,
            };
            match stopped {
                Some(Step::End) => break otherwise,
                Some(Step::ElseIf(next)) if otherwise.is_empty() => condition = Some(next),
                Some(Step::Else) if otherwise.is_empty() => {}
                Some(_) => return Err(self.error("unexpected {{else}}")),
                None => return Err(self.error("unexpected EOF")),
            }
        };
        self.depth -= 1;
        Ok(Node::If(branches, otherwise))
    }

    fn action(&mut self) -> Result<Step, String> {
        if self.rest().starts_with("/*") {
            let end = self.rest().find("*/").ok_or_else(|| self.error("unclosed comment"))?;
            self.at += end + 2;
            return Ok(Step::Nothing);
        }
        self.space();
        let word = self.peek_name().to_owned();
        match word.as_str() {
            "if" => {
                self.at += word.len();
                Ok(Step::If(self.pipe()?))
            }
            "else" => {
                self.at += word.len();
                self.space();
                if self.peek_name() == "if" {
                    self.at += 2;
                    return Ok(Step::ElseIf(self.pipe()?));
                }
                Ok(Step::Else)
            }
            "end" => {
                self.at += word.len();
                Ok(Step::End)
            }
            "range" | "with" | "define" | "template" | "block" | "break" | "continue" => {
                Err(self.error(format_args!("skep does not support {{{{{word}}}}} in placeholders")))
            }
            _ => Ok(Step::Node(Node::Action(self.pipe()?))),
        }
    }

    /// Reads `}}`; returns whether it trims the text after it.
    fn close(&mut self) -> Result<bool, String> {
        self.space();
        let spaced = self.text[..self.at].ends_with([' ', '\t', '\r', '\n']);
        let trims = spaced && self.rest().starts_with("-}}");
        if trims {
            self.at += 1;
        }
        if !self.rest().starts_with("}}") {
            return Err(self.unexpected("command"));
        }
        self.at += 2;
        Ok(trims)
    }

    fn unexpected(&self, place: &str) -> String {
        match self.rest().chars().next() {
            None => self.error("unclosed action"),
            Some('$') => self.error("skep does not support variables in placeholders"),
            Some(character) => self.error(format_args!("unexpected {:?} in {place}", character.to_string())),
        }
    }

    fn space(&mut self) {
        let length = self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += length;
    }

    fn peek_name(&self) -> &str {
        let rest = self.rest();
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        &rest[..rest.find(|character| !is_part(character)).unwrap_or(rest.len())]
    }

    fn pipe(&mut self) -> Result<Pipe, String> {
        self.space();
        let at = self.at;
        let mut commands = vec![self.command()?];
        while self.rest().starts_with('|') {
            self.at += 1;
            commands.push(self.command()?);
        }
        Ok(Pipe { at, commands })
    }

    fn command(&mut self) -> Result<Vec<Word>, String> {
        let mut words = Vec::new();
        loop {
            self.space();
            let rest = self.rest();
            let ends = rest.starts_with("}}") || rest.starts_with("-}}") || rest.starts_with(['|', ')']);
            if !ends {
                words.push(self.word()?);
                continue;
            }
            return if words.is_empty() { Err(self.error("missing value for command")) } else { Ok(words) };
        }
    }

    fn word(&mut self) -> Result<Word, String> {
        let at = self.at;
        let kind = match self.rest().chars().next() {
            Some('.') => Kind::Fields(self.fields()?),
            Some('"') => Kind::Text(self.quoted()?),
            Some('`') => Kind::Text(self.raw()?),
            Some('(') => {
                self.deeper()?;
                self.at += 1;
                let pipe = self.pipe()?;
                if !self.rest().starts_with(')') {
                    return Err(self.error("unclosed left paren"));
                }
                self.at += 1;
                self.depth -= 1;
                let fields = if self.rest().starts_with('.') { self.fields()? } else { Vec::new() };
                Kind::Group(Box::new(pipe), fields)
            }
            Some(sign) if sign == '-' || sign.is_ascii_digit() => Kind::Number(self.number()?),
            Some(letter) if letter.is_alphabetic() || letter == '_' => self.name()?,
            _ => return Err(self.unexpected("operand")),
        };
        Ok(Word { at, kind })
    }

    fn fields(&mut self) -> Result<Vec<(usize, String)>, String> {
        let mut fields = Vec::new();
        while self.rest().starts_with('.') {
            let at = self.at;
            self.at += 1;
            let name = self.peek_name().to_owned();
            if name.is_empty() {
                // A lone dot is the root; behind a field it is a mistake.
                return if fields.is_empty() { Ok(fields) } else { Err(self.unexpected("operand")) };
            }
            self.at += name.len();
            fields.push((at, name));
        }
        Ok(fields)
    }

    fn number(&mut self) -> Result<i64, String> {
        let rest = self.rest();
        let digits = rest.trim_start_matches('-').trim_start_matches(|digit: char| digit.is_ascii_digit());
        let text = &rest[..rest.len() - digits.len()];
        let number = text.parse().map_err(|_| self.error(format_args!("bad number syntax: {text:?}")))?;
        self.at += text.len();
        Ok(number)
    }

    fn name(&mut self) -> Result<Kind, String> {
        let name = self.peek_name();
        let kind = match name {
            "true" | "false" => Kind::Truth(name == "true"),
            _ => match FUNCTIONS.iter().find(|known| **known == name) {
                Some(known) => Kind::Function(known),
                None => return Err(self.error(format_args!("function {name:?} not defined"))),
            },
        };
        self.at += name.len();
        Ok(kind)
    }

    fn raw(&mut self) -> Result<String, String> {
        let body = &self.rest()[1..];
        let end = body.find('`').ok_or_else(|| self.error("unterminated raw quoted string"))?;
        let text = body[..end].to_owned();
        self.at += end + 2;
        Ok(text)
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut characters = self.rest()[1..].char_indices();
        while let Some((place, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += 1 + place + 1;
                    return Ok(text);
                }
                '\n' => break,
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, same @ ('"' | '\\'))) => text.push(same),
                    _ => return Err(self.error("invalid syntax")),
                },
                other => text.push(other),
            }
        }
        Err(self.error("unterminated quoted string"))
    }
}

fn push_text(nodes: &mut Vec<Node>, text: &str) {
    if !text.is_empty() {
        nodes.push(Node::Text(text.to_owned()));
    }
}
