//! Templates people write, and the errors of those they write wrong.

use std::collections::BTreeMap;

use serde::Serialize;

use super::*;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    labels: BTreeMap<String, String>,
    slots: Vec<u64>,
    ratio: f32,
}

fn data() -> Value {
    let labels = [("b", "2"), ("a", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let service = Service {
        name: "web>x".to_owned(),
        status: None,
        labels: labels.into(),
        slots: vec![3, 1],
        ratio: 0.1,
    };
    to_value(&service, "swarm").expect("converts")
}

fn render(template: &str) -> String {
    match Template::parse(template).and_then(|template| template.render(&data())) {
        Ok(text) => text,
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn fields_functions_and_flow() {
    let cases = [
        ("{{.Name}}", "web>x"),
        ("{{json .Name}}", r#""web\u003ex""#),
        ("{{json .Labels}}", r#"{"a":"1","b":"2"}"#),
        ("{{json .}}", r#"{"Name":"web\u003ex","Labels":{"a":"1","b":"2"},"Slots":[3,1],"Ratio":0.1}"#),
        ("{{.Labels}} {{.Slots}} {{.Ratio}}", "map[a:1 b:2] [3 1] 0.1"),
        ("{{.Labels.a}}{{.Labels.zz}}", "1<no value>"),
        (r#"{{index .Labels "b"}} {{index .Slots 1}} {{len .Slots}}"#, "2 1 2"),
        ("{{range .Slots}}{{.}},{{end}}", "3,1,"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{else}}none{{end}}", "a=1;b=2;"),
        ("{{range $i, $s := .Slots}}{{if $i}}, {{end}}{{$s}}{{end}}", "3, 1"),
        ("{{range .Slots}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}}", "3"),
        ("{{if .Status}}yes{{else if .Name}}named{{else}}no{{end}}", "named"),
        ("{{with .Labels}}{{.a}}{{end}}{{with .Status}}x{{else}}-{{end}}", "1-"),
        ("{{.Status}}|{{.Status.State}}|{{if eq .Status \"\"}}empty{{end}}", "||empty"),
        ("{{upper .Name | printf \"%-7s|\"}}", "WEB>X  |"),
        (
            r#"{{join (split "a/b" "/") "-"}} {{title "ab cd"}} {{pad "x" 1 2}}| {{truncate "abcdef" 2}}"#,
            "a-b Ab Cd  x  | ab",
        ),
        ("a {{- /* note */ -}} b {{- .Name -}} c", "abweb>xc"),
        ("{{$x := 1}}{{range .Slots}}{{$x = .}}{{end}}{{$x}}", "1"),
        ("{{and .Name .Labels.a}} {{or .Status \"none\"}} {{not .Name}}", "1 none false"),
        ("{{(index .Slots 0)}} {{printf \"%03d %q %v%%\" 7 \"a\" true}}", "3 007 \"a\" true%"),
        ("{{if and (gt 2 1) (le 1.5 1.5) (ne \"a\" \"b\")}}ok{{end}}", "ok"),
        ("{{println 1 2}}{{`raw`}}{{$.Name}}", "1 2\nrawweb>x"),
    ];
    for (template, text) in cases {
        assert_eq!(render(template), text, "for {template}");
    }
}

#[test]
fn errors_read_as_gos() {
    let cases = [
        ("{{.Foo}}", r#"1:2: executing "" at <.Foo>: can't evaluate field Foo in type swarm.Service"#),
        (
            "x\n{{ .Name.Bar }}",
            r#"2:8: executing "" at <.Name.Bar>: can't evaluate field Bar in type string"#,
        ),
        ("{{.Foo", "1: unclosed action"),
        ("{{foo .Name}}", r#"1: function "foo" not defined"#),
        ("{{if .Name}}", "1: unexpected EOF"),
        ("{{end}}", "1: unexpected {{end}}"),
        ("{{}}", "1: missing value for command"),
        ("{{$y}}", r#"1: undefined variable "$y""#),
        (
            "{{index .Slots 9}}",
            r#"1:2: executing "" at <index .Slots 9>: error calling index: index out of range: 9"#,
        ),
        ("{{template \"x\"}}", "1: template is not supported"),
    ];
    for (template, text) in cases {
        assert_eq!(
            render(template),
            format!("! template parsing error: template: :{text}"),
            "for {template}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = "{{if .Name}}".repeat(10_000);
    assert!(Template::parse(&deep).is_err());
    let deep = format!("{{{{{}}}}}", "(".repeat(10_000));
    assert!(Template::parse(&deep).is_err());
}
