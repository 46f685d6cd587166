use skep_model::request::RefusalClass;
use skep_model::rollout::{Direction, Phase};
use skep_model::{Id, Rollout, ServiceId, Timestamp};

use super::*;
use crate::wire;
use crate::wire::decode::decode;

fn parse(text: &str) -> wire::ServiceSpec {
    decode(text.as_bytes()).expect("a service specification")
}

/// Returns the specification as a client reads it back.
fn read_back(text: &str) -> String {
    let spec = service::to_model(parse(text), None).expect("a specification that Skep honours");
    serde_json::to_string(&service::spec_to_wire(&spec)).expect("encodes")
}

fn refusal(text: &str) -> Unconverted {
    service::to_model(parse(text), None).expect_err("a specification that is refused")
}

#[test]
fn what_the_docker_client_sends_reads_back_unchanged() {
    let sent = concat!(
        r#"{"Name":"web","Labels":{"team":"a"},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:latest@sha256:00","#,
        r#""Labels":{"x":"y"},"Command":["c"],"Args":["a","b"],"Hostname":"h","Env":["B=2","A=1"],"Dir":"/w","#,
        r#""User":"1:2","Groups":["g"],"Privileges":{"CredentialSpec":null,"SELinuxContext":null,"#,
        r#""NoNewPrivileges":true},"Init":true,"StopSignal":"SIGQUIT","TTY":true,"OpenStdin":true,"ReadOnly":true,"#,
        r#""Mounts":[{"Type":"bind","Source":"/s","Target":"/t","ReadOnly":true},"#,
        r#"{"Type":"bind","Source":"/s","Target":"/u","BindOptions":{"Propagation":"rslave","CreateMountpoint":true}},"#,
        r#"{"Type":"bind","Source":"/s","Target":"/x","BindOptions":{"Propagation":"rshared","NonRecursive":true,"#,
        r#""ReadOnlyNonRecursive":true,"ReadOnlyForceRecursive":true}},"#,
        r#"{"Type":"volume","Source":"{{.Service.Name}}","Target":"/y","VolumeOptions":{"NoCopy":true,"#,
        r#""Labels":{"a":"b"},"Subpath":"s","DriverConfig":{"Name":"local","Options":{"type":"tmpfs"}}}},"#,
        r#"{"Type":"volume","Target":"/z"},"#,
        r#"{"Type":"tmpfs","Target":"/v"},{"Type":"tmpfs","Target":"/w","TmpfsOptions":{"SizeBytes":1,"Mode":448}}],"#,
        r#""StopGracePeriod":0,"Healthcheck":{"Test":["CMD","x"],"Interval":1000000,"Retries":3},"#,
        r#""Hosts":["1.2.3.4 a"],"DNSConfig":{},"Isolation":"default","Sysctls":{"net.core.somaxconn":"9"},"#,
        r#""CapabilityAdd":["CAP_NET_ADMIN"],"CapabilityDrop":["ALL"],"#,
        r#""Ulimits":[{"Name":"nofile","Hard":2,"Soft":1}],"OomScoreAdj":-5},"#,
        r#""Resources":{"Limits":{"NanoCPUs":500000000,"MemoryBytes":67108864,"Pids":7},"Reservations":{},"SwapBytes":-1,"#,
        r#""MemorySwappiness":10},"#,
        r#""RestartPolicy":{"Condition":"on-failure","Delay":0,"MaxAttempts":0,"Window":1},"#,
        r#""Placement":{"Constraints":["node.role == manager"],"#,
        r#""Preferences":[{"Spread":{"SpreadDescriptor":"node.labels.zone"}}],"MaxReplicas":2,"#,
        r#""Platforms":[{"Architecture":"amd64","OS":"linux"},{"OS":"linux"}]},"#,
        r#""LogDriver":{"Name":"local","Options":{"max-size":"1m"}},"ForceUpdate":3,"Runtime":"container"},"#,
        r#""Mode":{"Replicated":{"Replicas":0}},"#,
        r#""UpdateConfig":{"Parallelism":2,"Delay":10,"FailureAction":"rollback","Monitor":5000000000,"#,
        r#""MaxFailureRatio":0.25,"Order":"start-first"},"#,
        r#""RollbackConfig":{"Parallelism":0,"FailureAction":"pause","MaxFailureRatio":0,"Order":"stop-first"},"#,
        r#""EndpointSpec":{"Mode":"dnsrr","Ports":[{"Name":"p","Protocol":"udp","TargetPort":53,"#,
        r#""PublishedPort":5353,"PublishMode":"host"}]}}"#,
    );
    assert_eq!(read_back(sent), sent);
}

