//! Commands about one node's containers, images and volumes against a daemon of a few lines: what they print is compared
//! with what the docker client prints from the same answers.

use crate::testing::{Answer, Daemon, json};

const CONTAINERS: &str = r#"[
 {"Id":"4cf12b3f0f5b9f5a9d3e2c1b0a9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7","Names":["/web.1.f0c1v8wq2r3tf0c1v8wq2r3t1","/x/alias"],
  "Image":"redis:7@sha256:1111111111111111111111111111111111111111111111111111111111111111",
  "ImageID":"sha256:2222222222222222222222222222222222222222222222222222222222222222",
  "Command":"docker-entrypoint.sh redis-server --appendonly \"yes\"","Created":1500000000,
  "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":80,"Type":"tcp"},{"PrivatePort":6379,"Type":"tcp"},
   {"IP":"::","PrivatePort":53,"PublicPort":5353,"Type":"udp"}],
  "Labels":{"com.docker.swarm.service.name":"web"},"State":"running","Status":"Up 5 minutes (healthy)",
  "HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{"front":{}}},
  "SizeRw":12345,"SizeRootFs":987654321,
  "Mounts":[{"Type":"volume","Name":"a-volume-with-a-long-name","Source":"/var/lib/x","Destination":"/d","Driver":"local","Mode":"z","RW":true,"Propagation":""},
   {"Type":"bind","Source":"/srv/data/somewhere/deep","Destination":"/e","Mode":"","RW":true,"Propagation":"rprivate"}]},
 {"Id":"5cf12b3f0f5b9f5a9d3e2c1b0a9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7","Names":["/old"],
  "Image":"sha256:2222222222222222222222222222222222222222222222222222222222222222",
  "ImageID":"sha256:2222222222222222222222222222222222222222222222222222222222222222",
  "Command":"sh","Created":1500000000,"Ports":[],"Labels":{},"State":"exited","Status":"Exited (137) 2 hours ago",
  "HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{}},"Mounts":[]},
 {"Id":"6cf12b3f0f5b9f5a9d3e2c1b0a9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7","Names":["/third"],
  "Image":"localhost:5000/a/b@sha256:1111111111111111111111111111111111111111111111111111111111111111",
  "ImageID":"sha256:3333333333333333333333333333333333333333333333333333333333333333",
  "Command":"sleep 1","Created":1500000000,"Ports":null,"Labels":null,"State":"created","Status":"Created",
  "HostConfig":{},"NetworkSettings":null,"Mounts":null}
]"#;

const INSPECT: &str = r#"{"Id":"4cf12b3f0f5b9f5a9d3e2c1b0a9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7","Created":"2017-07-14T02:40:00Z",
 "Path":"sleep","Args":["1","<2>"],"State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,
 "Dead":false,"Pid":42,"ExitCode":0,"Error":"","StartedAt":"2017-07-14T02:40:00Z","FinishedAt":"0001-01-01T00:00:00Z"},
 "Image":"sha256:22","Name":"/web","RestartCount":0,"Driver":"overlay2","Platform":"linux","Mounts":[],"ExecIDs":null,
 "HostConfig":{"NetworkMode":"default","Binds":null,"Memory":0},
 "Config":{"Hostname":"h","Tty":false,"OpenStdin":true,"Env":["A=1"],"Cmd":["sleep","1"],"Image":"redis:7","Labels":{"b":"2","a":"1"}},
 "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"6379/tcp":null},"Networks":{}}}"#;

const IMAGES: &str = r#"[
 {"Id":"sha256:2222222222222222222222222222222222222222222222222222222222222222","ParentId":"","RepoTags":["redis:7","redis:latest"],
  "RepoDigests":["redis@sha256:1111111111111111111111111111111111111111111111111111111111111111"],"Created":1500000000,
  "Size":123456789,"SharedSize":-1,"Labels":null,"Containers":-1},
 {"Id":"sha256:3333333333333333333333333333333333333333333333333333333333333333","ParentId":"","RepoTags":[],
  "RepoDigests":["localhost:5000/a/b@sha256:1111111111111111111111111111111111111111111111111111111111111111"],"Created":1400000000,
  "Size":999,"SharedSize":1,"Labels":{"a":"b"},"Containers":2},
 {"Id":"sha256:4444444444444444444444444444444444444444444444444444444444444444","ParentId":"","RepoTags":null,
  "RepoDigests":null,"Created":1400000000,"Size":0,"SharedSize":0,"Labels":null,"Containers":0}
]"#;

