//! What the node remembers over a restart of its agent: the tasks it was given, and of each container
//! what cannot be found again (address, health check and stop signal of its image).
//!
//! One redb file. A write returns when it is on disk, because a container is only created after its
//! record is; those who write at the same time share the wait (`writer`). Registry credentials are not kept: they come
//! again with the next assignment.

mod writer;

use std::fs::OpenOptions;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use skep_model::task::Whole;
use skep_model::template::Healthcheck;
use skep_model::{Task, TaskId, Timestamp};

use writer::{Row, Writer};

/// What redb may keep of the file in memory; it is read once, at start.
const CACHE_BYTES: usize = 1 << 20;
const TASKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tasks");
const CONTAINERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("containers");

/// Why the node's memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot open the node's database {path}")]
    Open { path: PathBuf, source: Box<redb::Error> },
    #[error(
        "the node's database {path} is empty, so it was damaged; restore it from a backup, or remove it: then the \
         containers that run are replaced"
    )]
    Empty { path: PathBuf },
    #[error("cannot {action} the node's database")]
    Use { action: &'static str, source: Arc<redb::Error> },
    #[error("the record of task {id} in the node's database is not readable")]
    Decode { id: String, source: rmp_serde::decode::Error },
}

/// One container as the agent must know it without asking anybody.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerRecord {
    pub task_id: TaskId,
    pub container_id: String,
    pub name: String,
    pub address: Option<Ipv4Addr>,
    /// Ports of this node that lead to it, with the numbers that were chosen; none before the start.
    pub ports: Vec<skep_model::endpoint::Port>,
    /// As the task names it.
    pub image: String,
    /// `sha256:…` of the image's configuration.
    pub image_id: String,
    pub image_health: Option<Healthcheck>,
    /// As the image names it; empty: SIGTERM.
    pub stop_signal: String,
    pub command: Vec<String>,
    pub labels: skep_model::Labels,
    pub created_at: Timestamp,
    pub mounts: Vec<MountRecord>,
    /// Empty: the default one.
    pub log_driver: String,
}

/// A mount of a container, for inspect; of its volumes also who holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountRecord {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// Name of the volume; else empty.
    pub volume: String,
    /// Path on the node of a bind; else empty.
    pub source: String,
    pub target: String,
    /// Of a volume; else empty.
    pub driver: String,
    pub read_only: bool,
    /// Of a bind; else empty.
    pub propagation: String,
}

/// The database.
pub struct Records {
    writer: Arc<Writer>,
}