#[test]
fn what_was_absent_stays_absent_and_what_was_empty_stays_empty() {
    let tail = r#""Mode":{"Replicated":{"Replicas":1}},"EndpointSpec":{"Mode":"vip"}}"#;
    assert_eq!(
        read_back(r#"{"Name":"r","TaskTemplate":{"ContainerSpec":{"Image":"redis"}}}"#),
        [
            r#"{"Name":"r","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"redis","Isolation":"default"},"#,
            r#""ForceUpdate":0,"Runtime":"container"},"#,
            tail,
        ]
        .concat()
    );
    let stack = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"i","Privileges":{},"Healthcheck":{}},"Resources":{},
        "Placement":{},"RestartPolicy":{},"LogDriver":{}},"UpdateConfig":{},"EndpointSpec":{}}"#;
    assert_eq!(
        read_back(stack),
        [
            r#"{"Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"i","Privileges":{"CredentialSpec":null,"#,
            r#""SELinuxContext":null,"NoNewPrivileges":false},"Healthcheck":{},"Isolation":"default"},"#,
            r#""Resources":{},"RestartPolicy":{"Condition":"any","MaxAttempts":0},"Placement":{},"LogDriver":{},"#,
            r#""ForceUpdate":0,"Runtime":"container"},"Mode":{"Replicated":{"Replicas":1}},"#,
            r#""UpdateConfig":{"Parallelism":0,"FailureAction":"pause","MaxFailureRatio":0,"Order":"stop-first"},"#,
            r#""EndpointSpec":{"Mode":"vip"}}"#,
        ]
        .concat()
    );
}

