//! Flags in, the part of the spec that they change out. Compared once with what docker 28.2 sends.

use std::collections::BTreeMap;
use std::io;

use clap::{Args, Command, FromArgMatches};
use expect_test::{Expect, expect};
use serde_json::Value;
use skep_api::wire::ServiceSpec;

use super::*;

fn parse<F: Args + FromArgMatches>(line: &str) -> (F, Vec<String>) {
    let words = crate::grammar::words(line).expect("well quoted");
    let flags: Vec<String> = words.iter().take_while(|word| *word != "IMAGE").cloned().collect();
    let command = crate::usage::finish(F::augment_args(Command::new("x")));
    let matches = command.try_get_matches_from(std::iter::once("x".to_owned()).chain(flags.clone()));
    let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
    let arguments = words.into_iter().skip(flags.len() + 1).collect();
    (F::from_arg_matches(&matches).expect("as parsed"), arguments)
}

fn read(path: &str) -> io::Result<Vec<u8>> {
    match path {
        "vars" => Ok(b"\xef\xbb\xbf# comment\n  Q=\"x y\"\nHERE\nNOT_HERE\nA=file\n\n".to_vec()),
        "bad" => Ok(b"A B=1\n".to_vec()),
        "nameless" => Ok(b"=x\n".to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// All leaves of a document, by path.
fn leaves(path: String, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, value)| leaves(format!("{path}.{key}"), value, into));
        }
        _ => {
            into.insert(path, value.to_string());
        }
    }
}

/// The leaves that differ, one per line.
fn changes(before: &ServiceSpec, after: &ServiceSpec) -> String {
    let flat = |spec: &ServiceSpec| {
        let mut flat = BTreeMap::new();
        leaves(String::new(), &serde_json::to_value(spec).expect("encodes"), &mut flat);
        flat
    };
    let (before, after) = (flat(before), flat(after));
    let shorten = |path: &str| {
        path.trim_start_matches('.')
            .replace("TaskTemplate.ContainerSpec.", "CS.")
            .replace("TaskTemplate.", "T.")
    };
    let added = after.iter().filter(|(path, value)| before.get(*path) != Some(value));
    let mut lines: Vec<String> = added.map(|(path, value)| format!("{}={value}\n", shorten(path))).collect();
    let removed = before.keys().filter(|path| !after.contains_key(*path));
    lines.extend(removed.map(|path| format!("{} removed\n", shorten(path))));
    lines.concat()
}

fn create(line: &str) -> Result<ServiceSpec, String> {
    let (flags, arguments) = parse::<CreateFlags>(line);
    let variables = [("HERE".to_owned(), "yes".to_owned())].into();
    let environment = Environment { variables: &variables, read };
    build(&flags, "nginx", &arguments, &environment).map_err(|fault| fault.text)
}

/// Compares what flags add to the spec of a plain `service create`.
fn check_create(line: &str, expected: Expect) {
    let plain = create("").expect("builds");
    let text = create(line).map(|spec| changes(&plain, &spec));
    expected.assert_eq(&text.unwrap_or_else(|error| format!("! {error}\n")));
}

/// Compares what flags change in a spec that has something of everything.
fn check_update(line: &str, expected: Expect) {
    let before = create(
        "--name web -l team=a --container-label cl=1 -e A=1 -e B=2 --group g2 --group g1 --replicas 3
         --mount src=v,dst=/d --mount type=bind,src=/a,dst=/b -p 8080:80 -p target=443,mode=host
         --constraint a==b --placement-pref spread=node.labels.dc --dns 1.1.1.1 --host a:1.2.3.4 --host b:1.2.3.4
         --sysctl k=v --ulimit nofile=10:20 --cap-add net_admin --cap-drop chown --generic-resource gpu=2
         --health-cmd x --log-driver json-file --log-opt max-size=1m --limit-cpu 1 --restart-delay 1s",
    );
    let before = before.expect("builds");
    let mut after = before.clone();
    let variables = BTreeMap::new();
    let environment = Environment { variables: &variables, read };
    let outcome = apply(&parse::<UpdateFlags>(line).0, &mut after, &environment);
    let text = outcome.map_or_else(|fault| format!("! {}\n", fault.text), |()| changes(&before, &after));
    expected.assert_eq(&text);
}

