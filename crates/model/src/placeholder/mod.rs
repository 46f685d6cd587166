//! Placeholders in hostname, environment and mounts: `{{.Task.Slot}}` and the like, after Go's templates.
//!
//! What people write there is understood: fields, `index`, `join`, `printf`, comparisons, `if … else … end`,
//! pipelines and trim markers. What loops or defines (`range`, `with`, variables) is refused by name.
//! [`parse`] makes the tree, [`eval`] fills it in, [`expand`](mod@expand) applies both to a container.
//! The texts of errors are Go's and Swarm's.

mod eval;
mod expand;
mod parse;
mod value;

pub use expand::{Context, expand_container};
pub use value::Value;

/// Longest result of one text, in bytes; a container's environment has no room for more.
const RESULT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of parentheses and conditions.
const DEPTH_MAX: usize = 32;

/// Fills in the placeholders of `text` from `root`.
pub fn expand(text: &str, root: &Value<'_>) -> Result<String, String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    eval::run(text, &parse::parse(text)?, root)
}

#[cfg(test)]
mod tests;