impl Records {
    /// Opens or creates the database.
    pub fn open(path: &Path) -> Result<Records, RecordError> {
        let open =
            |source: redb::Error| RecordError::Open { path: path.to_owned(), source: Box::new(source) };
        // redb would begin anew on an empty file, and nobody would know what the containers are.
        if std::fs::metadata(path).is_ok_and(|found| found.len() == 0) {
            return Err(RecordError::Empty { path: path.to_owned() });
        }
        // The environment of tasks is in it, which is often less public than it should be.
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(|source| open(redb::Error::Io(source)))?;
        let database = FileBackend::new(file)
            .and_then(|file| Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file))
            .map_err(|source| open(source.into()))?;
        let records = Records { writer: Writer::new(database) };
        records.writer.commit([]).map_err(|source| used("prepare")(Arc::new(source)))?;
        Ok(records)
    }

    /// Keeps and forgets tasks, all of them or none.
    pub async fn remember(&self, put: &[Arc<Task>], forget: &[TaskId]) -> Result<(), RecordError> {
        let (put, forget) = (put.to_vec(), forget.to_vec());
        // A node that has just registered is told of all its tasks at once.
        let rows = tokio::task::spawn_blocking(move || task_rows(&put, &forget)).await;
        let rows = rows.expect("tasks can be encoded");
        self.writer.write(rows).await.map_err(used("remember tasks in"))
    }

    pub async fn put_container(&self, record: &ContainerRecord) -> Result<(), RecordError> {
        let row = Row { table: CONTAINERS, key: record.task_id.to_string(), value: Some(encode(record)) };
        self.writer.write(vec![row]).await.map_err(used("record a container in"))
    }

    pub async fn delete_container(&self, id: TaskId) -> Result<(), RecordError> {
        let row = Row { table: CONTAINERS, key: id.to_string(), value: None };
        self.writer.write(vec![row]).await.map_err(used("forget a container in"))
    }

    pub fn tasks(&self) -> Result<Vec<Arc<Task>>, RecordError> {
        Ok(self.read(TASKS)?.into_iter().map(|Whole(task)| task).collect())
    }

    pub fn task(&self, id: TaskId) -> Result<Option<Arc<Task>>, RecordError> {
        let attempt = || -> Result<Option<Vec<u8>>, redb::Error> {
            let transaction = self.writer.database.begin_read()?;
            let row = transaction.open_table(TASKS)?.get(id.to_string().as_str())?;
            Ok(row.map(|row| row.value().to_owned()))
        };
        let bytes = attempt().map_err(|source| used("read")(Arc::new(source)))?;
        let decode = |bytes: Vec<u8>| {
            let task = rmp_serde::from_slice(&bytes);
            task.map(|Whole(task)| task).map_err(|source| RecordError::Decode { id: id.to_string(), source })
        };
        bytes.map(decode).transpose()
    }

    pub fn containers(&self) -> Result<Vec<ContainerRecord>, RecordError> {
        self.read(CONTAINERS)
    }

    fn read<T: for<'de> Deserialize<'de>>(
        &self,
        table: TableDefinition<'_, &str, &[u8]>,
    ) -> Result<Vec<T>, RecordError> {
        let attempt = || -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
            let transaction = self.writer.database.begin_read()?;
            let table = transaction.open_table(table)?;
            let mut rows = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                rows.push((key.value().to_owned(), value.value().to_owned()));
            }
            Ok(rows)
        };
        let rows = attempt().map_err(|source| used("read")(Arc::new(source)))?;
        rows.into_iter()
            .map(|(id, bytes)| {
                rmp_serde::from_slice(&bytes).map_err(|source| RecordError::Decode { id, source })
            })
            .collect()
    }
}

/// Returns the error of an action on the database.
fn used(action: &'static str) -> impl Fn(Arc<redb::Error>) -> RecordError {
    move |source| RecordError::Use { action, source }
}

fn task_rows(put: &[Arc<Task>], forget: &[TaskId]) -> Vec<Row> {
    let kept = put.iter().map(|task| (task.id, Some(encode(&Whole(without_credentials(task))))));
    let forgotten = forget.iter().map(|id| (*id, None));
    kept.chain(forgotten).map(|(id, value)| Row { table: TASKS, key: id.to_string(), value }).collect()
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("our own types serialise into memory")
}

fn without_credentials(task: &Arc<Task>) -> Arc<Task> {
    let mut task = task.clone();
    if task.spec.registry_auth.is_some() {
        Arc::make_mut(&mut Arc::make_mut(&mut task).spec).registry_auth = None;
    }
    task
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_model::task::SlotId;
    use skep_model::template::RegistryAuth;
    use skep_model::{Id, ServiceId, ServiceSpec};

    fn task() -> Task {
        let mut spec = ServiceSpec::default();
        Arc::make_mut(&mut spec.task).registry_auth = Some(RegistryAuth("very-secret".into()));
        let service = skep_testing::service(ServiceId::from_number(1), spec);
        Task::of(&service, TaskId::from_number(7), SlotId::Number(1))
    }

    #[tokio::test]
    async fn remembers_over_a_restart_but_no_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.redb");
        let records = Records::open(&path).unwrap();
        records.remember(&[Arc::new(task())], &[]).await.unwrap();
        let record =
            ContainerRecord { task_id: task().id, stop_signal: "SIGINT".into(), ..Default::default() };
        records.put_container(&record).await.unwrap();
        drop(records);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"very-secret"));
        let records = Records::open(&path).unwrap();
        let tasks = records.tasks().unwrap();
        assert_eq!((tasks.len(), tasks[0].id), (1, task().id));
        assert_eq!(records.task(task().id).unwrap().map(|found| found.id), Some(task().id));
        assert!(records.task(TaskId::from_number(8)).unwrap().is_none());
        assert_eq!(records.containers().unwrap(), [record]);
        records.remember(&[], &[task().id]).await.unwrap();
        records.delete_container(task().id).await.unwrap();
        assert!(records.tasks().unwrap().is_empty() && records.containers().unwrap().is_empty());
    }
}