#[test]
fn a_plain_create_sends_little() {
    let spec = serde_json::to_string(&create("").expect("builds")).expect("encodes");
    expect![[r#"{"Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx","Init":false,"DNSConfig":{}},"Resources":{"Limits":{},"Reservations":{}},"Placement":{},"ForceUpdate":0},"Mode":{"Replicated":{}},"EndpointSpec":{"Mode":"vip"}}"#]]
    .assert_eq(&spec);
}

#[test]
fn create_what_and_where() {
    check_create(
        "--name web --mode replicated --replicas 0x10 -l a=b -l c --container-label d=e --entrypoint \"sh -c 'a b'\"
         -w /w -u me --group g --hostname h --init --read-only -t --stop-signal INT --stop-grace-period 3s IMAGE a -b",
        expect![[r#"
            Labels.a="b"
            Labels.c=""
            Mode.Replicated.Replicas=16
            Name="web"
            CS.Args=["a","-b"]
            CS.Command=["sh","-c","a b"]
            CS.Dir="/w"
            CS.Groups=["g"]
            CS.Hostname="h"
            CS.Init=true
            CS.Labels.d="e"
            CS.ReadOnly=true
            CS.StopGracePeriod=3000000000
            CS.StopSignal="INT"
            CS.TTY=true
            CS.User="me"
            Labels removed
            Mode.Replicated removed
        "#]],
    );
    check_create(
        "--constraint node.role==manager --placement-pref spread=node.labels.x --replicas-max-per-node 2
         --limit-cpu 1.5 --limit-memory 1.5g --limit-pids 10 --reserve-cpu 1/4 --generic-resource gpu=2",
        expect![[r#"
            T.Placement.Constraints=["node.role==manager"]
            T.Placement.MaxReplicas=2
            T.Placement.Preferences=[{"Spread":{"SpreadDescriptor":"node.labels.x"}}]
            T.Resources.Limits.MemoryBytes=1610612736
            T.Resources.Limits.NanoCPUs=1500000000
            T.Resources.Limits.Pids=10
            T.Resources.Reservations.GenericResources=[{"DiscreteResourceSpec":{"Kind":"gpu","Value":2}}]
            T.Resources.Reservations.NanoCPUs=250000000
            T.Placement removed
            T.Resources.Limits removed
            T.Resources.Reservations removed
        "#]],
    );
    check_create(
        "--restart-condition none --update-delay 10s --rollback-parallelism 0 --update-max-failure-ratio .25",
        expect![[r#"
            RollbackConfig.FailureAction="pause"
            RollbackConfig.MaxFailureRatio=0
            RollbackConfig.Monitor=5000000000
            RollbackConfig.Order="stop-first"
            RollbackConfig.Parallelism=0
            T.RestartPolicy.Condition="none"
            T.RestartPolicy.Delay=5000000000
            T.RestartPolicy.MaxAttempts=0
            UpdateConfig.Delay=10000000000
            UpdateConfig.FailureAction="pause"
            UpdateConfig.MaxFailureRatio=0.25
            UpdateConfig.Monitor=5000000000
            UpdateConfig.Order="stop-first"
            UpdateConfig.Parallelism=1
        "#]],
    );
}

#[test]
fn create_modes() {
    check_create(
        "--mode global",
        expect![[r#"
        Mode.Global={}
        Mode.Replicated removed
    "#]],
    );
    check_create(
        "--mode replicated-job --replicas 3 --max-concurrent 2",
        expect![[r#"
        Mode.ReplicatedJob.MaxConcurrent=2
        Mode.ReplicatedJob.TotalCompletions=3
        Mode.Replicated removed
    "#]],
    );
    check_create(
        "--mode replicated-job --replicas 3",
        expect![[r#"
        Mode.ReplicatedJob.MaxConcurrent=3
        Mode.ReplicatedJob.TotalCompletions=3
        Mode.Replicated removed
    "#]],
    );
    check_create(
        "--mode global-job --update-order x",
        expect![[r#"
        ! update and rollback configuration is not supported for jobs
    "#]],
    );
    check_create(
        "--mode global --replicas 1",
        expect![[r#"
        ! replicas can only be used with replicated or replicated-job mode
    "#]],
    );
    check_create(
        "--mode other",
        expect![[r#"
        ! Unknown mode: other, only replicated and global supported
    "#]],
    );
}

#[test]
fn create_surroundings() {
    check_create(
        "-e A=1 -e HERE -e GONE -e B= -e A=2 --env-file vars",
        expect![[r#"
        CS.Env=["Q=\"x y\"","HERE=yes","GONE","B=","A=2"]
    "#]],
    );
    check_create(
        "--env-file bad",
        expect![[r#"
        ! invalid env file (bad): variable 'A B' contains whitespaces
    "#]],
    );
    check_create(
        "--env-file nameless",
        expect![[r#"
        ! invalid env file (nameless): no variable name on line '=x'
    "#]],
    );
    check_create(
        "--env-file nowhere",
        expect![[r#"
        ! open nowhere: no such file or directory
    "#]],
    );
    check_create(
        "--dns 1.1.1.1 --dns-option o --dns-search a.b --host h:1.2.3.4 --host h2=::1 --log-opt ignored=1
         --sysctl a=b --ulimit nofile=1:2 --ulimit cpu=3 --ulimit cpu=4 --endpoint-mode DNSRR -p 80-81:80-81",
        expect![[r#"
            EndpointSpec.Mode="dnsrr"
            EndpointSpec.Ports=[{"Protocol":"tcp","PublishMode":"ingress","PublishedPort":80,"TargetPort":80},{"Protocol":"tcp","PublishMode":"ingress","PublishedPort":81,"TargetPort":81}]
            CS.DNSConfig.Nameservers=["1.1.1.1"]
            CS.DNSConfig.Options=["o"]
            CS.DNSConfig.Search=["a.b"]
            CS.Hosts=["1.2.3.4 h","::1 h2"]
            CS.Sysctls.a="b"
            CS.Ulimits=[{"Hard":4,"Name":"cpu","Soft":4},{"Hard":2,"Name":"nofile","Soft":1}]
            CS.DNSConfig removed
        "#]],
    );
    check_create(
        "--cap-add net_admin --cap-drop all --cap-add CAP_KILL",
        expect![[r#"
        CS.CapabilityAdd=["CAP_KILL","CAP_NET_ADMIN"]
        CS.CapabilityDrop=["ALL"]
    "#]],
    );
    check_create(
        "--cap-add all --cap-add kill --cap-drop chown",
        expect![[r#"
        CS.CapabilityAdd=["ALL"]
        CS.CapabilityDrop=["CAP_CHOWN"]
    "#]],
    );
}

#[test]
fn create_health() {
    check_create(
        "--health-cmd 'curl x' --health-interval 3s --health-retries 2",
        expect![[r#"
        CS.Healthcheck.Interval=3000000000
        CS.Healthcheck.Retries=2
        CS.Healthcheck.Test=["CMD-SHELL","curl x"]
    "#]],
    );
    check_create(
        "--no-healthcheck",
        expect![[r#"
        CS.Healthcheck.Test=["NONE"]
    "#]],
    );
    check_create(
        "--no-healthcheck --health-retries 1",
        expect![[r#"
        ! --no-healthcheck conflicts with --health-* options
    "#]],
    );
}

#[test]
fn update_maps_and_lists() {
    check_update(
        "--label-rm team --label-add x=y --container-label-add cl=2",
        expect![[r#"
            Labels.x="y"
            CS.Labels.cl="2"
            Labels.team removed
        "#]],
    );
    check_update(
        "--env-add B=3 --env-add C=4 --env-rm A",
        expect![[r#"
            CS.Env=["B=3","C=4"]
        "#]],
    );
    check_update(
        "--group-add a --group-rm g1 --constraint-add c==d --constraint-rm a==b",
        expect![[r#"
            CS.Groups=["a","g2"]
            T.Placement.Constraints=["c==d"]
        "#]],
    );
    check_update(
        "--dns-add 8.8.8.8 --dns-rm 1.1.1.1 --dns-search-add b.c --dns-option-add z",
        expect![[r#"
            CS.DNSConfig.Nameservers=["8.8.8.8"]
            CS.DNSConfig.Options=["z"]
            CS.DNSConfig.Search=["b.c"]
        "#]],
    );
    check_update(
        "--sysctl-add a=b --sysctl-rm k --ulimit-add cpu=1 --ulimit-rm nofile",
        expect![[r#"
            CS.Sysctls.a="b"
            CS.Ulimits=[{"Hard":1,"Name":"cpu","Soft":1}]
            CS.Sysctls.k removed
        "#]],
    );
    check_update(
        "--placement-pref-add spread=z --placement-pref-rm spread=node.labels.dc",
        expect![[r#"
            T.Placement.Preferences=[{"Spread":{"SpreadDescriptor":"z"}}]
        "#]],
    );
    check_update(
        "--host-add z:1.1.1.1 --host-rm a --host-rm b:9.9.9.9",
        expect![[r#"
            CS.Hosts=["1.2.3.4 b","1.1.1.1 z"]
        "#]],
    );
}

#[test]
fn update_mounts_and_ports() {
    check_update(
        "--mount-add type=tmpfs,dst=/t --mount-add src=w,dst=/d --mount-rm /b",
        expect![[r#"
        CS.Mounts=[{"Target":"/t","Type":"tmpfs"},{"Source":"w","Target":"/d","Type":"volume"}]
    "#]],
    );
    check_update(
        "--mount-add dst=/t --mount-add dst=/t",
        expect![[r#"
        ! duplicate mount target
    "#]],
    );
    check_update(
        "--publish-rm 80 --publish-add 9090:90",
        expect![[r#"
            EndpointSpec.Ports=[{"Protocol":"tcp","PublishMode":"host","TargetPort":443},{"Protocol":"tcp","PublishMode":"ingress","PublishedPort":9090,"TargetPort":90}]
        "#]],
    );
    check_update(
        "--publish-add 80:80 --publish-add 8080:80",
        expect![[r#"
            EndpointSpec.Ports=[{"Protocol":"tcp","PublishMode":"host","TargetPort":443},{"Protocol":"tcp","PublishMode":"ingress","PublishedPort":8080,"TargetPort":80},{"Protocol":"tcp","PublishMode":"ingress","PublishedPort":80,"TargetPort":80}]
        "#]],
    );
    check_update(
        "--publish-rm 8080:80 --publish-add 8080:80",
        expect![[r#"
            EndpointSpec.Ports=[{"Protocol":"tcp","PublishMode":"host","TargetPort":443},{"Protocol":"tcp","PublishMode":"ingress","PublishedPort":8080,"TargetPort":80}]
        "#]],
    );
}

#[test]
fn update_resources_and_pace() {
    check_update(
        "--limit-memory 64m --generic-resource-add fpga=1 --generic-resource-rm gpu",
        expect![[r#"
            T.Resources.Limits.MemoryBytes=67108864
            T.Resources.Reservations.GenericResources=[{"DiscreteResourceSpec":{"Kind":"fpga","Value":1}}]
        "#]],
    );
    check_update(
        "--generic-resource-rm zz",
        expect![[r#"
        ! could not find generic-resource `zz` to remove it
    "#]],
    );
    check_update(
        "--restart-max-attempts 3 --update-parallelism 0",
        expect![[r#"
            T.RestartPolicy.MaxAttempts=3
            UpdateConfig.FailureAction="pause"
            UpdateConfig.MaxFailureRatio=0
            UpdateConfig.Monitor=5000000000
            UpdateConfig.Order="stop-first"
            UpdateConfig.Parallelism=0
        "#]],
    );
    check_update(
        "--replicas 5 --force --replicas-max-per-node 4",
        expect![[r#"
            Mode.Replicated.Replicas=5
            T.ForceUpdate=1
            T.Placement.MaxReplicas=4
        "#]],
    );
}

#[test]
fn update_capabilities_in_steps() {
    check_update(
        "--cap-add chown",
        expect![[r#"
            CS.CapabilityDrop removed
        "#]],
    );
    check_update(
        "--cap-drop net_admin --cap-drop kill",
        expect![[r#"
            CS.CapabilityDrop=["CAP_CHOWN","CAP_KILL"]
            CS.CapabilityAdd removed
        "#]],
    );
    check_update(
        "--cap-add RESET --cap-add kill",
        expect![[r#"
            CS.CapabilityAdd=["CAP_KILL"]
        "#]],
    );
}

#[test]
fn update_process() {
    check_update(
        "--entrypoint '' --args \"x 'y z'\" --image redis:8 --tty --init=false --read-only=false",
        expect![[r#"
            CS.Args=["x","y z"]
            CS.Image="redis:8"
            CS.TTY=true
        "#]],
    );
    check_update(
        "--log-driver '' --log-opt a=b --endpoint-mode DNSRR",
        expect![[r#"
            EndpointSpec.Mode="DNSRR"
        "#]],
    );
    check_update(
        "--health-cmd '' --health-interval 1s",
        expect![[r#"
            CS.Healthcheck.Interval=1000000000
            CS.Healthcheck.Test removed
        "#]],
    );
    check_update(
        "--no-healthcheck",
        expect![[r#"
            CS.Healthcheck.Test=["NONE"]
        "#]],
    );
}

#[test]
fn the_digest_warning_is_dockers() {
    expect![[r#"
        image redis:7 could not be accessed on a registry to record
        its digest. Each node will access redis:7 independently,
        possibly leading to different nodes running different
        versions of the image.
    "#]]
    .assert_eq(&digest_warning("redis:7"));
    assert_eq!(with_tag("docker.io/library/redis"), "redis:latest");
    assert_eq!(with_tag("not a reference"), "not a reference");
}
