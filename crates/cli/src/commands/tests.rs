//! Whole commands against a daemon of a few lines: what they ask, print and return.

use expect_test::expect;

use crate::testing::{Answer, Daemon, json};

const SERVICE: &str = r#"{"ID":"8zfc4lwscxadq0v1m2n3b4v5c","Version":{"Index":7},"CreatedAt":"2026-01-02T03:04:05Z",
    "Spec":{"Name":"web","Labels":{"team":"a<b"},"Mode":{"Replicated":{"Replicas":1}},
    "TaskTemplate":{"ContainerSpec":{"Image":"redis:7","Init":false},"Resources":{},"Placement":{}},
    "UpdateConfig":{"Parallelism":1,"FailureAction":"pause","Monitor":1000000,"MaxFailureRatio":0,"Order":"stop-first"},
    "EndpointSpec":{"Mode":"vip"}},"Endpoint":{"Spec":{}},"PreviousSpec":null}"#;

const TASK: &str = r#"{"ID":"f0c1v8wq2r3tf0c1v8wq2r3t1","ServiceID":"8zfc4lwscxadq0v1m2n3b4v5c","Slot":1,"NodeID":"n1",
    "Spec":{"ContainerSpec":{"Image":"redis:7"}},"DesiredState":"running",
    "Status":{"State":"running","Timestamp":"2026-01-02T03:03:05Z"},"Volumes":null}"#;

