//! Joining the streams of a container's first process.

use super::session::{Input, Last, Outputs, Session, pump};
use super::{AttachStreams, ContainerError, Containers};
use crate::engine::Happened;

impl Containers {
    /// Joins the streams of a container's first process, its output from here on. Leaving ends nothing.
    pub async fn attach(&self, id: &str, streams: AttachStreams) -> Result<Session, ContainerError> {
        let handle = self.running(id)?;
        let attached = handle.attach(streams.stdout, streams.stderr).await;
        let attachment = attached.map_err(|error| ContainerError::attach(id, error))?;
        let skep_runtime::Attachment { input, stdout, stderr, connection } = attachment;
        let input: Option<Input> = match input.filter(|_| streams.stdin) {
            Some(input) => Some(Box::pin(input)),
            None => None,
        };
        let outputs = Outputs::new(stdout, stderr, (true, true));
        // A reader that does not keep up loses its output, and must learn of it.
        let last = if streams.stdout || streams.stderr { Last::Output } else { Last::End };
        let end = async move {
            handle.wait().await;
            drop(connection);
        };
        self.engine.tell(id, Happened::Attached);
        Ok(Session { output: pump(outputs, end, last), input })
    }
}
