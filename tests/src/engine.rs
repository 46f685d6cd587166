//! Docker's HTTP API as tests and measurements use it: the same calls for Skep and for dockerd.
//!
//! Only what the black box needs is typed; everything else is JSON as it comes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::http::{Http, Response};
use crate::wait::{Look, wait_for};

/// Spoken by dockerd 20.10 and by Skep.
const VERSION: &str = "/v1.41";

/// An API endpoint.
#[derive(Debug)]
pub struct Engine {
    http: Http,
}

/// A task as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub id: String,
    pub slot: u64,
    pub state: String,
    pub desired: String,
    /// The image with tag and digest.
    pub image: String,
    /// Why it failed or waits; empty otherwise.
    pub error: String,
    pub container: String,
    /// The container's first process, by its id where the daemon runs; 0 without one.
    pub process: u64,
    pub exit_code: i64,
    /// The whole object.
    pub raw: Value,
}

impl Engine {
    /// Talks to the daemon behind a unix socket.
    pub fn connect(socket: &Path) -> Result<Self> {
        Ok(Self { http: Http::unix(socket)? })
    }

    /// Sends any request; the path begins after the version, `/info` for example.
    pub fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Response> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let headers = [("content-type", "application/json")];
        self.http.send(method, &format!("{VERSION}{path}"), &headers, text.as_bytes())
    }

    /// Reads an object; a refusal is an error.
    pub fn get(&mut self, path: &str) -> Result<Value> {
        self.http.json("GET", &format!("{VERSION}{path}"), None)
    }

    /// Tells whether the daemon answers.
    pub fn ping(&mut self) -> Result<()> {
        let response = self.http.send("GET", "/_ping", &[], &[])?;
        ensure!(response.status == 200, "/_ping: {} {}", response.status, response.text());
        Ok(())
    }

    /// Makes a cluster of one.
    pub fn swarm_init(&mut self) -> Result<()> {
        let body = json!({"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1", "Spec": {}});
        self.post("/swarm/init", &body).map(drop)
    }

    /// Creates a service and returns its id.
    pub fn create_service(&mut self, spec: &Value) -> Result<String> {
        let answer = self.post("/services/create", spec)?;
        Ok(answer["ID"].as_str().with_context(|| format!("no ID in {answer}"))?.to_owned())
    }

    /// Reads a service by id or name.
    pub fn service(&mut self, reference: &str) -> Result<Value> {
        self.get(&format!("/services/{reference}"))
    }

    /// Reads the service, changes its spec and sends it back, as `docker service update` does.
    pub fn update_service(&mut self, reference: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut service = self.service(reference)?;
        change(&mut service["Spec"]);
        let index = service["Version"]["Index"].as_u64().context("a service has a version")?;
        self.post(&format!("/services/{reference}/update?version={index}"), &service["Spec"]).map(drop)
    }

    /// Removes a service and waits until none of its tasks is left.
    pub fn remove_service(&mut self, reference: &str) -> Result<()> {
        let id = self.service(reference)?["ID"].as_str().context("a service has an ID")?.to_owned();
        let response = self.send("DELETE", &format!("/services/{id}"), None)?;
        ensure!(response.status == 200, "delete {reference}: {} {}", response.status, response.text());
        wait_for(&format!("the tasks of {reference} to go"), Duration::from_secs(60), || {
            let left = self.get("/tasks")?;
            let left = left.as_array().context("/tasks is a list")?;
            let left = left.iter().filter(|task| task["ServiceID"] == id.as_str()).count();
            Ok(if left == 0 { Look::Done(()) } else { Look::NotYet(format!("{left} tasks")) })
        })
    }

    /// Lists the tasks of a service, all or only those that should run, in slot order.
    pub fn tasks(&mut self, service: &str, only_desired: bool) -> Result<Vec<Task>> {
        let mut filters = json!({"service": {service: true}});
        if only_desired {
            filters["desired-state"] = json!({"running": true});
        }
        let tasks = self.get(&format!("/tasks?filters={}", encode(&filters.to_string())))?;
        let tasks = tasks.as_array().context("/tasks is a list")?;
        let mut tasks = tasks.iter().map(Task::read).collect::<Result<Vec<_>>>()?;
        tasks.sort_by(|a, b| (a.slot, &a.id).cmp(&(b.slot, &b.id)));
        Ok(tasks)
    }

    /// Waits until exactly `count` tasks should run, all of them do, and `accept` takes each.
    pub fn wait_running(
        &mut self,
        service: &str,
        count: usize,
        limit: Duration,
        accept: impl Fn(&Task) -> bool,
    ) -> Result<Vec<Task>> {
        wait_for(&format!("{count} running tasks of {service}"), limit, || {
            let tasks = self.tasks(service, true)?;
            let done =
                tasks.len() == count && tasks.iter().all(|task| task.state == "running" && accept(task));
            Ok(if done { Look::Done(tasks) } else { Look::NotYet(describe(&tasks)) })
        })
    }

    /// Waits until the service's update has this state; returns its message.
    pub fn wait_update(&mut self, service: &str, state: &str, limit: Duration) -> Result<String> {
        wait_for(&format!("the update of {service} to be {state}"), limit, || {
            let status = self.service(service)?["UpdateStatus"].clone();
            Ok(match status["State"].as_str() {
                Some(found) if found == state => {
                    Look::Done(status["Message"].as_str().unwrap_or_default().to_owned())
                }
                _ => Look::NotYet(status.to_string()),
            })
        })
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.http.json("POST", &format!("{VERSION}{path}"), Some(body))
    }
}

impl Task {
    fn read(raw: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let status = &raw["Status"];
        Ok(Self {
            id: raw["ID"].as_str().context("a task has an ID")?.to_owned(),
            slot: raw["Slot"].as_u64().unwrap_or_default(),
            state: text(&status["State"]),
            desired: text(&raw["DesiredState"]),
            image: text(&raw["Spec"]["ContainerSpec"]["Image"]),
            error: text(&status["Err"]),
            container: text(&status["ContainerStatus"]["ContainerID"]),
            process: status["ContainerStatus"]["PID"].as_u64().unwrap_or_default(),
            exit_code: status["ContainerStatus"]["ExitCode"].as_i64().unwrap_or_default(),
            raw: raw.clone(),
        })
    }

    /// Returns the tag of the task's image.
    pub fn tag(&self) -> &str {
        let name = self.image.split('@').next().unwrap_or_default();
        name.rsplit_once(':').map_or("", |(_, tag)| tag)
    }
}

/// Returns one line about some tasks, for messages.
pub fn describe(tasks: &[Task]) -> String {
    let line = |task: &Task| format!("{}:{}→{} {}", task.slot, task.state, task.desired, task.error);
    tasks.iter().map(|task| line(task).trim_end().to_owned()).collect::<Vec<_>>().join(", ")
}

/// Percent-encodes a query value.
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_from_json() {
        let task = Task::read(&json!({
            "ID": "t1", "Slot": 2, "DesiredState": "running",
            "Spec": {"ContainerSpec": {"Image": "127.0.0.1:5000/redis:7@sha256:00"}},
            "Status": {"State": "failed", "Err": "task: non-zero exit (1)", "ContainerStatus": {"PID": 7}},
        }))
        .unwrap();
        assert_eq!((task.tag(), task.process), ("7", 7));
        assert_eq!(describe(&[task]), "2:failed→running task: non-zero exit (1)");
    }

    #[test]
    fn filters_are_percent_encoded() {
        assert_eq!(encode("{\"a\": 1}"), "%7B%22a%22%3A%201%7D");
    }
}
