//! The loop around the worker: events in, effects out, each effect in a future of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use skep_core::message::{ManagerMessage, NodeMessage};
use skep_core::worker::task::Tracked;
use skep_core::worker::{Effect, Event, Outcome, Output, Worker};
use skep_model::node::NodeDescription;
use skep_model::{TaskId, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::engine::{Engine, EngineError, chain};

/// How long the end of the agent waits for preparations that are past their image.
const PREPARATION_WAIT_MAX: Duration = Duration::from_secs(30);
/// Outcomes that may wait for the loop; whoever produces more waits.
const OUTCOMES_MAX: usize = 1024;

/// The way to the managers. Either direction may lose messages; the worker repeats what matters.
pub struct Link {
    pub to_manager: mpsc::Sender<NodeMessage>,
    pub from_manager: mpsc::Receiver<ManagerMessage>,
}

/// Runs the node's tasks until `stop` is cancelled. Containers live on.
pub async fn run(
    engine: Arc<Engine>,
    description: NodeDescription,
    addr: String,
    mut link: Link,
    stop: CancellationToken,
) -> Result<(), EngineError> {
    let (outcomes, mut inbox) = mpsc::channel(OUTCOMES_MAX);
    let mut node = Node {
        engine: engine.clone(),
        worker: Worker::new(),
        to_manager: link.to_manager,
        outcomes,
        preparations: BTreeMap::new(),
        preparing: TaskTracker::new(),
        stop: stop.clone(),
        clock: Clock::default(),
        wake_at: None,
    };
    let containers = engine.found();
    let running: Vec<TaskId> = containers.iter().map(|(id, _)| *id).collect();
    node.step(Event::Recovered { tasks: engine.remembered()?, containers }).await?;
    running.into_iter().for_each(|id| node.watch(id));
    node.step(Event::Connected { description: Box::new(description), addr }).await?;
    loop {
        let woken = node.clock.sleep_until(node.wake_at);
        let event = tokio::select! {
            () = stop.cancelled() => break,
            outcome = inbox.recv() => match outcome {
                Some((id, outcome)) => Event::Did(id, outcome),
                None => break,
            },
            message = link.from_manager.recv() => match message {
                Some(message) => Event::Told(message),
                // The managers are gone for good only when the daemon stops or leaves.
                None => break,
            },
            () = woken => Event::Woke,
        };
        node.step(event).await?;
    }
    node.preparations.values().for_each(CancellationToken::cancel);
    node.preparing.close();
    if tokio::time::timeout(PREPARATION_WAIT_MAX, node.preparing.wait()).await.is_err() {
        tracing::warn!("a preparation is left unfinished; the next start clears it away");
    }
    Ok(())
}

struct Node {
    engine: Arc<Engine>,
    worker: Worker,
    to_manager: mpsc::Sender<NodeMessage>,
    outcomes: mpsc::Sender<(TaskId, Outcome)>,
    preparations: BTreeMap<TaskId, CancellationToken>,
    /// Preparations under way: the agent does not end in the middle of one.
    preparing: TaskTracker,
    stop: CancellationToken,
    clock: Clock,
    wake_at: Option<Timestamp>,
}

impl Node {
    async fn step(&mut self, event: Event) -> Result<(), EngineError> {
        let now = self.clock.now();
        if let Event::Did(id, outcome) = &event {
            self.note(*id, outcome);
        }
        let looked_at = match &event {
            Event::Did(id, _) => vec![*id],
            Event::Recovered { containers, .. } => containers.iter().map(|(id, _)| *id).collect(),
            _ => Vec::new(),
        };
        let Output { effects, wake_at } = self.worker.step(now, event);
        self.wake_at = wake_at;
        for id in looked_at {
            self.engine.note_health(id, self.worker.task(id).and_then(Tracked::health));
        }
        for effect in effects {
            self.perform(effect).await?;
        }
        Ok(())
    }

    /// Logs what an operator would want to read tomorrow, and follows containers that now exist.
    fn note(&mut self, id: TaskId, outcome: &Outcome) {
        match outcome {
            Outcome::Prepared { .. } => {
                self.preparations.remove(&id);
                self.watch(id);
            }
            Outcome::Failed { reason, .. } => {
                self.preparations.remove(&id);
                tracing::warn!(task.id = %id, reason, "an operation on a task failed");
            }
            Outcome::Started { pid, .. } => tracing::info!(task.id = %id, pid, "a task started"),
            Outcome::Exited(_) => self.disconnect(id),
            Outcome::Limited | Outcome::Removed | Outcome::Probed { .. } => {}
        }
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), EngineError> {
        match effect {
            // In line and first: nothing is done for a task that would be forgotten.
            Effect::Remember { put, forget } => {
                self.engine.remember(&put, &forget).await?;
            }
            Effect::Send(message) => {
                // A full way to the managers loses the message; the worker sends it again.
                if self.to_manager.try_send(message).is_err() {
                    tracing::warn!("a message to the managers was lost");
                }
            }
            Effect::Prepare(task) => {
                let cancel = CancellationToken::new();
                self.preparations.insert(task.id, cancel.clone());
                let engine = self.engine.clone();
                let outcomes = self.outcomes.clone();
                self.preparing.spawn(async move {
                    let outcome = match engine.prepare(&task, &cancel).await {
                        Ok(ready) => Outcome::Prepared {
                            container_id: ready.container_id,
                            image_health: ready.image_health,
                        },
                        Err(failure) => {
                            Outcome::Failed { reason: failure.reason, retryable: failure.retryable }
                        }
                    };
                    drop(outcomes.send((task.id, outcome)).await);
                });
            }
            Effect::CancelPreparation(id) => {
                if let Some(cancel) = self.preparations.get(&id) {
                    cancel.cancel();
                }
            }
            Effect::Start(id) => {
                let (engine, outcomes) = (self.engine.clone(), self.outcomes.clone());
                tokio::spawn(async move {
                    match engine.start(id).await {
                        Ok((pid, ports)) => drop(outcomes.send((id, Outcome::Started { pid, ports })).await),
                        Err(error) => {
                            drop(outcomes.send((id, failed(&error))).await);
                            // Its program may run all the same; nobody would stop it later.
                            engine.kill(id).await;
                        }
                    }
                });
            }
            Effect::Stop { id, signal, grace } => {
                let engine = self.engine.clone();
                self.spawn(id, async move {
                    match engine.stop(id, &signal, grace).await {
                        Ok(exit) => Outcome::Exited(exit),
                        Err(error) => failed(&error),
                    }
                });
            }
            Effect::Limit { id, limits } => {
                let engine = self.engine.clone();
                self.spawn(id, async move {
                    match engine.limit(id, &limits).await {
                        Ok(()) => Outcome::Limited,
                        Err(error) => failed(&error),
                    }
                });
            }
            Effect::Probe { id, test, timeout } => {
                let engine = self.engine.clone();
                self.spawn(id, async move {
                    let (healthy, output) = engine.probe(id, &test, timeout).await;
                    Outcome::Probed { healthy, output }
                });
            }
            Effect::Remove(id) => {
                let engine = self.engine.clone();
                self.spawn(id, async move {
                    match engine.remove(id).await {
                        Ok(()) => Outcome::Removed,
                        Err(error) => failed(&error),
                    }
                });
            }
        }
        Ok(())
    }

    /// Reports the end of a container's process, whoever ends it.
    fn watch(&self, id: TaskId) {
        let engine = self.engine.clone();
        let (outcomes, stop) = (self.outcomes.clone(), self.stop.clone());
        tokio::spawn(async move {
            let waited = tokio::select! {
                waited = engine.wait(id) => waited,
                () = stop.cancelled() => return,
            };
            let exit = waited.unwrap_or_else(|error| skep_core::worker::Exit {
                code: 137,
                oom_killed: false,
                lost: Some(chain(&error)),
            });
            drop(outcomes.send((id, Outcome::Exited(exit))).await);
        });
    }

    /// Releases the network of a container that ended. What fails here is done when it is removed.
    fn disconnect(&self, id: TaskId) {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.disconnect(id).await {
                tracing::warn!(task.id = %id, error = %chain(&error), "an ended task keeps its address for now");
            }
        });
    }

    fn spawn(&self, id: TaskId, work: impl Future<Output = Outcome> + Send + 'static) {
        let outcomes = self.outcomes.clone();
        tokio::spawn(async move {
            let outcome = work.await;
            // The loop is gone only when the agent stops; then nobody wants the outcome.
            drop(outcomes.send((id, outcome)).await);
        });
    }
}

fn failed(error: &EngineError) -> Outcome {
    Outcome::Failed { reason: chain(error), retryable: error.is_retryable() }
}
