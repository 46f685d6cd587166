//! From words to a tree.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::TemplateError;
use super::func;
use super::lex::{Kind, Piece, Token, error_at, pieces};

/// How deep actions and parentheses may nest.
const DEPTH_MAX: usize = 64;

/// A part of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    /// Copied to the output.
    Text(String),
    /// Evaluated and printed, unless it only sets variables.
    Action(Pipe),
    /// `if` and `with`: the latter also moves the dot.
    Branch {
        pipe: Pipe,
        moves_dot: bool,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `range`.
    Range {
        pipe: Pipe,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Break,
    Continue,
}

/// Commands that hand their result on, and the variables that take the last one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipe {
    pub variables: Vec<String>,
    pub declares: bool,
    pub commands: Vec<Command>,
}

/// A function or a value, and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command(pub Vec<Operand>);

/// An operand, where it begins, and the fields that follow it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub at: usize,
    pub base: Base,
    /// Field names with the place of their dots.
    pub fields: Vec<(usize, String)>,
}

/// What an operand starts from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    Dot,
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Variable(String),
    Function(String),
    Paren(Box<Pipe>),
}

/// Parses a whole template.
pub(super) fn parse(source: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { source, pieces: pieces(source)?.into_iter(), variables: vec!["$".to_owned()] };
    let (nodes, stop) = parser.list(0, 0)?;
    match stop {
        Stop::End(at) => Err(error_at(source, at, "unexpected {{end}}")),
        Stop::Else { at, .. } => Err(error_at(source, at, "unexpected {{else}}")),
        Stop::Eof => Ok(nodes),
    }
}

/// What ended a list of nodes.
enum Stop {
    Eof,
    End(usize),
    /// `{{else}}` or `{{else if …}}`, with the words behind `else`.
    Else {
        at: usize,
        rest: Vec<Token>,
        end: usize,
    },
}

struct Parser<'a> {
    source: &'a str,
    pieces: IntoIter<Piece>,
    variables: Vec<String>,
}

type Tokens = Peekable<IntoIter<Token>>;

