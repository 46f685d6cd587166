//! The specs that the docker client sends, and ours, for the same words. Skipped where that client is not installed.

use serde_json::Value;

use crate::testing::{Answer, Daemon, docker, json};

/// A service with something of everything.
const WEB: &str = r#"{"ID":"web","Version":{"Index":7},"CreatedAt":"2026-01-02T03:04:05Z","UpdatedAt":"2026-01-02T03:04:05Z",
"Spec":{"Name":"web","Labels":{"team":"a"},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:1","Labels":{"cl":"1"},
"Args":["x"],"Env":["A=1"],"Groups":["g2","g1"],"Init":false,"TTY":true,"DNSConfig":{"Nameservers":["1.1.1.1"]},
"Healthcheck":{"Test":["CMD-SHELL","x"],"Interval":3000000000},"Hosts":["1.2.3.4 a b","5.6.7.8 a"],"Sysctls":{"k":"v"},
"CapabilityAdd":["CAP_NET_ADMIN"],"CapabilityDrop":["CAP_CHOWN"],"Ulimits":[{"Name":"nofile","Hard":20,"Soft":10}],
"Mounts":[{"Type":"bind","Source":"/a","Target":"/b"},{"Type":"volume","Source":"v","Target":"/d"}],
"Secrets":[{"File":{"Name":"s","UID":"0","GID":"0","Mode":292},"SecretID":"s-id","SecretName":"s"}],
"Configs":[{"File":{"Name":"/c","UID":"0","GID":"0","Mode":292},"ConfigID":"c-id","ConfigName":"c"}]},
"Resources":{"Limits":{"NanoCPUs":500000000},"Reservations":{"GenericResources":[{"DiscreteResourceSpec":{"Kind":"gpu","Value":2}}]}},
"Placement":{"Constraints":["a==b"],"Preferences":[{"Spread":{"SpreadDescriptor":"node.labels.dc"}}]},
"Networks":[{"Target":"front-id"}],"LogDriver":{"Name":"json-file"},"ForceUpdate":0,"Runtime":"container"},
"Mode":{"Replicated":{"Replicas":3}},
"EndpointSpec":{"Mode":"vip","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"}]}},
"Endpoint":{"Spec":{}}}"#;

