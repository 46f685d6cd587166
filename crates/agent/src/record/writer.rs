//! Joins changes that are made at the same time into one transaction.
//!
//! A transaction waits for the disk, and dozens of containers are recorded within a second. Whoever comes while one is
//! being written waits with all others who do, and the next transaction has the changes of all of them, in the order in
//! which they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, TableDefinition};
use tokio::sync::oneshot;

use super::{CONTAINERS, TASKS};

/// One row to write, or with no value to delete.
pub(super) struct Row {
    pub table: TableDefinition<'static, &'static str, &'static [u8]>,
    pub key: String,
    pub value: Option<Vec<u8>>,
}

/// What became of a change. One failure may be that of many.
type Outcome = Result<(), Arc<redb::Error>>;

/// Rows that are written in one transaction, but for those of a single change: so many that waiting for the disk is
/// shared, so few that nobody waits for more than a moment of others' writing.
const ROWS_MAX: usize = 1_024;

/// A change that is to be written. A container changes step by step, each of which waits for the one before it to be on
/// disk: there are about as many at most as tasks on the node.
struct Waiting {
    rows: Vec<Row>,
    told: oneshot::Sender<Outcome>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Invariant: as long as this is set, a thread will look at the queue again.
    is_served: bool,
}

/// The database with those who want to write to it.
pub(super) struct Writer {
    pub database: Database,
    queue: Mutex<Queue>,
}

impl Queue {
    /// Takes out the changes of the next transaction.
    fn take(&mut self) -> Vec<Waiting> {
        let mut row_count = 0;
        let fits = |waiting: &&Waiting| {
            row_count += waiting.rows.len();
            row_count <= ROWS_MAX
        };
        let count = self.waiting.iter().take_while(fits).count().max(1);
        self.waiting.drain(..count.min(self.waiting.len())).collect()
    }
}

impl Writer {
    pub fn new(database: Database) -> Arc<Writer> {
        Arc::new(Writer { database, queue: Mutex::default() })
    }

    /// Makes a change, whole or not at all; returns when it is on disk. A caller who stops waiting does not stop it.
    pub async fn write(self: &Arc<Self>, rows: Vec<Row>) -> Outcome {
        let (told, outcome) = oneshot::channel();
        let is_first = {
            let mut queue = self.queue();
            queue.waiting.push_back(Waiting { rows, told });
            !std::mem::replace(&mut queue.is_served, true)
        };
        if is_first {
            let writer = Arc::clone(self);
            tokio::task::spawn_blocking(move || writer.serve());
        }
        outcome.await.expect("writing does not panic")
    }

    /// Writes until nobody waits. Whoever is answered last may be sure that this holds the database no more.
    fn serve(self: Arc<Self>) {
        let mut serving = Some(self);
        while let Some(writer) = serving.take() {
            let waiting = writer.queue().take();
            let rows = waiting.iter().flat_map(|waiting| &waiting.rows);
            let outcome = writer.commit(rows).map_err(Arc::new);
            serving = writer.is_awaited().then_some(writer);
            for Waiting { told, .. } in waiting {
                // Who does not wait any more needs no answer.
                drop(told.send(outcome.clone()));
            }
        }
    }

    /// Returns whether somebody came meanwhile. If not, the next one to come must see to being served.
    fn is_awaited(&self) -> bool {
        let mut queue = self.queue();
        queue.is_served = !queue.waiting.is_empty();
        queue.is_served
    }

    /// Writes rows in one transaction. Blocks until they are on disk.
    pub fn commit<'a>(&self, rows: impl IntoIterator<Item = &'a Row>) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        // Both exist from the first transaction on, so that they can be read.
        for table in [TASKS, CONTAINERS] {
            transaction.open_table(table)?;
        }
        for row in rows {
            let mut table = transaction.open_table(row.table)?;
            match &row.value {
                Some(value) => drop(table.insert(row.key.as_str(), value.as_slice())?),
                None => drop(table.remove(row.key.as_str())?),
            }
        }
        Ok(transaction.commit()?)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // It is changed in single steps, so it is whole even if a holder panicked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{ReadableDatabase, ReadableTable};

    use super::*;

    fn row(key: &str, value: Option<&str>) -> Vec<Row> {
        vec![Row { table: TASKS, key: key.to_owned(), value: value.map(|value| value.as_bytes().to_vec()) }]
    }

    #[tokio::test]
    async fn changes_made_at_the_same_time_are_written_in_their_order() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).expect("a database");
        let writer = Writer::new(database);
        let all = (0..100).map(|number| {
            let key = (number % 10).to_string();
            let value = (number % 3 > 0).then(|| number.to_string());
            let writer = Arc::clone(&writer);
            async move { writer.write(row(&key, value.as_deref())).await }
        });
        for outcome in futures_util::future::join_all(all).await {
            outcome.expect("written");
        }
        let transaction = writer.database.begin_read().expect("to read");
        let table = transaction.open_table(TASKS).expect("the table");
        let rows = table.iter().expect("rows").map(|row| {
            let (key, value) = row.expect("a row");
            (key.value().to_owned(), String::from_utf8_lossy(value.value()).into_owned())
        });
        let last = (90..100).filter(|number| number % 3 > 0);
        let expected: Vec<_> = last.map(|number| ((number % 10).to_string(), number.to_string())).collect();
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }
}
