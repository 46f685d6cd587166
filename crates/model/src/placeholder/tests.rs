use super::*;
use crate::Labels;
use crate::mount::{Mount, MountKind, VolumeDriver, VolumeMount, VolumeOptions};
use crate::template::ContainerSpec;

fn labels() -> Labels {
    [("tier", "web"), ("com.example/x", "1")].map(|(key, value)| (key.into(), value.into())).into()
}

fn hostname(text: &str) -> Result<String, String> {
    let labels = labels();
    let context = Context {
        node_hostname: "alpha",
        os: "linux",
        architecture: "x86_64",
        ..Context::stand_in("redis", &labels)
    };
    let spec = ContainerSpec { hostname: text.into(), ..Default::default() };
    expand_container(&spec, &context).map(|spec| spec.hostname)
}

#[test]
fn all_that_swarm_names_is_filled_in() {
    for (text, expected) in [
        ("plain", "plain"),
        ("{{.Service.ID}}/{{.Service.Name}}", "serviceid/redis"),
        ("{{.Node.ID}}@{{ .Node.Hostname }}", "nodeid@alpha"),
        ("{{.Node.Platform.OS}}-{{.Node.Platform.Architecture}}", "linux-x86_64"),
        ("{{.Task.ID}} {{.Task.Name}} {{.Task.Slot}}", "taskid redis.1.taskid 1"),
        ("{{.Service.Labels.tier}}", "web"),
        ("{{.Service.Labels}}", "map[com.example/x:1 tier:web]"),
    ] {
        assert_eq!(hostname(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn functions_pipelines_conditions_and_trims_work() {
    for (text, expected) in [
        (r#"{{index .Service.Labels "com.example/x"}}"#, "1"),
        (r#"[{{index .Service.Labels "none"}}]"#, "[]"),
        (r#"{{join "-" .Service.Name .Task.Slot}}"#, "redis-1"),
        (r#"{{.Task.Slot | printf "%s.%s" .Service.Name}}"#, "redis.1"),
        (r#"{{printf "%03d%%" 7}}"#, "007%"),
        (r#"{{if eq .Task.Slot "1"}}first{{else}}other{{end}}"#, "first"),
        (r#"{{if eq .Task.Slot "2"}}second{{else if .Service.Labels.tier}}tiered{{end}}"#, "tiered"),
        (r#"{{if and (eq .Service.Name "x") true}}a{{end}}b"#, "b"),
        ("a  {{- .Task.Slot -}}  b", "a1b"),
        ("a{{/* nothing */}}b", "ab"),
        ("{{if true -}}  x  {{- end}}.", "x."),
        (r#"{{print 1 2 "x" 3}}"#, "1 2x3"),
        (r#"{{len .Service.Labels}}{{not true}}{{or "" "z"}}"#, "2falsez"),
        (r#"{{"a\"b"}}{{`c`}}"#, "a\"bc"),
    ] {
        assert_eq!(hostname(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn mistakes_are_told_in_gos_words() {
    for (text, expected) in [
        (
            "{{.Foo}}",
            "expanding hostname failed: template: expansion:1:2: executing \"expansion\" at <.Foo>: can't evaluate \
             field Foo in type *template.Context",
        ),
        (
            "x{{.Service.Foo}}",
            "expanding hostname failed: template: expansion:1:11: executing \"expansion\" at <.Service.Foo>: can't \
             evaluate field Foo in type struct { ID string; Name string; Labels map[string]string }",
        ),
        (
            "{{.Service.Labels.none}}",
            "expanding hostname failed: template: expansion:1:10: executing \"expansion\" at \
             <.Service.Labels.none>: map has no entry for key \"none\"",
        ),
        ("{{.Task.Slot", "expanding hostname failed: template: expansion:1: unclosed action"),
        ("{{foo}}", "expanding hostname failed: template: expansion:1: function \"foo\" not defined"),
        ("{{}}", "expanding hostname failed: template: expansion:1: missing value for command"),
        ("a\n{{if true}}", "expanding hostname failed: template: expansion:2: unexpected EOF"),
        ("{{end}}", "expanding hostname failed: template: expansion:1: unexpected {{end}}"),
        (
            "{{range .Service.Labels}}{{end}}",
            "expanding hostname failed: template: expansion:1: skep does not support {{range}} in placeholders",
        ),
    ] {
        assert_eq!(hostname(text), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn env_values_and_mounts_are_expanded_and_names_are_not() {
    let labels = labels();
    let driver = VolumeDriver {
        name: "local".into(),
        options: [("device".into(), "/s/{{.Task.Slot}}".into())].into(),
    };
    let options = VolumeOptions {
        labels: [("slot".into(), "{{.Task.Slot}}".into())].into(),
        driver: Some(driver),
        ..Default::default()
    };
    let mount = Mount {
        target: "/{{.Service.Name}}".into(),
        read_only: false,
        kind: MountKind::Volume(VolumeMount { source: "v{{.Task.Slot}}".into(), options: Some(options) }),
        consistency: String::new(),
    };
    let spec = ContainerSpec {
        env: vec!["{{.A}}={{.Task.Slot}}={{.Task.Slot}}".into(), "{{bare".into()],
        mounts: vec![mount],
        ..Default::default()
    };
    let done = expand_container(&spec, &Context::stand_in("redis", &labels)).expect("valid placeholders");
    assert_eq!(done.env, ["{{.A}}=1=1", "{{bare"]);
    assert_eq!(done.mounts[0].target, "/redis");
    let MountKind::Volume(volume) = &done.mounts[0].kind else { panic!("a volume") };
    let options = volume.options.as_ref().expect("options");
    assert_eq!((volume.source.as_str(), options.labels["slot"].as_str()), ("v1", "1"));
    assert_eq!(options.driver.as_ref().expect("a driver").options["device"], "/s/1");
}

#[test]
fn hostile_text_is_bounded() {
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(hostname(&deep).expect_err("too deep").contains("nested too deeply"));
    let nested = "{{if true}}".repeat(5000);
    assert!(hostname(&nested).expect_err("too deep").contains("nested too deeply"));
    let labels = Labels::from([("x".to_owned(), "y".repeat(100_000))]);
    let root = Value::Map(&labels);
    assert!(expand(&"{{.x}}".repeat(100), &root).expect_err("too long").contains("longer than"));
    for text in
        ["{{", "{{-", "{{ \"", "{{`", "{{(", "{{|}}", "{{. |}}", "{{..}}", "{{é}}", "{{/*", "{{1x}}", "{{-}}"]
    {
        assert!(hostname(text).is_err(), "{text}");
    }
}