const HISTORY: &str = r#"[
 {"Id":"sha256:2222222222222222222222222222222222222222222222222222222222222222","Created":1500000000,"CreatedBy":"/bin/sh -c #(nop)  CMD [\"redis-server\"] and\tmore of the same","Tags":["redis:7"],"Size":0,"Comment":"buildkit"},
 {"Id":"<missing>","Created":1400000000,"CreatedBy":"ADD x","Tags":null,"Size":123456,"Comment":""}]"#;

const VOLUMES: &str = r#"{"Volumes":[
 {"CreatedAt":"2020-01-01T00:00:00Z","Driver":"local","Labels":{"a":"b"},"Mountpoint":"/var/lib/v10","Name":"v10","Options":null,"Scope":"local"},
 {"CreatedAt":"2020-01-01T00:00:00Z","Driver":"local","Labels":null,"Mountpoint":"/var/lib/v2","Name":"v2","Options":null,"Scope":"local","UsageData":{"RefCount":1,"Size":2048}}],
 "Warnings":null}"#;

const EVENTS: &str = concat!(
    r#"{"status":"start","id":"abc","from":"redis:7","Type":"container","Action":"start","Actor":{"ID":"abc","Attributes":{"name":"web","image":"redis:7"}},"scope":"local","time":1500000000,"timeNano":1500000000123456789}"#,
    "\n",
    r#"{"Type":"service","Action":"update","Actor":{"ID":"xyz","Attributes":{"name":"web","updatestate.new":"completed"}},"scope":"swarm","time":1500000001,"timeNano":1500000001000000000}"#,
    "\n"
);

const STATS: &str = r#"{"name":"/web","id":"4cf12b3f0f5b9f5a9d3e2c1b0a9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7","read":"2020-01-01T00:00:01Z","preread":"2020-01-01T00:00:00Z",
 "pids_stats":{"current":3},"blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"read","value":4096},{"major":8,"minor":0,"op":"write","value":1234567}]},
 "num_procs":0,"cpu_stats":{"cpu_usage":{"total_usage":300000000,"usage_in_kernelmode":1,"usage_in_usermode":2},"system_cpu_usage":20000000000,"online_cpus":2},
 "precpu_stats":{"cpu_usage":{"total_usage":100000000},"system_cpu_usage":19000000000,"online_cpus":2},
 "memory_stats":{"usage":52428800,"limit":1073741824,"stats":{"inactive_file":1048576}},
 "networks":{"eth0":{"rx_bytes":1500,"tx_bytes":999},"eth1":{"rx_bytes":1,"tx_bytes":1}}}"#;