impl Parser<'_> {
    fn fail<T>(&self, at: usize, message: impl AsRef<str>) -> Result<T, TemplateError> {
        Err(error_at(self.source, at, message.as_ref()))
    }

    fn list(&mut self, depth: usize, loops: usize) -> Result<(Vec<Node>, Stop), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, end) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { tokens, end } => (tokens, end),
            };
            if depth > DEPTH_MAX {
                return self.fail(end, "the template nests too deep");
            }
            let at = tokens.first().map_or(end, |token| token.at);
            let keyword = match tokens.first() {
                Some(Token { kind: Kind::Word(word), .. }) => word.clone(),
                _ => String::new(),
            };
            let mut rest = tokens.clone();
            if let ("end" | "break" | "continue", Some(extra)) = (keyword.as_str(), tokens.get(1)) {
                return self.unexpected(extra, &keyword);
            }
            match keyword.as_str() {
                "end" => return Ok((nodes, Stop::End(at))),
                "else" => return Ok((nodes, Stop::Else { at, rest: rest.split_off(1), end })),
                "if" | "with" | "range" => {
                    nodes.push(self.control(&keyword, rest.split_off(1), end, depth, loops)?);
                }
                "break" | "continue" if loops == 0 => {
                    return self.fail(at, format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "define" | "template" | "block" => {
                    return self.fail(at, format!("{keyword} is not supported"));
                }
                _ => nodes.push(Node::Action(self.whole_pipe(tokens, end, "command")?)),
            }
        }
        Ok((nodes, Stop::Eof))
    }

    /// Parses an `if`, `with` or `range` up to its `end`. Variables it declares end with it.
    fn control(
        &mut self,
        keyword: &str,
        head: Vec<Token>,
        end: usize,
        depth: usize,
        loops: usize,
    ) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        let pipe = self.whole_pipe(head, end, keyword)?;
        let is_range = keyword == "range";
        let (then, stop) = self.list(depth + 1, loops + usize::from(is_range))?;
        let otherwise = match stop {
            Stop::Eof => return self.fail(self.source.len(), "unexpected EOF"),
            Stop::End(_) => Vec::new(),
            Stop::Else { at, rest, end } => self.otherwise(keyword, at, rest, end, depth, loops)?,
        };
        self.variables.truncate(scope);
        Ok(if is_range {
            Node::Range { pipe, body: then, otherwise }
        } else {
            Node::Branch { pipe, moves_dot: keyword == "with", then, otherwise }
        })
    }

    fn otherwise(
        &mut self,
        keyword: &str,
        at: usize,
        rest: Vec<Token>,
        end: usize,
        depth: usize,
        loops: usize,
    ) -> Result<Vec<Node>, TemplateError> {
        match rest.first().map(|token| &token.kind) {
            None => match self.list(depth + 1, loops)? {
                (nodes, Stop::End(_)) => Ok(nodes),
                (_, Stop::Eof) => self.fail(self.source.len(), "unexpected EOF"),
                (_, Stop::Else { at, .. }) => self.fail(at, "expected end; found {{else}}"),
            },
            Some(Kind::Word(word)) if word == keyword && keyword != "range" => {
                let mut head = rest;
                head.remove(0);
                if depth > DEPTH_MAX {
                    return self.fail(at, "the template nests too deep");
                }
                Ok(vec![self.control(keyword, head, end, depth + 1, loops)?])
            }
            Some(_) => self.fail(at, "unexpected word in else"),
        }
    }

    fn whole_pipe(&mut self, tokens: Vec<Token>, end: usize, context: &str) -> Result<Pipe, TemplateError> {
        let mut tokens = tokens.into_iter().peekable();
        let pipe = self.pipe(&mut tokens, end, context, 0)?;
        match tokens.next() {
            None => Ok(pipe),
            Some(token) => self.unexpected(&token, context),
        }
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, TemplateError> {
        match &token.kind {
            Kind::Broken(error) => Err(error.clone()),
            kind => self.fail(token.at, format!("unexpected {} in {context}", describe(kind))),
        }
    }

    fn pipe(
        &mut self,
        tokens: &mut Tokens,
        end: usize,
        context: &str,
        depth: usize,
    ) -> Result<Pipe, TemplateError> {
        let (variables, declares) = self.declaration(tokens, end, context)?;
        let mut commands = Vec::new();
        loop {
            let command = self.command(tokens, end, depth)?;
            if command.0.is_empty() {
                let at = tokens.peek().map_or(end, |token| token.at);
                return self.fail(at, format!("missing value for {context}"));
            }
            commands.push(command);
            if tokens.next_if(|token| token.kind == Kind::Pipe).is_none() {
                break;
            }
        }
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipe { variables, declares, commands })
    }

    /// Parses `$x :=`, `$x =` or `$k, $v :=` at the start of a pipe, if there is one.
    fn declaration(
        &mut self,
        tokens: &mut Tokens,
        end: usize,
        context: &str,
    ) -> Result<(Vec<String>, bool), TemplateError> {
        let ahead: Vec<Token> = tokens.clone().take(4).collect();
        let kinds: Vec<&Kind> = ahead.iter().map(|token| &token.kind).collect();
        let (variables, length) = match kinds[..] {
            [Kind::Variable(name), Kind::Declare | Kind::Assign, ..] => (vec![name.clone()], 2),
            [Kind::Variable(key), Kind::Comma, Kind::Variable(value), Kind::Declare | Kind::Assign]
                if context == "range" =>
            {
                (vec![key.clone(), value.clone()], 4)
            }
            [Kind::Variable(_), Kind::Comma, ..] => {
                return self.fail(end, format!("too many declarations in {context}"));
            }
            _ => return Ok((Vec::new(), false)),
        };
        let declares = ahead[length - 1].kind == Kind::Declare;
        for _ in 0..length {
            tokens.next();
        }
        if let Some(unknown) = variables.iter().find(|name| !declares && !self.variables.contains(name)) {
            return self.fail(end, format!("undefined variable {}", crate::format::go_quote(unknown)));
        }
        Ok((variables, declares))
    }

    fn command(&mut self, tokens: &mut Tokens, end: usize, depth: usize) -> Result<Command, TemplateError> {
        let mut operands: Vec<Operand> = Vec::new();
        while let Some(token) = tokens.next_if(|token| !matches!(token.kind, Kind::Pipe | Kind::Close)) {
            if let (Kind::Field(name), false, Some(last)) = (&token.kind, token.spaced, operands.last_mut()) {
                last.fields.push((token.at, name.clone()));
                continue;
            }
            operands.push(self.operand(token, tokens, end, depth)?);
        }
        Ok(Command(operands))
    }

    fn operand(
        &mut self,
        token: Token,
        tokens: &mut Tokens,
        end: usize,
        depth: usize,
    ) -> Result<Operand, TemplateError> {
        let at = token.at;
        let mut fields = Vec::new();
        let base = match token.kind {
            Kind::Dot => Base::Dot,
            Kind::Field(name) => {
                fields.push((at, name));
                Base::Dot
            }
            Kind::Word(word) => match word.as_str() {
                "nil" => Base::Nil,
                "true" => Base::Bool(true),
                "false" => Base::Bool(false),
                name if func::exists(name) => Base::Function(word),
                _ => {
                    return self.fail(at, format!("function {} not defined", crate::format::go_quote(&word)));
                }
            },
            Kind::Variable(name) if self.variables.contains(&name) => Base::Variable(name),
            Kind::Variable(name) => {
                return self.fail(at, format!("undefined variable {}", crate::format::go_quote(&name)));
            }
            Kind::Text(text) => Base::Text(text),
            Kind::Int(number) => Base::Int(number),
            Kind::Float(number) => Base::Float(number),
            Kind::Open if depth < DEPTH_MAX => {
                let inner = self.pipe(tokens, end, "parenthesized pipeline", depth + 1)?;
                if tokens.next_if(|token| token.kind == Kind::Close).is_none() {
                    return self.fail(at, "unclosed left paren");
                }
                Base::Paren(Box::new(inner))
            }
            kind => return self.unexpected(&Token { at, kind, spaced: token.spaced }, "operand"),
        };
        Ok(Operand { at, base, fields })
    }
}

