//! Help and usage errors: a few by heart, and many against the real docker client where it is installed.

use expect_test::expect;

use super::*;
use crate::testing::{Ran, skep};

/// Nobody listens here.
const NOWHERE: &str = "unix:///tmp/skep-cli-nobody.sock";

async fn run(line: &str) -> Ran {
    let words: Vec<String> = crate::grammar::words(line).expect("well quoted");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    skep(&words, &[("DOCKER_HOST", NOWHERE), ("HOME", "/nonexistent")]).await
}

#[test]
fn the_grammar_is_consistent() {
    crate::app::command().debug_assert();
}

#[tokio::test]
async fn a_usage_error_ends_with_the_way_to_help() {
    let ran = run("service update --restart-delay 5 web").await;
    assert_eq!(ran.code, 125);
    expect![[r#"
        invalid argument "5" for "--restart-delay" flag: time: missing unit in duration "5"

        Usage:  skep service update [OPTIONS] SERVICE

        Run 'skep service update --help' for more information
    "#]]
    .assert_eq(&ran.err);
    let ran = run("service rm").await;
    assert_eq!(ran.code, 1);
    expect![[r#"
        skep: 'skep service rm' requires at least 1 argument

        Usage:  skep service rm SERVICE [SERVICE...]

        See 'skep service rm --help' for more information
    "#]]
    .assert_eq(&ran.err);
}

#[tokio::test]
async fn the_root_help_names_every_command() {
    expect![[r#"
        Usage:  skep [OPTIONS] COMMAND

        A self-contained orchestrator for containers, compatible with Docker Swarm

        Common Commands:
          init        Initialize a swarm
          exec        Execute a command in a running container
          ps          List containers
          pull        Download an image from a registry
          images      List images
          login       Authenticate to a registry
          logout      Log out from a registry
          version     Show the version information of the client and the daemon
          info        Display system-wide information

        Management Commands:
          cluster     Show and set the policies of the cluster
          container   Manage containers
          context     Manage contexts
          image       Manage images
          rollout     Watch and steer the rollouts of services
          system      Manage Skep
          volume      Manage volumes

        Swarm Commands:
          node        Manage Swarm nodes
          service     Manage Swarm services
          swarm       Manage Swarm

        Commands:
          attach      Attach local standard input, output, and error streams to a running container
          completion  Generate the autocompletion script for a shell
          cp          Copy files/folders between a container and the local filesystem
          diff        Inspect changes to files or directories on a container's filesystem
          doctor      Look for what is wrong with a node, and say what to do
          events      Get real time events from the server
          history     Show the history of an image
          inspect     Return low-level information on Docker objects
          kill        Kill one or more running containers
          load        Load an image from a tar archive or STDIN
          logs        Fetch the logs of a container
          port        List port mappings or a specific mapping for the container
          rm          Remove one or more containers
          rmi         Remove one or more images
          save        Save one or more images to a tar archive (streamed to STDOUT by default)
          stats       Display a live stream of container(s) resource usage statistics
          stop        Stop one or more running containers
          tag         Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
          top         Display the running processes of a container
          wait        Block until one or more containers stop, then print their exit codes

        Global Options:
              --config string      Location of client config files (default
                                   "~/.docker")
          -c, --context string     Name of the context to use to connect to the
                                   daemon (overrides SKEP_HOST and DOCKER_HOST
                                   env vars and default context set with "skep
                                   context use")
          -D, --debug              Enable debug mode
          -H, --host list          Daemon socket to connect to (default
                                   "unix:///run/skep/skep.sock")
          -l, --log-level string   Set the logging level ("debug", "info",
                                   "warn", "error", "fatal") (default "info")
              --tls                Use TLS; implied by --tlsverify
              --tlscacert string   Trust certs signed only by this CA (default
                                   "~/.docker/ca.pem")
              --tlscert string     Path to TLS certificate file (default
                                   "~/.docker/cert.pem")
              --tlskey string      Path to TLS key file (default "~/.docker/key.pem")
              --tlsverify          Use TLS and verify the remote
          -v, --version            Print version information and quit

        Run 'skep COMMAND --help' for more information on a command.
    "#]]
    .assert_eq(&run("--help").await.out);
}

#[test]
fn commands_are_found_behind_global_flags() {
    let root = crate::app::command();
    let words = ["-H", "service", "--host=x", "service", "list", "-q", "web"].map(str::to_owned);
    let found = find(&root, &words);
    assert_eq!(found.path, "skep service ls");
    assert_eq!(found.rest, ["-q", "web"]);
}

#[tokio::test]
async fn old_names_of_flags_are_dockers() {
    compare("stop --time 3 nobody\nstop --time=a nobody").await;
}

/// Compares command lines, one per line, with the docker client.
async fn compare(lines: &str) {
    let env = [("DOCKER_HOST", NOWHERE), ("HOME", "/nonexistent")];
    assert_eq!(crate::testing::differences(lines, &env).await, "");
}

#[tokio::test]
async fn without_a_daemon_all_is_said_as_often_as_docker_says_it() {
    compare(
        "ps
        images
        service ls
        service ps a b
        node ps a b
        node promote a b
        rm a b
        rm -f a b
        rmi a b
        volume rm a b
        service rm a b
        node rm a b
        kill a b
        stop a b
        wait a b
        service scale a=1 b=2
        inspect a b
        inspect --type volume a b
        inspect -f {{.Id}} a b
        container inspect a b
        image inspect a b
        image inspect -f {{.Id}} a b
        service inspect a b
        service inspect -f {{.ID}} a b
        service inspect --pretty a b
        node inspect a b
        node inspect --pretty a b
        volume inspect a b
        top a
        port a
        diff a
        exec a b
        logs a
        system df",
    )
    .await;
}

#[tokio::test]
async fn what_the_client_says_of_itself_is_under_dockers_names() {
    compare(
        "info -f {{.ClientInfo.Context}}
        info -f '{{.ClientInfo.Debug}} {{.ClientInfo.Os}}/{{.ClientInfo.Arch}} {{.ClientInfo.DefaultAPIVersion}}'
        info -f {{.ClientInfo.APIVersion}}|{{.ClientInfo.Platform}}
        info -f {{.ClientInfo.Plugins}}|{{.ClientInfo.Warnings}}
        info -f '{{json .ClientInfo.Plugins}} {{json .ClientInfo.Warnings}} {{json .ClientInfo.Platform}}'
        info -f {{.ClientErrors}}
        info -f {{.ServerErrors}}
        info -f {{.Name}}
        info -f {{.Debug}}|{{.ClientInfo.Debug}}
        info -f {{.Nope}}
        info -f {{.ClientInfo.Nope}}
        info -f {{.ClientInfo.Platform.Name}}
        -D info -f {{.ClientInfo.Debug}}
        info -f plain
        version -f {{.Client.Context}}
        version -f {{.Client.APIVersion}}|{{.Client.Os}}|{{.Client.Platform}}
        version -f {{.Server}}
        version -f {{.Client.Nope}}
        version -f {{.ClientInfo}}",
    )
    .await;
    // What each was built from is its own.
    let env = [("DOCKER_HOST", NOWHERE), ("HOME", "/nonexistent")];
    let words = ["info", "-f", "{{json .}}"];
    let Some(theirs) = crate::testing::docker(&words, &env).await else { return };
    let facts = |text: &str| {
        let mut json: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let own = json["ClientInfo"].as_object_mut().expect("an object");
        for name in ["Version", "GitCommit", "GoVersion", "BuildTime"] {
            own.remove(name);
        }
        json
    };
    assert_eq!(facts(&skep(&words, &env).await.out), facts(&theirs.out));
}

#[tokio::test]
async fn help_is_dockers() {
    compare(
        "service create --help
        service update --help
        service ls --help
        service ps --help
        service inspect --help
        service rollback --help
        service scale --help
        service logs --help
        service rm --help
        service
        node ls --help
        node inspect --help
        node ps --help
        swarm init --help
        swarm leave --help
        swarm join-token --help
        attach --help
        container attach --help
        container cp --help
        cp --help
        diff --help
        events --help
        exec --help
        container exec --help
        history --help
        images --help
        image ls --help
        image inspect --help
        image prune --help
        inspect --help
        info --help
        kill --help
        load --help
        login --help
        logout --help
        logs --help
        container ls --help
        container inspect --help
        container prune --help
        port --help
        ps --help
        pull --help
        rm --help
        save --help
        stats --help
        stop --help
        tag --help
        top --help
        wait --help
        volume inspect --help
        volume prune --help
        volume rm --help
        system df --help
        system events --help
        system info --help
        system prune --help
        context create --help
        context inspect --help
        context ls --help
        context rm --help
        context show --help
        context update --help
        context use --help
        service create -h",
    )
    .await;
}

#[tokio::test]
async fn usage_errors_are_dockers() {
    compare(
        r#"service create
        service ls x
        service update
        service update a b
        service foo
        foo
        --foo
        service --foo
        service create --foo
        service create --foo=3 x
        service create -dZq x
        service create --name
        service create -e
        service create -de
        service create -d=foo x
        service create -q=x y
        service create --detach= y
        service update --help=foo
        service create -- --x
        service scale
        service scale web
        service scale web=a
        service logs --tail
        node ls
        node update
        service ls -q=true -f name=x
        service ls -fname=x
        service ls -f a
        service inspect --pretty --format x y
        service inspect --format 'pretty x' y
        node inspect --format 'pretty x' y
        service inspect --format '{{.Foo' y
        swarm join-token x
        exec
        exec x
        exec -Z x y
        container exec x
        cp x
        cp x y
        cp a:b c:d
        diff
        ps x
        container ls x
        ps -n a
        images x y
        inspect
        inspect --type foo x
        kill
        load x
        login a b
        login -u x -p y --password-stdin
        login --password-stdin
        logs
        port
        port a b c
        pull
        pull x:y -a
        pull X
        rmi
        save
        tag a
        tag a B
        tag a b@sha256:0000000000000000000000000000000000000000000000000000000000000000
        top
        wait
        volume create a b
        volume create --label =x y
        volume rm
        volume prune --all --filter all=1
        system df x
        system prune --volumes --filter until=1h
        events x
        context create
        context show x
        container foo
        image foo x
        swarm init --availability x
        swarm init --default-addr-pool= x
        swarm init --availability=
        swarm init --availability FOO
        inspect --type= x
        login --username= --password= x
        login --password= x
        login --username=a --password= --password-stdin x
        service create --stop-grace-period 99999999999999999999 x
        service create --log-opt '' x"#,
    )
    .await;
}

#[tokio::test]
async fn value_errors_are_dockers() {
    compare(
        r#"service create --replicas a x
        service create --replicas 99999999999999999999 x
        service create --replicas 1__0 x
        service create --health-interval -5s x
        service create --restart-delay 5 x
        service create --limit-cpu a x
        service create --limit-memory 1XXXX x
        service create -p 70000:80 x
        service create -p '::1:80:80' x
        service create -p target=99999 x
        service create --mount 'a"b' x
        service create --mount type=bind,src=/a,dst=/b,bind-recursive=foo x
        service create --mount type=tmpfs,dst=/b,tmpfs-mode=9 x
        service create --secret '' x
        service create --config source=a,mode=x x
        service create --network name=a,driver-opt=a x
        service create --label =a x
        service create --ulimit nofile=-1:5 x
        service create --host 'a:b:c=1.1.1.1' x
        service create --dns x x
        service create --dns-search a..b x
        service create --placement-pref =a x
        service create --generic-resource a=b=c x
        service create --generic-resource a=-1 x
        service create --credential-spec x x
        service create --env-file /nonexistent x
        service create --mode foo x
        service create --mode global --replicas 1 x
        service create --max-concurrent 1 x
        service create --no-healthcheck --health-cmd x y
        service create --update-delay 1s --mode global-job x
        swarm init --listen-addr a:b
        swarm init --external-ca protocol=x"#,
    )
    .await;
}
