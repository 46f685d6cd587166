//! The script of requests. Its cluster has one service `rec` of `127.0.0.1:5000/busybox:1` with one running task.

/// One request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question {
    /// Of its file.
    pub name: &'static str,
    pub method: &'static str,
    /// Behind the version; `{name}` stands for something remembered.
    pub path: &'static str,
    /// JSON, encoded into the query.
    pub filters: Option<&'static str>,
    pub body: Option<&'static str>,
    /// Keeps the text at a JSON pointer of the answer under a name.
    pub remember: Option<(&'static str, &'static str)>,
}

const fn get(name: &'static str, path: &'static str) -> Question {
    Question { name, method: "GET", path, filters: None, body: None, remember: None }
}

const fn send(name: &'static str, method: &'static str, path: &'static str) -> Question {
    Question { method, ..get(name, path) }
}

impl Question {
    const fn filters(self, filters: &'static str) -> Self {
        Question { filters: Some(filters), ..self }
    }

    const fn body(self, body: &'static str) -> Self {
        Question { body: Some(body), ..self }
    }

    const fn remember(self, name: &'static str, pointer: &'static str) -> Self {
        Question { remember: Some((name, pointer)), ..self }
    }
}

/// The service that the questions are about.
pub const SERVICE: &str = r#"{
  "Name": "rec", "Labels": {"purpose": "recording"},
  "Mode": {"Replicated": {"Replicas": 1}},
  "TaskTemplate": {
    "ContainerSpec": {
      "Image": "127.0.0.1:5000/busybox:1",
      "Command": ["sh", "-c", "echo hello; trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"],
      "Env": ["A=b"], "Labels": {"inside": "yes"}, "Hostname": "hive", "Hosts": ["10.1.2.3 other"],
      "StopGracePeriod": 1000000000,
      "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000},
      "Mounts": [
        {"Type": "volume", "Source": "rec-data", "Target": "/data", "VolumeOptions": {"Labels": {"for": "rec"}}},
        {"Type": "tmpfs", "Target": "/fast", "TmpfsOptions": {"SizeBytes": 1048576}}
      ]
    },
    "Resources": {"Limits": {"MemoryBytes": 67108864}},
    "RestartPolicy": {"Condition": "none"}
  }
}"#;

/// Returns the script.
pub fn questions() -> Vec<Question> {
    let mut all = cluster();
    all.extend(containers());
    all.extend(execs());
    all.extend(images());
    all.extend(volumes());
    all.extend(system());
    all
}

