//! What happens to an image, in the messages that `docker pull` and `docker load` draw.

use super::super::facts::{LayerState, LoadStep, PullStep};
use crate::wire::local::{ProgressDetail, ProgressError, ProgressMessage};

/// Letters of a full bar.
const BAR_LENGTH: u64 = 50;

/// Returns the message for one step of a pull; some steps have none.
pub(super) fn of_pull(step: PullStep) -> ProgressMessage {
    match step {
        PullStep::Began { repository, tag } => {
            ProgressMessage { status: format!("Pulling from {repository}"), id: tag, ..Default::default() }
        }
        PullStep::Layer { id, state } => of_layer(id, state),
        PullStep::Resolved { digest } => status(format!("Digest: {digest}")),
        PullStep::Ended { is_new: true, reference } => {
            status(format!("Status: Downloaded newer image for {reference}"))
        }
        PullStep::Ended { is_new: false, reference } => {
            status(format!("Status: Image is up to date for {reference}"))
        }
    }
}

/// Returns the messages for one step of a load. `quiet` leaves out what is not a result.
pub(super) fn of_load(step: LoadStep, quiet: bool) -> Option<ProgressMessage> {
    match step {
        LoadStep::Layer { .. } if quiet => None,
        LoadStep::Layer { id, done, total } => Some(counted(id, "Loading layer", done, total)),
        LoadStep::Loaded { reference, id } => {
            let stream = match reference {
                Some(reference) => format!("Loaded image: {reference}\n"),
                None => format!("Loaded image ID: {id}\n"),
            };
            Some(ProgressMessage { stream, ..Default::default() })
        }
    }
}

/// Returns the last message of a stream that failed.
pub(super) fn of_failure(message: String) -> ProgressMessage {
    ProgressMessage {
        error_detail: Some(ProgressError { code: 0, message: message.clone() }),
        error: message,
        ..Default::default()
    }
}

fn of_layer(id: String, state: LayerState) -> ProgressMessage {
    let plain = |id: String, text: &str| ProgressMessage {
        id,
        // Compat: an empty object, not an absent one: clients keep a line for each id that has it.
        progress_detail: Some(ProgressDetail::default()),
        ..status(text.to_owned())
    };
    match state {
        LayerState::Pulling => plain(id, "Pulling fs layer"),
        LayerState::Waiting => plain(id, "Waiting"),
        LayerState::Downloading { done, total } => counted(id, "Downloading", done, total),
        LayerState::Verifying => plain(id, "Verifying Checksum"),
        LayerState::Downloaded => plain(id, "Download complete"),
        LayerState::Extracting { done, total } => counted(id, "Extracting", done, total),
        LayerState::Complete => plain(id, "Pull complete"),
        LayerState::AlreadyHere => plain(id, "Already exists"),
    }
}

fn status(text: String) -> ProgressMessage {
    ProgressMessage { status: text, ..Default::default() }
}

fn counted(id: String, text: &str, done: u64, total: u64) -> ProgressMessage {
    ProgressMessage {
        progress_detail: Some(ProgressDetail { current: done, total }),
        progress: bar(done, total),
        id,
        ..status(text.to_owned())
    }
}

/// Draws a bar as the daemon does for clients that do not draw their own.
fn bar(done: u64, total: u64) -> String {
    if total == 0 || done > total {
        return format!("{:>8}", human(done));
    }
    let length = usize::try_from(done * BAR_LENGTH / total).unwrap_or(0);
    let rest = BAR_LENGTH as usize - length;
    let head = if rest > 0 { ">" } else { "" };
    let space = " ".repeat(rest.saturating_sub(1));
    format!("[{}{head}{space}] {:>8}/{}", "=".repeat(length), human(done), human(total))
}

/// Returns a size in four digits and a decimal unit, as Go's `units.HumanSize`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let digits: usize = match size {
        ..10.0 => 3,
        10.0..100.0 => 2,
        100.0..1000.0 => 1,
        _ => 0,
    };
    let text = format!("{size:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &ProgressMessage) -> String {
        serde_json::to_string(message).expect("encodes")
    }

    #[test]
    fn messages_are_dockers() {
        let began = PullStep::Began { repository: "library/redis".into(), tag: "7".into() };
        assert_eq!(text(&of_pull(began)), r#"{"status":"Pulling from library/redis","id":"7"}"#);
        let layer = |state| text(&of_pull(PullStep::Layer { id: "0123456789ab".into(), state }));
        assert_eq!(
            layer(LayerState::Pulling),
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"0123456789ab"}"#
        );
        assert_eq!(
            layer(LayerState::Downloading { done: 500, total: 1000 }),
            format!(
                r#"{{"status":"Downloading","progressDetail":{{"current":500,"total":1000}},"progress":"[{}>{}]     500B/1kB","id":"0123456789ab"}}"#,
                "=".repeat(25),
                " ".repeat(24)
            )
        );
        let failure = of_failure("no space left".into());
        assert_eq!(text(&failure), r#"{"errorDetail":{"message":"no space left"},"error":"no space left"}"#);
    }

    #[test]
    fn sizes_have_four_digits() {
        for (bytes, shown) in
            [(0, "0B"), (999, "999B"), (1500, "1.5kB"), (12_345_678, "12.35MB"), (1_000_000_000, "1GB")]
        {
            assert_eq!(human(bytes), shown);
        }
    }
}
