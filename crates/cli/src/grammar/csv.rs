//! One record of comma-separated values, as Go's `encoding/csv` reads it.

use super::{Invalid, refuse};

/// Splits the first line of `text` into fields. A field in quotes may hold commas, line breaks and doubled quotes.
pub(super) fn record(text: &str) -> Result<Vec<String>, Invalid> {
    if text.trim_end_matches(['\r', '\n']).is_empty() {
        return refuse!("EOF");
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(text, quoted)?,
            None => bare_field(text, rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// Reads up to the comma; the rest of the line is `None` at its end.
fn bare_field<'a>(text: &str, rest: &'a str) -> Result<(String, Option<&'a str>), Invalid> {
    let end = rest.find([',', '\n']).unwrap_or(rest.len());
    let field = &rest[..end];
    if let Some(quote) = field.find('"') {
        let column = column_of(text, &rest[quote..]);
        return refuse!("parse error on line 1, column {column}: bare \" in non-quoted-field");
    }
    let more = rest[end..].strip_prefix(',');
    Ok((field.trim_end_matches('\r').to_owned(), more))
}

/// Reads up to the closing quote; `rest` begins behind the opening one.
fn quoted_field<'a>(text: &str, rest: &'a str) -> Result<(String, Option<&'a str>), Invalid> {
    let mut field = String::new();
    let mut rest = rest;
    while let Some(quote) = rest.find('"') {
        field.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.chars().next() {
            Some('"') => {
                field.push('"');
                rest = &rest[1..];
            }
            Some(',') => return Ok((field, Some(&rest[1..]))),
            None | Some('\r' | '\n') => return Ok((field, None)),
            Some(_) => {
                let column = column_of(text, rest) - 1;
                return refuse!(
                    "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                );
            }
        }
    }
    let column = text.len() + 1;
    refuse!("parse error on line 1, column {column}: extraneous or missing \" in quoted-field")
}

/// The 1-based byte column at which `tail`, a suffix of `text`, begins.
fn column_of(text: &str, tail: &str) -> usize {
    text.len() - tail.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_commas() {
        assert_eq!(record(r#"a,"b=c,d",e"#), Ok(vec!["a".into(), "b=c,d".into(), "e".into()]));
        assert_eq!(record(r#""say ""x""""#), Ok(vec![r#"say "x""#.into()]));
        assert_eq!(record("a,"), Ok(vec!["a".into(), String::new()]));
        assert!(record("").is_err());
        assert!(record(r#"a"b"#).is_err());
        assert!(record(r#""ab"#).is_err());
        assert!(record(r#""a"b"#).is_err());
    }
}