fn answer(request: &str, _body: &str) -> Answer {
    let (line, query) = request.split_once('?').unwrap_or((request, ""));
    match line {
        "GET /containers/json" => json(200, CONTAINERS),
        "GET /containers/web/json" => json(200, INSPECT),
        "GET /containers/web/top" => json(
            200,
            r#"{"Titles":["UID","PID","CMD"],"Processes":[["root","1","sleep 1"],["root","12345","a b c"]]}"#,
        ),
        "GET /containers/web/changes" => {
            json(200, r#"[{"Path":"/a","Kind":0},{"Path":"/b","Kind":1},{"Path":"/c","Kind":2}]"#)
        }
        "GET /containers/web/stats" => json(200, STATS),
        "POST /containers/web/wait" => json(200, r#"{"StatusCode":137}"#),
        "POST /containers/web/kill" | "POST /containers/web/stop" | "DELETE /containers/web" => json(204, ""),
        "POST /containers/prune" => json(200, r#"{"ContainersDeleted":["a","b"],"SpaceReclaimed":1500}"#),
        "GET /images/json" => json(200, IMAGES),
        "GET /images/redis:7/json" | "GET /images/redis/json" => json(
            200,
            r#"{"Id":"sha256:22","RepoTags":["redis:7"],"Created":"2017-07-14T02:40:00Z","Config":{"Env":["A=<b>"]},"Size":5}"#,
        ),
        "GET /images/redis/history" => json(200, HISTORY),
        "POST /images/redis/tag" => json(201, ""),
        "DELETE /images/redis" => json(200, r#"[{"Untagged":"redis:latest"},{"Deleted":"sha256:22"}]"#),
        "POST /images/prune" => json(
            200,
            r#"{"ImagesDeleted":[{"Untagged":"a:b"},{"Deleted":"sha256:22"}],"SpaceReclaimed":123456}"#,
        ),
        "POST /images/create" if query.contains("nope") => json(
            200,
            "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"no space left\"},\"error\":\"no space left\"}\r\n",
        ),
        "POST /images/create" => json(
            200,
            concat!(
                "{\"status\":\"Pulling from library/redis\",\"id\":\"7\"}\r\n",
                "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aaaaaaaaaaaa\"}\r\n",
                "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"progress\":\"[=>] 1B/2B\",\"id\":\"aaaaaaaaaaaa\"}\r\n",
                "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"aaaaaaaaaaaa\"}\r\n",
                "{\"status\":\"Digest: sha256:22\"}\r\n{\"status\":\"Status: Downloaded newer image for redis:7\"}\r\n"
            ),
        ),
        "GET /volumes" => json(200, VOLUMES),
        "GET /volumes/v2" => json(
            200,
            r#"{"CreatedAt":"2020-01-01T00:00:00Z","Driver":"local","Labels":{},"Mountpoint":"/m","Name":"v2","Options":{},"Scope":"local"}"#,
        ),
        "POST /volumes/create" => {
            json(201, r#"{"Name":"v3","Driver":"local","Mountpoint":"/m","Scope":"local"}"#)
        }
        "DELETE /volumes/v2" => json(204, ""),
        "POST /volumes/prune" => json(200, r#"{"VolumesDeleted":["v9"],"SpaceReclaimed":0}"#),
        "POST /networks/prune" => json(200, r#"{"NetworksDeleted":null}"#),
        "POST /build/prune" => json(200, r#"{"CachesDeleted":null,"SpaceReclaimed":0}"#),
        "GET /events" => json(200, EVENTS),
        "GET /system/df" => json(
            200,
            format!(
                r#"{{"LayersSize":123457788,"Images":{IMAGES},"Containers":{CONTAINERS},"Volumes":[{{"Name":"v2","Driver":"local","UsageData":{{"RefCount":0,"Size":2048}}}}],"BuildCache":[]}}"#
            ),
        ),
        "GET /info" => json(200, r#"{"ID":"x","OSType":"linux"}"#),
        "GET /version" => json(200, r#"{"Version":"28","ApiVersion":"1.50","Os":"linux"}"#),
        _ => {
            let name = line.split('/').nth(2).unwrap_or_default();
            let kind = match line.split('/').nth(1).unwrap_or_default() {
                "containers" => format!("No such container: {name}"),
                "images" => format!("No such image: {name}"),
                "volumes" => format!("get {name}: no such volume"),
                kind => format!("{kind} {name} not found"),
            };
            json(404, format!("{{\"message\":\"{kind}\"}}"))
        }
    }
}

#[tokio::test]
async fn containers_are_dockers() {
    let daemon = Daemon::start(answer);
    let differences = daemon
        .differences(
            r#"ps
            ps -a
            ps --no-trunc
            ps -s
            ps -q
            ps -aq --no-trunc
            ps --format json
            ps --format '{{json .}}'
            ps --format 'table {{.Names}}\t{{.Image}}\t{{.Size}}'
            ps --format '{{.Names}} {{.Label "com.docker.swarm.service.name"}} {{.Labels}}'
            ps --format 'table {{.ID}}\t{{.Label "com.docker.swarm.service.name"}}'
            ps --format '{{.Nope}}'
            container inspect web
            inspect web
            inspect -f '{{.State.Running}} {{.Config.Labels}} {{index .Config.Labels "a"}} {{.Created}}' web
            inspect -f '{{json .State}}' web
            inspect -f '{{range .Config.Env}}{{.}},{{end}}{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}' web
            inspect -f '{{if .State.Health}}x{{else}}none{{end}}' web
            inspect -f '{{.Nope}}' web
            inspect -f json web
            inspect nope
            inspect web nope
            inspect -f '{{.Id}}' nope
            inspect -f '{{.Id' web
            container inspect nope
            top web
            top web -ef
            diff web
            port web
            port web 80
            port web 80/tcp
            port web 81
            port web abc
            wait web
            wait web nope
            kill web nope
            kill -s TERM web
            stop -t 3 web
            rm web nope
            rm -f nope
            container prune -f
            stats --no-stream web
            stats --no-stream --format json web
            stats --no-stream --format '{{.Name}} {{.CPUPerc}}' web
            stats --no-stream nope
            logs nope
            exec nope true
            exec -it web sh
            attach nope"#,
        )
        .await;
    assert_eq!(differences, "");
}

#[tokio::test]
async fn images_and_volumes_are_dockers() {
    let daemon = Daemon::start(answer);
    let differences = daemon
        .differences(
            r#"images
            images -a
            images -q
            images --no-trunc
            images --digests
            images --format json
            images --format '{{.Repository}}:{{.Tag}} {{.Digest}} {{.CreatedAt}}'
            images redis
            image inspect redis
            image inspect -f '{{.Size}} {{.RepoTags}}' redis
            image inspect nope
            history redis
            history --no-trunc redis
            history -q redis
            history -H=false redis
            history --format json redis
            tag redis other:1
            tag redis other
            tag redis localhost:5000/x/y
            rmi redis nope
            rmi -f nope
            image prune -f
            image prune -a -f
            pull redis:7
            pull redis
            pull -q redis
            pull nope
            pull localhost:5000/a/b@sha256:1111111111111111111111111111111111111111111111111111111111111111
            pull nope/X
            volume ls
            volume ls -q
            volume ls --format json
            volume ls --format 'table {{.Name}}\t{{.Labels}}\t{{.Label "a"}}'
            volume inspect v2
            volume inspect nope
            volume inspect -f '{{.Mountpoint}}' v2
            volume create v3
            volume create -d local -o type=tmpfs -o device=tmpfs --label a=b
            volume rm v2 nope
            volume prune -f
            volume prune -f -a"#,
        )
        .await;
    assert_eq!(differences, "");
}

#[tokio::test]
async fn the_system_is_dockers() {
    let daemon = Daemon::start(answer);
    let differences = daemon
        .differences(
            r#"events --until 1
            events --until 1 --format json
            events --until 1 --format '{{json .}}'
            events --until 1 --format '{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.Time}} {{.Status}}'
            events --until 1 --since x
            system df
            system df --format json
            system df --format '{{.Type}}: {{.Size}}'
            system df -v
            system prune -f
            system prune -f -a --volumes
            container prune
            image prune
            image prune -a
            volume prune
            volume prune -a
            system prune
            system prune -a --volumes --filter label=x"#,
        )
        .await;
    assert_eq!(differences, "");
}

#[tokio::test]
async fn requests_are_dockers() {
    let daemon = Daemon::start(answer);
    let lines = [
        "ps -a -n 3 -s -f name=x -f status=running",
        "kill -s TERM web",
        "stop -t 3 -s INT web",
        "rm -f -v web",
        "top web -ef",
        "wait web",
        "container prune -f --filter until=1h",
        "images -a -f dangling=true redis",
        "tag redis other",
        "rmi -f --no-prune redis",
        "image prune -a -f --filter label=a",
        "pull --platform linux/arm64 redis:7",
        "pull -q localhost:5000/a/b@sha256:1111111111111111111111111111111111111111111111111111111111111111",
        "volume create -o type=tmpfs --label a=b v3",
        "volume rm -f v2",
        "volume prune -a -f",
        "system df",
        "events --since 1500000000 --until 1500000001.5 -f type=container",
        "history redis",
    ];
    let env = [("DOCKER_HOST", daemon.host()), ("HOME", "/nonexistent".to_owned())];
    let env: Vec<(&str, &str)> = env.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let mut differences = String::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        daemon.requests();
        if crate::testing::docker(&words, &env).await.is_none() {
            eprintln!("skipped: no docker client 28.2 here");
            return;
        }
        let theirs = sorted(daemon.requests());
        daemon.skep(&words).await;
        let ours = sorted(daemon.requests());
        if ours != theirs {
            differences.push_str(&format!("\n$ {line}\nskep   {ours:?}\ndocker {theirs:?}"));
        }
    }
    assert_eq!(differences, "");
}

/// Requests with the parts of their queries in order, since Go sorts them and nobody else needs to.
fn sorted(requests: Vec<String>) -> Vec<String> {
    let sort = |request: String| {
        let (line, body) = request.split_once(" {").unwrap_or((&request, ""));
        let (path, query) = line.split_once('?').unwrap_or((line, ""));
        let mut parts: Vec<&str> = query.split('&').collect();
        parts.sort_unstable();
        format!("{path}?{} {body}", parts.join("&")).replace('+', "%20")
    };
    requests.into_iter().map(sort).collect()
}
