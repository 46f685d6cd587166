//! bollard, the Rust client, as its users call it: services, tasks, nodes, logs, exec, events, images.
//!
//! The walk of `tests/clients/` once more, in one async scene to each kind of object; bollard's types are generated
//! from Docker's own description of the API, so whatever it decodes has the documented shape.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{
    LocalNodeState, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, Task, TaskSpec,
    TaskSpecContainerSpec, TaskState,
};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, EventsOptionsBuilder, KillContainerOptionsBuilder, ListNodesOptions,
    ListServicesOptionsBuilder, ListTasksOptionsBuilder, LogsOptionsBuilder, StatsOptionsBuilder,
    UpdateNodeOptionsBuilder, UpdateServiceOptionsBuilder, WaitContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use skep_tests::Cluster;
use skep_tests::cluster::OBEDIENT;
use tokio::io::AsyncWriteExt as _;

const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

#[test]
fn bollard() {
    let cluster = Cluster::start().unwrap();
    let images = ["1", "2"].map(|tag| cluster.busybox(tag).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let walk = walk(cluster.daemon.socket(), &images);
    runtime.block_on(async { tokio::time::timeout(3 * LIMIT, walk).await }).expect("the walk ends");
}

async fn walk(socket: &Path, images: &[String; 2]) {
    let docker = connect(socket).await;
    system(&docker).await;
    pull(&docker, images).await;
    services(&docker, images).await;
    nodes(&docker).await;
    logs(&docker).await;
    exec(&docker).await;
    events(&docker).await;
    docker.delete_service("web").await.unwrap();
    refused(404, "service web not found", docker.inspect_service("web", None).await);
}

async fn connect(socket: &Path) -> Docker {
    let newest = Docker::connect_with_unix(socket.to_str().unwrap(), LIMIT.as_secs(), API_DEFAULT_VERSION);
    let docker = newest.unwrap().negotiate_version().await.unwrap();
    // bollard knows newer versions than the daemon, and comes down to its.
    assert_eq!((docker.client_version().major_version, docker.client_version().minor_version), (1, 50));
    docker
}

/// Asserts that a call was refused with this status and a sentence that has this part.
fn refused<T>(status: u16, part: &str, answer: Result<T, Error>) {
    match answer {
        Err(Error::DockerResponseServerError { status_code, message }) => {
            assert!(status_code == status && message.contains(part), "{status_code} {message}");
        }
        Err(error) => panic!("refused in another way: {error}"),
        Ok(_) => panic!("not refused: {part}"),
    }
}

async fn system(docker: &Docker) {
    assert_eq!(docker.ping().await.unwrap(), "OK");
    assert_eq!(docker.version().await.unwrap().os.as_deref(), Some("linux"));
    let info = docker.info().await.unwrap();
    assert_eq!(info.swarm.unwrap().local_node_state, Some(LocalNodeState::ACTIVE));
    let swarm = docker.inspect_swarm().await.unwrap();
    assert!(swarm.join_tokens.unwrap().worker.unwrap().starts_with("SWMTKN-1-"));
    assert!(docker.df(None).await.is_ok());
}

async fn pull(docker: &Docker, images: &[String; 2]) {
    for image in images {
        let options = CreateImageOptionsBuilder::default().from_image(image).build();
        let steps: Vec<_> = docker.create_image(Some(options), None, None).try_collect().await.unwrap();
        let last = steps.last().and_then(|step| step.status.clone()).unwrap_or_default();
        assert!(last.starts_with("Status: "), "{last}");
    }
    let found = docker.inspect_image(&images[0]).await.unwrap();
    assert!(found.repo_tags.unwrap().contains(&images[0]));
    let history = docker.image_history(&images[0]).await.unwrap();
    assert_eq!(history.first().map(|step| step.id.clone()), found.id);
    let listed = docker.list_images(None::<bollard::query_parameters::ListImagesOptions>).await.unwrap();
    assert!(listed.iter().any(|row| Some(&row.id) == found.id.as_ref()));
    let served = docker.inspect_registry_image(&images[0], None).await.unwrap();
    assert!(served.descriptor.digest.unwrap().starts_with("sha256:"));
    let saved: Vec<_> = docker.export_image(&images[0]).try_collect().await.unwrap();
    assert!(saved.iter().map(bytes::Bytes::len).sum::<usize>() > 1 << 20);
    refused(404, "No such image", docker.inspect_image("no/such:1").await);
}

fn spec(image: &str) -> ServiceSpec {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let container = TaskSpecContainerSpec {
        image: Some(image.to_owned()),
        command: words(&["sh", "-c", &format!("echo hello; echo oh >&2; {OBEDIENT}")]),
        env: words(&["SLOT={{.Task.Slot}}"]),
        ..Default::default()
    };
    ServiceSpec {
        name: Some("web".to_owned()),
        labels: Some(HashMap::from([("team".to_owned(), "bees".to_owned())])),
        task_template: Some(TaskSpec { container_spec: Some(container), ..Default::default() }),
        mode: Some(ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(2) }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Waits until two tasks of `web` run this image; returns them.
async fn running(docker: &Docker, image: &str) -> Vec<Task> {
    let filters = HashMap::from([("service", vec!["web"]), ("desired-state", vec!["running"])]);
    let deadline = Instant::now() + LIMIT;
    loop {
        let options = ListTasksOptionsBuilder::default().filters(&filters).build();
        let tasks = docker.list_tasks(Some(options)).await.unwrap();
        let runs =
            |task: &Task| task.status.as_ref().and_then(|status| status.state) == Some(TaskState::RUNNING);
        if tasks.len() == 2 && tasks.iter().all(|task| runs(task) && image_of(task).starts_with(image)) {
            return tasks;
        }
        assert!(Instant::now() < deadline, "two running tasks of {image}: {tasks:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

fn image_of(task: &Task) -> String {
    let container = task.spec.as_ref().and_then(|spec| spec.container_spec.as_ref());
    container.and_then(|container| container.image.clone()).unwrap_or_default()
}

fn container_of(task: &Task) -> String {
    let status = task.status.as_ref().and_then(|status| status.container_status.as_ref());
    status.and_then(|status| status.container_id.clone()).unwrap()
}

async fn services(docker: &Docker, [image, other]: &[String; 2]) {
    docker.create_service(spec(image), None).await.unwrap();
    running(docker, image).await;
    let again = docker.create_service(spec(image), None).await;
    refused(409, "name conflicts with an existing object", again);
    let filters = HashMap::from([("label", vec!["team=bees"])]);
    let options = ListServicesOptionsBuilder::default().filters(&filters).status(true).build();
    let listed = docker.list_services(Some(options)).await.unwrap().remove(0);
    assert_eq!(listed.service_status.unwrap().running_tasks, Some(2));
    let version = i32::try_from(listed.version.unwrap().index.unwrap()).unwrap();
    let update = |version| UpdateServiceOptionsBuilder::default().version(version).build();
    docker.update_service("web", spec(other), update(version), None).await.unwrap();
    let tasks = running(docker, other).await;
    let task = docker.inspect_task(tasks[0].id.as_ref().unwrap()).await.unwrap();
    assert_eq!(container_of(&task).len(), 64);
    let stale = docker.update_service("web", spec(image), update(version), None).await;
    refused(500, "update out of sequence", stale);
    let previous = docker.inspect_service("web", None).await.unwrap();
    assert!(
        previous
            .spec
            .unwrap()
            .task_template
            .unwrap()
            .container_spec
            .unwrap()
            .image
            .unwrap()
            .starts_with(other)
    );
}

async fn nodes(docker: &Docker) {
    let node = docker.list_nodes(None::<ListNodesOptions>).await.unwrap().remove(0);
    let (id, version) = (node.id.unwrap(), node.version.unwrap().index.unwrap());
    let mut spec = node.spec.unwrap();
    spec.labels = Some(HashMap::from([("disk".to_owned(), "ssd".to_owned())]));
    let options = |version| UpdateNodeOptionsBuilder::default().version(version).build();
    docker.update_node(&id, spec.clone(), options(i64::try_from(version).unwrap())).await.unwrap();
    assert_eq!(docker.inspect_node(&id).await.unwrap().spec.unwrap().labels, spec.labels);
    refused(500, "update out of sequence", docker.update_node(&id, spec, options(1)).await);
}

/// Reads a framed answer to its end: standard output and standard error.
async fn split(stream: impl Stream<Item = Result<LogOutput, Error>>) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut stream = std::pin::pin!(stream);
    while let Some(piece) = stream.next().await {
        match piece.unwrap() {
            LogOutput::StdErr { message } => err.extend_from_slice(&message),
            other => out.extend_from_slice(&other.into_bytes()),
        }
    }
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Returns the container of one task of `web`.
async fn container(docker: &Docker) -> String {
    container_of(&running(docker, "").await[0])
}

async fn logs(docker: &Docker) {
    let both = || LogsOptionsBuilder::default().stdout(true).stderr(true);
    let id = container(docker).await;
    assert_eq!(split(docker.logs(&id, Some(both().build()))).await, ("hello\n".into(), "oh\n".into()));
    let (out, err) = split(docker.service_logs("web", Some(both().build()))).await;
    assert!(out.starts_with("hello\n") && err.starts_with("oh\n"), "{out}{err}");
    let mut following = std::pin::pin!(docker.logs(&id, Some(both().follow(true).build())));
    assert!(following.next().await.unwrap().is_ok());
}

async fn exec(docker: &Docker) {
    let id = container(docker).await;
    let shown =
        docker.inspect_container(&id, None::<bollard::query_parameters::InspectContainerOptions>).await;
    assert_eq!(shown.unwrap().state.unwrap().running, Some(true));
    let options = CreateExecOptions {
        cmd: Some(vec!["sh", "-c", "cat; echo err >&2; exit 3"]),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let made = docker.create_exec(&id, options).await.unwrap();
    let StartExecResults::Attached { output, mut input } = docker.start_exec(&made.id, None).await.unwrap()
    else {
        panic!("not attached");
    };
    input.write_all(b"through the pipe\n").await.unwrap();
    // The end of the input, which only a half-closed connection can tell.
    input.shutdown().await.unwrap();
    assert_eq!(split(output).await, ("through the pipe\n".into(), "err\n".into()));
    assert_eq!(docker.inspect_exec(&made.id).await.unwrap().exit_code, Some(3));
    let once = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let usage = std::pin::pin!(docker.stats(&id, Some(once))).next().await.unwrap().unwrap();
    assert!(usage.pids_stats.unwrap().current.unwrap() > 0);
}

async fn events(docker: &Docker) {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let id = container(docker).await;
    let filters = HashMap::from([("type", vec!["container"]), ("container", vec![id.as_str()])]);
    let options = EventsOptionsBuilder::default().since(&began).filters(&filters).build();
    let mut stream = std::pin::pin!(docker.events(Some(options)));
    let mut ended = std::pin::pin!(docker.wait_container(&id, None::<WaitContainerOptions>));
    let kill = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
    docker.kill_container(&id, Some(kill)).await.unwrap();
    match ended.next().await.unwrap() {
        // bollard makes an error of every code but 0.
        Err(Error::DockerContainerWaitError { code, .. }) => assert_eq!(code, 137),
        other => panic!("{other:?}"),
    }
    let died = loop {
        let event = stream.next().await.unwrap().unwrap();
        if event.action.as_deref() == Some("die") {
            break event;
        }
    };
    assert_eq!(died.actor.unwrap().attributes.unwrap()["exitCode"], "137");
}