fn cluster() -> Vec<Question> {
    vec![
        get("version", "/version"),
        get("info", "/info"),
        get("swarm", "/swarm"),
        get("nodes", "/nodes").remember("node", "/0/ID"),
        get("node", "/nodes/{node}"),
        get("node-missing", "/nodes/nobody"),
        get("services", "/services").remember("service", "/0/ID"),
        get("services-status", "/services?status=true"),
        get("service", "/services/rec"),
        get("service-defaults", "/services/rec?insertDefaults=true"),
        get("service-missing", "/services/nobody"),
        get("services-filter-unknown", "/services").filters(r#"{"nonsense":["1"]}"#),
        get("tasks", "/tasks").remember("task", "/0/ID"),
        get("task", "/tasks/{task}").remember("container", "/Status/ContainerStatus/ContainerID"),
        get("task-missing", "/tasks/nobody"),
        get("secrets", "/secrets"),
        get("configs", "/configs"),
    ]
}

fn containers() -> Vec<Question> {
    vec![
        get("containers", "/containers/json?all=1"),
        get("containers-size", "/containers/json?size=1"),
        get("containers-none", "/containers/json").filters(r#"{"name":["nobody"]}"#),
        get("containers-filter-unknown", "/containers/json").filters(r#"{"nonsense":["1"]}"#),
        get("containers-filter-status", "/containers/json").filters(r#"{"status":["asleep"]}"#),
        get("container", "/containers/{container}/json"),
        get("container-size", "/containers/{container}/json?size=1"),
        get("container-missing", "/containers/nobody/json"),
        get("container-stats", "/containers/{container}/stats?stream=0"),
        get("container-stats-once", "/containers/{container}/stats?stream=0&one-shot=1"),
        get("container-top", "/containers/{container}/top"),
        get("container-top-args", "/containers/{container}/top?ps_args=-o%20pid,args"),
        get("container-changes", "/containers/{container}/changes"),
        get("container-logs", "/containers/{container}/logs?stdout=1"),
        get("container-logs-neither", "/containers/{container}/logs"),
        send("container-path", "HEAD", "/containers/{container}/archive?path=/etc/passwd"),
        get("container-path-missing", "/containers/{container}/archive?path=/no/such"),
        get("container-archive", "/containers/{container}/archive?path=/etc/passwd"),
        send("container-start-running", "POST", "/containers/{container}/start"),
        send("container-kill-signal", "POST", "/containers/{container}/kill?signal=NONSENSE"),
        send("container-remove-running", "DELETE", "/containers/{container}"),
        send("containers-prune", "POST", "/containers/prune"),
    ]
}

fn execs() -> Vec<Question> {
    vec![
        send("exec-create", "POST", "/containers/{container}/exec")
            .body(r#"{"Cmd":["sh","-c","exit 3"],"AttachStdout":true,"Env":["X=y"],"User":"0"}"#)
            .remember("exec", "/Id"),
        get("exec-new", "/exec/{exec}/json"),
        send("exec-start", "POST", "/exec/{exec}/start").body(r#"{"Detach":false,"Tty":false}"#),
        get("exec-ended", "/exec/{exec}/json"),
        send("exec-start-again", "POST", "/exec/{exec}/start").body(r#"{"Detach":true}"#),
        send("exec-no-command", "POST", "/containers/{container}/exec").body(r#"{"Cmd":[]}"#),
        send("exec-no-container", "POST", "/containers/nobody/exec").body(r#"{"Cmd":["true"]}"#),
        get("exec-missing", "/exec/nobody/json"),
    ]
}

fn images() -> Vec<Question> {
    vec![
        get("images", "/images/json"),
        get("images-none", "/images/json").filters(r#"{"reference":["nobody"]}"#),
        get("image", "/images/127.0.0.1:5000/busybox:1/json"),
        get("image-missing", "/images/nobody:1/json"),
        get("image-history", "/images/127.0.0.1:5000/busybox:1/history"),
        send("image-pull-again", "POST", "/images/create?fromImage=127.0.0.1:5000/busybox&tag=1"),
        send("image-pull", "POST", "/images/create?fromImage=127.0.0.1:5000/other&tag=1"),
        send("image-pull-missing", "POST", "/images/create?fromImage=127.0.0.1:5000/nobody&tag=1"),
        send("image-pull-invalid", "POST", "/images/create?fromImage=BAD%20NAME&tag=1"),
        send("image-tag", "POST", "/images/127.0.0.1:5000/other:1/tag?repo=again&tag=2"),
        send("image-tag-missing", "POST", "/images/nobody:1/tag?repo=again&tag=2"),
        send("image-untag", "DELETE", "/images/again:2"),
        send("image-delete", "DELETE", "/images/127.0.0.1:5000/other:1"),
        send("image-delete-used", "DELETE", "/images/127.0.0.1:5000/busybox:1"),
        send("image-delete-missing", "DELETE", "/images/nobody:1"),
        send("images-prune", "POST", "/images/prune"),
        get("distribution", "/distribution/127.0.0.1:5000/busybox:1/json"),
    ]
}

fn volumes() -> Vec<Question> {
    vec![
        send("volume-create", "POST", "/volumes/create").body(r#"{"Name":"kept","Labels":{"a":"b"}}"#),
        send("volume-create-again", "POST", "/volumes/create").body(r#"{"Name":"kept"}"#),
        send("volume-create-unnamed", "POST", "/volumes/create").body("{}").remember("volume", "/Name"),
        send("volume-create-bad-name", "POST", "/volumes/create").body(r#"{"Name":"a b"}"#),
        send("volume-create-bad-option", "POST", "/volumes/create")
            .body(r#"{"Name":"odd","DriverOpts":{"nonsense":"1"}}"#),
        get("volumes", "/volumes"),
        get("volumes-none", "/volumes").filters(r#"{"name":["nobody"]}"#),
        get("volume", "/volumes/kept"),
        get("volume-used", "/volumes/rec-data"),
        get("volume-missing", "/volumes/nobody"),
        send("volume-remove-used", "DELETE", "/volumes/rec-data"),
        send("volume-remove", "DELETE", "/volumes/{volume}"),
        send("volume-remove-missing", "DELETE", "/volumes/nobody"),
        send("volumes-prune", "POST", "/volumes/prune").filters(r#"{"label":["a=b"]}"#),
    ]
}

fn system() -> Vec<Question> {
    vec![
        get("disk-usage", "/system/df"),
        get("networks", "/networks"),
        get("network-missing", "/networks/nobody"),
        get("plugins", "/plugins"),
        get("events", "/events?since=1&until={now}").filters(r#"{"type":["container"],"event":["start"]}"#),
        get("events-volume", "/events?since=1&until={now}").filters(r#"{"volume":["kept"]}"#),
        get("events-backwards", "/events?since=5&until=1"),
        send("build-prune", "POST", "/build/prune"),
        get("page-missing", "/no/such/page"),
    ]
}