/// A daemon with one service of one running task.
fn answer(request: &str, _body: &str) -> Answer {
    let (line, _) = request.split_once('?').unwrap_or((request, ""));
    match line {
        "POST /services/create" => json(201, r#"{"ID":"8zfc4lwscxadq0v1m2n3b4v5c","Warnings":["careful"]}"#),
        "POST /services/8zfc4lwscxadq0v1m2n3b4v5c/update" => json(200, r#"{"Warnings":null}"#),
        "GET /services/web" | "GET /services/8zfc4lwscxadq0v1m2n3b4v5c" => json(200, SERVICE),
        "DELETE /services/web" => json(200, ""),
        "GET /services" => json(200, format!("[{SERVICE}]")),
        "GET /tasks" => json(200, format!("[{TASK}]")),
        "GET /nodes" => {
            json(200, r#"[{"ID":"n1","Description":{"Hostname":"node-1"},"Status":{"State":"ready"}}]"#)
        }
        "GET /nodes/n1" => json(200, r#"{"ID":"n1","Description":{"Hostname":"node-1"}}"#),
        "GET /tasks/f0c1v8wq2r3tf0c1v8wq2r3t1" => json(200, TASK),
        "GET /services/8zfc4lwscxadq0v1m2n3b4v5c/logs" => (200, logs(request)),
        "GET /distribution/redis:7/json" => json(500, r#"{"message":"no route to host"}"#),
        _ => json(
            404,
            format!(
                "{{\"message\":\"{} not found\"}}",
                line.replace("GET /services/", "service ").replace("DELETE /services/", "service ")
            ),
        ),
    }
}

fn logs(request: &str) -> Vec<u8> {
    let details = if request.contains("details=1") {
        "com.docker.swarm.node.id=n1,com.docker.swarm.service.id=8zfc4lwscxadq0v1m2n3b4v5c,\
         com.docker.swarm.task.id=f0c1v8wq2r3tf0c1v8wq2r3t1,env=a%2Cb "
    } else {
        ""
    };
    let frame = |stream: u8, line: &str| {
        let payload = format!("{details}{line}\n");
        [&[stream, 0, 0, 0][..], &(payload.len() as u32).to_be_bytes(), payload.as_bytes()].concat()
    };
    [frame(1, "hello world"), frame(2, "oops")].concat()
}

#[tokio::test]
async fn create_prints_the_id_and_waits() {
    let daemon = Daemon::start(answer);
    let ran = daemon.skep(&["service", "create", "--name", "web", "redis:7"]).await;
    assert_eq!(ran.code, 0);
    expect![[r#"
        8zfc4lwscxadq0v1m2n3b4v5c
        overall progress: 0 out of 1 tasks
        1/1:  
        overall progress: 1 out of 1 tasks
        verify: Waiting 1 seconds to verify that tasks are stable...
        verify: Service 8zfc4lwscxadq0v1m2n3b4v5c converged
    "#]]
    .assert_eq(&ran.out);
    expect![[r#"
        careful
        image redis:7 could not be accessed on a registry to record
        its digest. Each node will access redis:7 independently,
        possibly leading to different nodes running different
        versions of the image.

    "#]]
    .assert_eq(&ran.err);
    expect![[r#"
        GET /distribution/redis:7/json
        POST /services/create {"Name":"web","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"redis:7","Init":false,"DNSConfig":{}},"Resources":{"Limits":{},"Reservations":{}},"Placement":{},"ForceUpdate":0},"Mode":{"Replicated":{}},"EndpointSpec":{"Mode":"vip"}}
        GET /services/8zfc4lwscxadq0v1m2n3b4v5c"#]]
    .assert_eq(&daemon.requests()[..3].join("\n"));
}

#[tokio::test]
async fn detached_and_quiet_commands_print_one_line() {
    let daemon = Daemon::start(answer);
    for (words, asked) in [
        (&["service", "rollback", "-d", "web"][..], "update?version=7&rollback=previous"),
        (&["service", "update", "-d", "--force", "web"], "update?version=7&registryAuthFrom=spec {"),
        (&["service", "update", "-q", "--rollback", "web"], "registryAuthFrom=spec&rollback=previous"),
    ] {
        let ran = daemon.skep(words).await;
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "web\n", ""), "for {words:?}");
        let requests = daemon.requests().join("\n");
        assert!(requests.contains(asked), "for {words:?}: {requests}");
    }
}

#[tokio::test]
async fn failures_of_single_arguments_are_collected() {
    let daemon = Daemon::start(answer);
    let ran = daemon.skep(&["service", "rm", "a", "web", "b"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "web\n"));
    assert_eq!(
        ran.err,
        "Error response from daemon: service a not found\nError response from daemon: service b not found\n"
    );
    let ran = daemon.skep(&["service", "scale", "-d", "web=3", "a=1", "web=x"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "web scaled to 3\n"));
    expect![[r#"
        a: Error response from daemon: service a not found
        web: invalid replicas value x: strconv.ParseUint: parsing "x": invalid syntax
    "#]]
    .assert_eq(&ran.err);
    let ran = daemon.skep(&["service", "ps", "nope"]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", "no such service: nope\n"));
}

#[tokio::test]
async fn lines_of_logs_tell_where_they_come_from() {
    let daemon = Daemon::start(answer);
    let ran = daemon.skep(&["service", "logs", "web"]).await;
    assert_eq!(ran.code, 0);
    assert_eq!(ran.out, "web.1.f0c1v8wq2r3t@node-1    | hello world\n");
    assert_eq!(ran.err, "web.1.f0c1v8wq2r3t@node-1    | oops\n");
    let ran = daemon.skep(&["service", "logs", "--details", "--no-task-ids", "--no-resolve", "web"]).await;
    assert_eq!(ran.out, "8zfc4lwscxadq0v1m2n3b4v5c.1@n1    | env=a,b hello world\n");
    let ran = daemon.skep(&["service", "logs", "--raw", "web"]).await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("hello world\n", "oops\n"));
    let ran = daemon.skep(&["service", "logs", "nope"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "no such task or service: nope\n"));
}

#[tokio::test]
async fn inspect_in_all_its_forms() {
    let daemon = Daemon::start(answer);
    let ran = daemon.skep(&["service", "inspect", "web", "nope"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "Error: no such service: nope\n"));
    expect![[r#"
        [
            {
                "ID": "8zfc4lwscxadq0v1m2n3b4v5c",
                "Version": {
                    "Index": 7
                },
                "CreatedAt": "2026-01-02T03:04:05Z",
                "UpdatedAt": "0001-01-01T00:00:00Z",
                "Spec": {
                    "Name": "web",
                    "Labels": {
                        "team": "a\u003cb"
                    },"#]]
    .assert_eq(&ran.out.lines().take(13).collect::<Vec<_>>().join("\n"));
    let template =
        "{{.Spec.Mode.Replicated.Replicas}} {{.UpdateStatus}}|{{.Spec.UpdateConfig.Monitor}} {{.CreatedAt}}";
    let ran = daemon.skep(&["service", "inspect", "-f", template, "web"]).await;
    assert_eq!(ran.out, "1 <nil>|1ms 2026-01-02 03:04:05 +0000 UTC\n");
    let ran = daemon.skep(&["service", "inspect", "-f", "{{.UpdateStatus.State}}", "web"]).await;
    assert!(ran.err.ends_with("nil pointer evaluating *swarm.UpdateStatus.State\n"), "{}", ran.err);
    let ran = daemon.skep(&["service", "inspect", "-f", "{{.Foo}}", "web"]).await;
    assert_eq!(
        ran.err,
        "template parsing error: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type swarm.Service\n"
    );
    let ran = daemon.skep(&["service", "inspect", "nope"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "[]\n"));
}

#[tokio::test]
async fn the_table_of_tasks() {
    let daemon = Daemon::start(answer);
    let ran = daemon.skep(&["service", "ps", "web"]).await;
    expect![[r#"
        ID             NAME      IMAGE     NODE      DESIRED STATE   CURRENT STATE                ERROR     PORTS
        f0c1v8wq2r3t   web.1     redis:7   node-1    Running         Running about a minute ago             
    "#]]
    .assert_eq(&ran.out);
    let ran = daemon.skep(&["service", "ps", "-q", "web"]).await;
    assert_eq!(ran.out, "f0c1v8wq2r3tf0c1v8wq2r3t1\n");
}

#[tokio::test]
async fn nobody_listens() {
    let ran = crate::testing::skep(&["-H", "unix:///tmp/skep-cli-nobody.sock", "service", "ls"], &[]).await;
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        "Cannot connect to the Docker daemon at unix:///tmp/skep-cli-nobody.sock. Is the docker daemon running?\n\
         hint: start it with \"skep daemon\", or name another one with -H, SKEP_HOST or \"skep context use\"\n"
    );
}

#[tokio::test]
async fn formats_of_the_configuration_are_dockers() {
    let daemon = Daemon::start(answer);
    let folder = tempfile::tempdir().expect("a folder");
    let formats = r#"{"servicesFormat":"{{.Name}}!","tasksFormat":"table {{.Name}}\\t{{.Error}}",
        "nodesFormat":"{{.Hostname}}?","serviceInspectFormat":"{{.Spec.Name}} inspected"}"#;
    std::fs::write(folder.path().join("config.json"), formats).expect("writes");
    let (host, config) = (daemon.host(), folder.path().display().to_string());
    let env = [("DOCKER_HOST", host.as_str()), ("DOCKER_CONFIG", config.as_str())];
    let lines = "service ls
        service ls -q
        service ls --format {{.ID}}
        service ps web
        service ps -q web
        node ls
        service inspect web
        service inspect --format {{.ID}} web
        service inspect --format {{.UpdateStatus.State}} web
        service inspect --format {{.Spec.TaskTemplate.Foo}} web
        service inspect --format '{{json .PreviousSpec}}{{.Endpoint.Ports}}{{.JobStatus}}' web
        inspect --type service --format {{.Spec.Foo}} web
        inspect --type service --format {{.Spec.UpdateConfig}} web
        inspect --type plugin web
        inspect --size --type service --format {{.ID}} web
        ps --format {{.Nope}}
        ps --format {{nope}}
        ps --format {{.ID
        ps --quiet --format {{.Nope}}
        events --format {{.Nope}}
        events --format {{nope}}
        events --format {{.ID
        save --output /nonexistent/images.tar web
        version --format {{";
    assert_eq!(crate::testing::differences(lines, &env).await, "");
    let ran = crate::testing::skep(&["service", "ls"], &env).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "web!\n"));
}