/// How Go names a word in an error.
fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Word(word) => format!("<{word}>"),
        Kind::Field(name) => format!("<.{name}>"),
        Kind::Variable(name) => format!("<{name}>"),
        Kind::Text(text) => crate::format::go_quote(text),
        Kind::Int(number) => format!("\"{number}\""),
        Kind::Float(number) => format!("\"{number}\""),
        Kind::Dot => "<.>".to_owned(),
        Kind::Pipe => "\"|\"".to_owned(),
        Kind::Comma => "\",\"".to_owned(),
        Kind::Declare => "\":=\"".to_owned(),
        Kind::Assign => "\"=\"".to_owned(),
        Kind::Open => "\"(\"".to_owned(),
        Kind::Close => "\")\"".to_owned(),
        Kind::Broken(error) => error.to_string(),
    }
}

impl Command {
    /// The command as it reads in the source, for error texts.
    pub(super) fn describe(&self) -> String {
        self.0.iter().map(Operand::describe).collect::<Vec<_>>().join(" ")
    }
}

impl Operand {
    /// The operand as it reads in the source, for error texts.
    pub(super) fn describe(&self) -> String {
        let base = match &self.base {
            Base::Dot if self.fields.is_empty() => ".".to_owned(),
            Base::Dot => String::new(),
            Base::Nil => "nil".to_owned(),
            Base::Bool(flag) => flag.to_string(),
            Base::Int(number) => number.to_string(),
            Base::Float(number) => number.to_string(),
            Base::Text(text) => crate::format::go_quote(text),
            Base::Variable(name) | Base::Function(name) => name.clone(),
            Base::Paren(_) => "(…)".to_owned(),
        };
        self.fields.iter().fold(base, |text, (_, name)| format!("{text}.{name}"))
    }

    /// Where Go says an error in this operand is: where the fields begin that follow its first word.
    pub(super) fn error_at(&self) -> usize {
        let followed = match self.base {
            Base::Dot => self.fields.get(1).or(self.fields.first()),
            Base::Variable(_) => self.fields.first(),
            _ => self.fields.last(),
        };
        followed.map_or(self.at, |(at, _)| *at)
    }
}