fn answer(request: &str, _body: &str) -> Answer {
    let path = request.split('?').next().unwrap_or_default();
    let named = |names: [&str; 3]| {
        let one = |name| format!(r#"{{"ID":"{name}-id","Spec":{{"Name":"{name}"}}}}"#);
        json(200, format!("[{}]", names.map(one).join(",")))
    };
    match path {
        "GET /services/web" => json(200, WEB),
        "GET /secrets" => named(["s", "s2", "other"]),
        "GET /configs" => named(["c", "c2", "cs"]),
        "POST /services/create" => json(201, r#"{"ID":"new","Warnings":["careful"]}"#),
        _ if path.starts_with("POST /services/") => json(200, r#"{"Warnings":null}"#),
        _ => match (path.strip_prefix("GET /networks/"), path.strip_prefix("GET /distribution/")) {
            (Some(name), _) if !name.starts_with("no") => {
                json(200, format!(r#"{{"Id":"{name}-id","Name":"{name}"}}"#).replace("-id-id", "-id"))
            }
            (_, Some(image)) if !image.starts_with("bad") => {
                let digest = "cd".repeat(32);
                let platforms =
                    r#"[{"architecture":"amd64","os":"linux"},{"architecture":"arm","os":"linux"}]"#;
                json(
                    200,
                    format!(r#"{{"Descriptor":{{"digest":"sha256:{digest}"}},"Platforms":{platforms}}}"#),
                )
            }
            _ => json(404, format!(r#"{{"message":"{path} not found"}}"#)),
        },
    }
}

/// What changes something, with bodies that compare whatever their order.
fn posts(daemon: &Daemon) -> Vec<(String, Value)> {
    let posts = daemon.requests().into_iter().filter(|request| request.starts_with("POST"));
    let split = |request: String| {
        let (line, body) = request.split_once(" {").expect("a body");
        let mut query: Vec<&str> = line.split(['?', '&']).collect();
        query.sort_unstable();
        let mut body: Value = serde_json::from_str(&format!("{{{body}")).expect("JSON");
        sort_references(&mut body);
        (query.join(" "), body)
    };
    posts.map(split).collect()
}

/// Docker's client collects secrets and configs in a map, so it sends them in any order.
fn sort_references(body: &mut Value) {
    for list in ["Secrets", "Configs"] {
        let path = format!("/TaskTemplate/ContainerSpec/{list}");
        if let Some(references) = body.pointer_mut(&path).and_then(Value::as_array_mut) {
            references.sort_by_key(Value::to_string);
        }
    }
}

async fn compare(lines: &str) {
    let daemon = Daemon::start(answer);
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = crate::grammar::words(line).expect("well quoted");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(theirs) = docker(&words, &[("DOCKER_HOST", &daemon.host())]).await else {
            eprintln!("skipped: no docker client 28.2 here");
            return;
        };
        let expected = posts(&daemon);
        assert_eq!(daemon.skep(&words).await, theirs, "for: {line}");
        assert_eq!(posts(&daemon), expected, "for: {line}");
    }
}

#[tokio::test]
async fn create_sends_what_docker_sends() {
    compare(
        r#"service create -d nginx a -b
        service create -d bad/image
        service create -d --no-resolve-image Bad
        service create -d --name web --replicas 2 -p 8080:80 -p target=90,mode=host --network back --network name=a,alias=x nginx
        service create -d --network nowhere nginx
        service create -d --mode global -l a=b -l c --container-label d=e --constraint node.role==manager nginx
        service create -d --placement-pref spread=node.labels.x -e A=1 -e GONE -e A=2 -w /w -u me --group g --hostname h nginx
        service create -d --mount src=v,dst=/d,volume-label=a=b --mount type=bind,src=.,dst=/x,ro nginx
        service create -d --secret s --secret source=s2,target=/x,mode=0400 --config c --config source=c2,target=y nginx
        service create -d --secret s --secret source=s2,target=s nginx
        service create -d --secret unknown nginx
        service create -d --config unknown nginx
        service create -d --credential-spec config://cs nginx
        service create -d --rollback-parallelism 3 --update-failure-action foo --update-max-failure-ratio .25 nginx
        service create -d --restart-condition none --restart-window 3s nginx
        service create -d --limit-cpu 1.5 --limit-memory 1.5g --limit-pids 10 --reserve-cpu 1/4 --generic-resource gpu=2 nginx
        service create -d --health-cmd 'curl x' --health-interval 3s --health-retries 2 --health-start-interval 1s nginx
        service create -d --no-healthcheck --log-opt a=b --cap-drop all --cap-add kill nginx
        service create -d --dns 1.1.1.1 --dns-option o --dns-search a.b --host h=::1 --log-driver l --log-opt a=b nginx
        service create -d --sysctl a=b --ulimit nofile=1:2 --ulimit cpu=3 --oom-score-adj -5 --isolation x --init nginx
        service create -d --read-only -t --stop-signal X --stop-grace-period 3s --endpoint-mode DNSRR nginx
        service create -d --mode replicated-job --replicas 3 nginx
        service create -d --mode global-job --entrypoint "sh -c 'a b'" nginx"#,
    )
    .await;
}

#[tokio::test]
async fn update_sends_what_docker_sends() {
    compare(
        r#"service update -d web
        service update -d --image redis web
        service update -d --image bad/x web
        service update -d --force --env-rm A --label-add x=y --label-rm team --container-label-rm cl web
        service update -d --replicas 5 --replicas-max-per-node 4 web
        service update -d --publish-rm 80 --publish-add 9090:90 web
        service update -d --mount-add type=tmpfs,dst=/t --mount-rm /b web
        service update -d --mount-add dst=/t --mount-add dst=/t web
        service update -d --constraint-add c==d --constraint-rm a==b web
        service update -d --placement-pref-add spread=z --placement-pref-rm spread=node.labels.dc web
        service update -d --network-add back --network-rm front web
        service update -d --network-add front web
        service update -d --secret-add s2 --secret-rm s --config-add c2 --config-rm c web
        service update -d --dns-add 8.8.8.8 --dns-rm 1.1.1.1 --dns-option-add z --dns-search-add a.a web
        service update -d --host-add z:1.1.1.1 --host-rm a:5.6.7.8 --group-add a --group-rm g1 web
        service update -d --sysctl-add a=b --sysctl-rm k --ulimit-add cpu=1 --ulimit-rm nofile web
        service update -d --generic-resource-add fpga=1 --generic-resource-rm gpu web
        service update -d --generic-resource-rm unknown web
        service update -d --cap-add chown --cap-drop net_admin --cap-add sys_time web
        service update -d --cap-add RESET --cap-add kill web
        service update -d --limit-pids 5 --limit-cpu 0 --reserve-memory 5m web
        service update -d --restart-delay 1s --update-parallelism 0 --rollback-order start-first web
        service update -d --log-driver none --log-opt a=b --endpoint-mode DNSRR web
        service update -d --health-cmd '' web
        service update -d --no-healthcheck web
        service update -d --entrypoint '' --args "x 'y z'" --init=false --tty=false web
        service update -d --credential-spec config://cs web
        service update -d --rollback web
        service update -d --rollback --image x web
        service rollback -d web
        service scale -d web=5 web=x"#,
    )
    .await;
}