#[test]
fn what_is_not_honoured_is_refused_by_name() {
    let with = |container: &str, task: &str, spec: &str| {
        format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Image":"i"{container}}}{task}}}{spec}}}"#)
    };
    let container = |fields: &str| with(fields, "", "");
    let task = |fields: &str| with("", fields, "");
    let spec = |fields: &str| with("", "", fields);
    let cases = [
        (spec(r#","Networks":[{"Target":"n"}]"#), "--network"),
        (task(r#","Networks":[{"Target":"n"}]"#), "--network"),
        (
            spec(r#","EndpointSpec":{"Ports":[{"TargetPort":80,"Protocol":"sctp","PublishMode":"host"}]}"#),
            "--publish protocol=sctp",
        ),
        (
            task(
                r#","Resources":{"Reservations":{"GenericResources":[{"NamedResourceSpec":{"Kind":"g","Value":"a"}}]}}"#,
            ),
            "a generic resource reserved by name",
        ),
        (task(r#","LogDriver":{"Name":"syslog"}"#), "--log-driver syslog"),
        (task(r#","PluginSpec":{}"#), "PluginSpec"),
        (task(r#","Runtime":"plugin""#), "runtime \"plugin\""),
        (container(r#","Secrets":[{"SecretID":"s"}]"#), "--secret"),
        (container(r#","Configs":[{"ConfigID":"s"}]"#), "--config"),
        (container(r#","Isolation":"hyperv""#), "--isolation hyperv"),
        (container(r#","Mounts":[{"Type":"npipe","Target":"/t"}]"#), "--mount type=npipe"),
        (container(r#","Mounts":[{"Type":"cluster","Target":"/t"}]"#), "--mount type=cluster"),
        (container(r#","Mounts":[{"Type":"image","Target":"/t"}]"#), "--mount type=image"),
        (container(r#","Privileges":{"CredentialSpec":{"File":"f"}}"#), "--credential-spec"),
        (container(r#","Privileges":{"SELinuxContext":{"User":"f"}}"#), "Privileges.SELinuxContext"),
        (container(r#","Privileges":{"Seccomp":{"Mode":"unconfined"}}"#), "Privileges.Seccomp"),
        (container(r#","Privileges":{"AppArmor":{"Mode":"disabled"}}"#), "Privileges.AppArmor"),
    ];
    for (body, name) in cases {
        let Unconverted::Refused(refusal) = refusal(&body) else { panic!("{body}: refused without a class") };
        assert_eq!(refusal.class, RefusalClass::Unimplemented, "{body}");
        assert_eq!(refusal.message, format!("skep: {name} is not supported yet"), "{body}");
    }
}

#[test]
fn unknown_words_are_refused_in_dockers_sentences() {
    let update = |fields: &str| {
        format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Image":"i"}}}},"UpdateConfig":{{{fields}}}}}"#)
    };
    let task = |fields: &str| format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Image":"i"}},{fields}}}}}"#);
    let mount = |fields: &str| {
        format!(r#"{{"TaskTemplate":{{"ContainerSpec":{{"Image":"i","Mounts":[{{{fields}}}]}}}}}}"#)
    };
    let cases = [
        (update(r#""FailureAction":"explode""#), "unrecognized update failure action explode"),
        (update(r#""Order":"x""#), "unrecognized update order x"),
        (update(r#""Delay":-1"#), "TaskSpec: update-delay cannot be negative"),
        (update(r#""Monitor":-1"#), "TaskSpec: update-monitor cannot be negative"),
        (task(r#""RestartPolicy":{"Condition":"x"}"#), "invalid RestartCondition: \"x\""),
        (task(r#""RestartPolicy":{"Delay":-1}"#), "TaskSpec: restart-delay cannot be negative"),
        (task(r#""RestartPolicy":{"Window":-1}"#), "TaskSpec: restart-window cannot be negative"),
        (mount(r#""Type":"x""#), "invalid MountType: \"x\""),
        (
            mount(r#""Type":"volume","TmpfsOptions":{}"#),
            "invalid mount config for type \"volume\": field TmpfsOptions must not be specified",
        ),
        (
            task(r#""ForceUpdate":0},"EndpointSpec":{"Ports":[{"TargetPort":80}]"#),
            "skep: --publish in ingress mode is not supported yet; use mode=host",
        ),
        (
            task(r#""ForceUpdate":0},"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishMode":"x"}]"#),
            "invalid publish mode value: \"x\"",
        ),
        (
            task(r#""ForceUpdate":0},"EndpointSpec":{"Ports":[{"TargetPort":70000,"PublishMode":"host"}]"#),
            "EndpointSpec: the target port 70000 is not between 1 and 65535",
        ),
        (mount(r#""BindOptions":{"Propagation":"x"}"#), "invalid MountPropagation: \"x\""),
        (
            mount(r#""Type":"tmpfs","Source":"/x""#),
            "invalid mount config for type \"tmpfs\": field Source must not be specified",
        ),
        (
            task(r#""ForceUpdate":0},"Mode":{"Replicated":{},"Global":{}"#),
            "must specify only one service mode",
        ),
        (task(r#""ForceUpdate":0},"EndpointSpec":{"Mode":"x""#), "invalid resolution mode: \"x\""),
        ("{}".to_owned(), "mismatched Runtime and *Spec fields"),
    ];
    for (body, sentence) in cases {
        assert_eq!(refusal(&body).to_string(), sentence, "{body}");
    }
}

#[test]
fn defaults_are_shown_on_demand() {
    let model = service::to_model(
        parse(
            r#"{"TaskTemplate":{"ContainerSpec":{"Image":"i"},"RestartPolicy":{"Condition":"none"}},"UpdateConfig":{}}"#,
        ),
        None,
    );
    let mut shown = service::spec_to_wire(&model.expect("a specification"));
    defaults::insert(&mut shown);
    assert_eq!(
        serde_json::to_string(&shown).expect("encodes"),
        concat!(
            r#"{"Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"i","StopGracePeriod":10000000000,"DNSConfig":{},"#,
            r#""Isolation":"default"},"Resources":{},"RestartPolicy":{"Condition":"none","Delay":5000000000,"#,
            r#""MaxAttempts":0},"Placement":{},"ForceUpdate":0,"Runtime":"container"},"#,
            r#""Mode":{"Replicated":{"Replicas":1}},"UpdateConfig":{"Parallelism":0,"FailureAction":"pause","#,
            r#""Monitor":5000000000,"MaxFailureRatio":0,"Order":"stop-first"},"RollbackConfig":{"Parallelism":1,"#,
            r#""FailureAction":"pause","Monitor":5000000000,"MaxFailureRatio":0,"Order":"stop-first"},"#,
            r#""EndpointSpec":{"Mode":"vip"}}"#
        )
    );
}

#[test]
fn old_clients_do_not_mean_new_fields() {
    let body = r#"{"TaskTemplate":{"ContainerSpec":{"Image":"i","OomScoreAdj":5,"CapabilityAdd":["ALL"],
        "Sysctls":{"a":"b"},"Healthcheck":{"StartInterval":1000000}},"Resources":{"Limits":{"Pids":5}}}}"#;
    let at = |minor| {
        let mut spec = parse(body);
        gate::service_spec(&mut spec, minor);
        let container = spec.task_template.container_spec.expect("a container");
        let check = container.healthcheck.expect("a health check");
        (
            container.oom_score_adj,
            check.start_interval,
            container.capability_add.len(),
            container.sysctls.len(),
        )
    };
    assert_eq!(at(50), (5, 1_000_000, 1, 1));
    assert_eq!(at(45), (0, 1_000_000, 1, 1));
    assert_eq!(at(43), (0, 0, 1, 1));
    assert_eq!(at(39), (0, 0, 0, 0));
}

#[test]
fn a_rollout_is_told_in_swarms_words() {
    let (id, began) = (ServiceId::from_number(1), Timestamp(1_500_000_000));
    let mut rollout = Rollout::asked(id, Direction::Forward, 2, None, began);
    rollout.message = "update in progress".into();
    assert_eq!(update::status_to_wire(&rollout, None), None);
    rollout.phase = Phase::Running;
    let shown = update::status_to_wire(&rollout, None).expect("a status");
    assert_eq!(
        serde_json::to_string(&shown).expect("encodes"),
        r#"{"State":"updating","StartedAt":"1970-01-01T00:00:01.5Z","Message":"update in progress"}"#
    );
    let mut words = Vec::new();
    for direction in [Direction::Forward, Direction::Back] {
        for phase in [Phase::Running, Phase::Paused, Phase::Completed] {
            words.extend(update::state_word(&Rollout { direction, phase, ..rollout.clone() }));
        }
    }
    assert_eq!(
        words,
        ["updating", "paused", "completed", "rollback_started", "rollback_paused", "rollback_completed"]
    );
}
