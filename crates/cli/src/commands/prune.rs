//! What every `prune` asks first.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::context::Context;
use crate::fault::Fault;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1024;

/// Asks a person to confirm; anything but yes means no, which is no failure.
pub(crate) async fn confirm(context: &mut Context, warning: &str) -> Result<bool, Fault> {
    context.io.text(&format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
    context.io.out.flush()?;
    let mut answer = String::new();
    let read = BufReader::new(context.io.input().take(ANSWER_BYTES_MAX)).read_line(&mut answer).await;
    read.map_err(|error| Fault::new(format!("cannot read the answer: {error}")))?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
