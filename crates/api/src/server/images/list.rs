//! `GET /images/json`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::super::entry::ApiMinor;
use super::super::error::Error;
use super::super::facts::ImageFacts;
use super::super::filters::Filters;
use super::super::query::Query;
use super::super::{Context, reply};
use crate::convert::local::image::{self, Counted};

const KNOWN: [&str; 7] = ["dangling", "label", "label!", "before", "since", "reference", "until"];

pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    query: Query,
) -> Result<Response, Error> {
    let filters = Filters::from_query(&query, &KNOWN)?;
    let dangling = filters.switch("dangling")?;
    let labels = filters.prune(true)?;
    let mut rows = context.backend.images().await?;
    let birth = |key: &str| match filters.values(key).last() {
        None => Ok(None),
        Some(reference) => match rows.iter().find(|row| is_named(row, reference)) {
            Some(row) => Ok(Some(row.created_at)),
            None => Err(Error::no_such(format!("No such image: {reference}"))),
        },
    };
    let (before, since) = (birth("before")?, birth("since")?);
    rows.retain(|row| {
        labels.takes(&row.labels, row.created_at)
            && before.is_none_or(|before| row.created_at < before)
            && since.is_none_or(|since| row.created_at > since)
            && dangling.is_none_or(|wanted| wanted == row.repo_tags.is_empty())
    });
    if filters.has("reference") {
        rows.retain_mut(|row| keep_like(row, &filters));
    }
    let counted = Counted { shared_size: query.loose("shared-size"), containers: false };
    Ok(reply::array(rows.into_iter().map(move |row| image::summary(&row, counted, minor))))
}

/// Tells whether a filter means this image: by a name, or a beginning of the id.
fn is_named(row: &ImageFacts, reference: &str) -> bool {
    let id = row.id.strip_prefix("sha256:").unwrap_or(&row.id);
    let latest = format!("{reference}:latest");
    let named = |name: &String| *name == reference || *name == latest;
    row.id == reference
        || id.starts_with(reference)
        || row.repo_tags.iter().chain(&row.repo_digests).any(named)
}

/// Leaves an image only the names that were asked for; returns whether there are any.
fn keep_like(row: &mut ImageFacts, filters: &Filters) -> bool {
    let is_wanted = |name: &String| filters.any("reference", |pattern| is_like(name, pattern));
    row.repo_tags.retain(is_wanted);
    row.repo_digests.retain(is_wanted);
    !row.repo_tags.is_empty() || !row.repo_digests.is_empty()
}

/// Compares a name with a pattern: with its tag or without.
fn is_like(name: &str, pattern: &str) -> bool {
    let repository = match name.split_once('@') {
        Some((repository, _)) => repository,
        None => name.rsplit_once(':').map_or(name, |(repository, _)| repository),
    };
    matches_glob(name.as_bytes(), pattern.as_bytes())
        || matches_glob(repository.as_bytes(), pattern.as_bytes())
}

/// Compares a text with a pattern in which `*` stands for anything but a slash, and `?` for one letter.
///
/// Only the last star is ever tried again, so the work is bounded by the product of the two lengths.
fn matches_glob(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(next) {
            Some(b'*') => {
                star = Some((at, next + 1));
                next += 1;
                continue;
            }
            Some(b'?') if text[at] != b'/' => {}
            Some(letter) if *letter == text[at] => {}
            _ => match star {
                Some((from, after)) if text[from] != b'/' => {
                    star = Some((from + 1, after));
                    (at, next) = (from + 1, after);
                    continue;
                }
                _ => return false,
            },
        }
        at += 1;
        next += 1;
    }
    pattern[next..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_with_and_without_a_tag() {
        let name = "127.0.0.1:5000/team/redis:7";
        for pattern in
            [name, "127.0.0.1:5000/team/redis", "127.0.0.1:5000/*/redis", "127.0.0.1:5000/team/re*:?"]
        {
            assert!(is_like(name, pattern), "{pattern}");
        }
        for pattern in ["redis", "*", "127.0.0.1:5000/*", "127.0.0.1:5000/team/redis:8", ""] {
            assert!(!is_like(name, pattern), "{pattern}");
        }
        assert!(is_like("redis:7", "re*") && is_like("redis:7", "*") && is_like("redis:7", "*:7"));
        assert!(is_like("redis@sha256:00", "redis"));
        assert!(matches_glob(b"aaab", b"*a*b") && !matches_glob(b"aaac", b"*a*b"));
    }
}
