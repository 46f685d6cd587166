//! The vectors of Docker's grammars: text in, value or sentence out.

use skep_api::wire::{Driver, Mount, PortConfig};

use super::*;

fn show<T: fmt::Debug>(result: Result<T, Invalid>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("! {error}"),
    }
}

/// Runs a grammar over inputs and compares the list of outcomes.
fn check<T: fmt::Debug>(grammar: fn(&str) -> Result<T, Invalid>, cases: &[(&str, &str)]) {
    for (input, outcome) in cases {
        assert_eq!(show(grammar(input)), *outcome, "for {input:?}");
    }
}

#[test]
fn durations() {
    check(
        duration,
        &[
            ("1h30m", "5400000000000"),
            ("1.5s", "1500000000"),
            (".5s", "500000000"),
            ("-5s", "-5000000000"),
            ("0", "0"),
            ("100us", "100000"),
            ("2562047h47m16.854775807s", "9223372036854775807"),
            ("", r#"! time: invalid duration """#),
            ("5", r#"! time: missing unit in duration "5""#),
            ("1d", r#"! time: unknown unit "d" in duration "1d""#),
            ("x", r#"! time: invalid duration "x""#),
            ("9999999h", r#"! time: invalid duration "9999999h""#),
        ],
    );
    check(positive_duration, &[("0s", "0"), ("-1s", "! duration cannot be negative")]);
}

#[test]
fn durations_as_go_prints_them() {
    let cases = [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (500_000_000, "500ms"),
        (5_000_000_000, "5s"),
        (90_000_000_000, "1m30s"),
        (60_000_000_000, "1m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (7_776_000_000_000_000, "2160h0m0s"),
        (-1_500_000_000, "-1.5s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(show_duration(nanos), text);
    }
}

#[test]
fn sizes() {
    check(
        bytes,
        &[
            ("1.5g", "1610612736"),
            ("64m", "67108864"),
            ("64 MiB", "67108864"),
            ("10", "10"),
            ("10b", "10"),
            ("x", "! invalid size: 'x'"),
            ("1x", "! invalid suffix: 'x'"),
            ("1kbb", "! invalid suffix: 'kbb'"),
            ("-1", "! invalid size: '-1'"),
            ("8388607t", "9223370937343148032"),
            ("9999999999g", "! invalid size: '9999999999g': more than can be counted"),
            ("1.1.1k", r#"! strconv.ParseFloat: parsing "1.1.1": invalid syntax"#),
        ],
    );
    check(
        cpus,
        &[
            (".5", "500000000"),
            ("0.5", "500000000"),
            ("1/2", "500000000"),
            ("2", "2000000000"),
            ("1e-3", "1000000"),
            ("1/3", "! value is too precise"),
            ("9223372037", "! value 9223372037 is out of range"),
            ("0.0000000001", "! value is too precise"),
            ("a", "! failed to parse a as a rational number"),
        ],
    );
}

#[test]
fn numbers() {
    check(
        uint64,
        &[
            ("0x10", "16"),
            ("0b11", "3"),
            ("0o17", "15"),
            ("017", "15"),
            ("1_000", "1000"),
            ("0", "0"),
            ("a", r#"! strconv.ParseUint: parsing "a": invalid syntax"#),
            ("", r#"! strconv.ParseUint: parsing "": invalid syntax"#),
            ("-1", r#"! strconv.ParseUint: parsing "-1": invalid syntax"#),
            ("+1", r#"! strconv.ParseUint: parsing "+1": invalid syntax"#),
            (
                "99999999999999999999",
                r#"! strconv.ParseUint: parsing "99999999999999999999": value out of range"#,
            ),
        ],
    );
    check(int64, &[("-5", "-5"), ("a", r#"! strconv.ParseInt: parsing "a": invalid syntax"#)]);
    check(
        boolean,
        &[("T", "true"), ("0", "false"), ("yes", r#"! strconv.ParseBool: parsing "yes": invalid syntax"#)],
    );
    check(float32, &[("NaN", r#"! strconv.ParseFloat: parsing "NaN": not a number"#)]);
    check(float32, &[("1e39", r#"! strconv.ParseFloat: parsing "1e39": value out of range"#)]);
    check(float32, &[("0.25", "0.25"), ("x", r#"! strconv.ParseFloat: parsing "x": invalid syntax"#)]);
}

#[test]
fn shell_words() {
    check(
        words,
        &[
            ("-c 'a b'", r#"["-c", "a b"]"#),
            (r#"a\ b "c \"d\"" '' # rest"#, r#"["a b", "c \"d\"", ""]"#),
            ("", "[]"),
            ("a#b", r##"["a#b"]"##),
            ("a 'b", "! EOF found when expecting closing quote"),
            ("a\\", "! EOF found after escape character"),
        ],
    );
}

#[test]
fn lists() {
    check(
        label,
        &[
            ("a=b", r#""a=b""#),
            ("=a", "! invalid label '=a': empty name"),
            ("a b", "! label 'a b' contains whitespaces"),
        ],
    );
    check(env, &[("A", r#""A""#), ("A=", r#""A=""#), ("=a", "! invalid environment variable: =a")]);
    check(
        filter,
        &[
            ("label=a=b", r#"Some(("label", "a=b"))"#),
            ("Name=x", r#"Some(("name", "x"))"#),
            ("a", "! bad format of filter (expected name=value)"),
            ("", "None"),
        ],
    );
    check(
        host,
        &[
            ("h:::1", r#""h:::1""#),
            ("h=[::1]", r#""h:::1""#),
            ("h:host-gateway", r#""h:host-gateway""#),
            ("foo", r#"! bad format for add-host: "foo""#),
            ("foo:bar", r#"! invalid IP address in add-host: "bar""#),
        ],
    );
    check(ip_address, &[("0:0::1", r#""::1""#), ("x", "! IP address is not correctly formatted: x")]);
    check(
        dns_search,
        &[
            (".", r#"".""#),
            ("a.b.", r#""a.b""#),
            ("-x", "! -x is not a valid domain"),
            ("1", "! 1 is not a valid domain"),
        ],
    );
    check(
        ulimit,
        &[
            ("nofile=1024:2048", r#"Ulimit { name: "nofile", hard: 2048, soft: 1024 }"#),
            ("core=-1", r#"Ulimit { name: "core", hard: -1, soft: -1 }"#),
            ("x", "! invalid ulimit argument: x"),
            ("x=1", "! invalid ulimit type: x"),
            ("cpu=2:1", "! ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
            ("cpu=1:2:3", "! too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"),
        ],
    );
    check(
        placement_pref,
        &[
            ("a", r#"! placement preference must be of the format "<strategy>=<arg>""#),
            ("foo=a", "! unsupported placement preference foo (only spread is supported)"),
        ],
    );
    check(generic_resource, &[("a", "! invalid generic-resource format `a` expected `name=value`")]);
}

#[test]
fn ports() {
    let line = |port: PortConfig| {
        format!("{}:{}/{}/{}", port.published_port, port.target_port, port.protocol, port.publish_mode)
    };
    let cases = [
        ("80", "0:80/tcp/ingress"),
        ("8080:80/udp", "8080:80/udp/ingress"),
        ("80-82:80-82", "80:80/tcp/ingress 81:81/tcp/ingress 82:82/tcp/ingress"),
        ("80-82:8080", "80:8080/tcp/ingress 81:8080/tcp/ingress 82:8080/tcp/ingress"),
        ("80-81", "0:80/tcp/ingress 0:81/tcp/ingress"),
        ("target=80,published=8080,mode=host", "8080:80/tcp/host"),
        ("TARGET=80,Protocol=UDP", "0:80/udp/ingress"),
        ("published=80", "! missing mandatory field 'target'"),
        ("70000:80", "! invalid hostPort: 70000"),
        ("127.0.0.1:80:80", "! hostip is not supported"),
        ("abc", "! invalid containerPort: abc"),
        ("80-81:80-82", "! invalid ranges specified for container and host Ports: 80-82 and 80-81"),
        ("80/foo", "! invalid proto: foo"),
        ("8080:", "! no port specified: 8080:<empty>"),
        ("", "! no port specified: <empty>"),
        ("a=b", "! invalid field key: a"),
        ("target=80,foo", "! invalid field: foo"),
        ("target=80,protocol=x", "! invalid protocol value 'x'"),
        ("target=80,mode=x", "! invalid publish mode value (x): must be either 'ingress' or 'host'"),
        ("target=a", "! invalid target port (a): value must be an integer: invalid syntax"),
        ("target=99999", "! invalid target port (99999): value must be an integer: value out of range"),
    ];
    for (input, outcome) in cases {
        let shown = match publish(input) {
            Ok(ports) => ports.into_iter().map(line).collect::<Vec<_>>().join(" "),
            Err(error) => format!("! {error}"),
        };
        assert_eq!(shown, outcome, "for {input:?}");
    }
}

#[test]
fn mounts() {
    let json = |text: &str| match mount(text) {
        Ok(mount) => serde_json::to_string(&mount).expect("encodes"),
        Err(error) => format!("! {error}"),
    };
    let cases = [
        ("source=v,target=/d", r#"{"Type":"volume","Source":"v","Target":"/d"}"#),
        ("type=bind,src=/a,dst=/b,ro", r#"{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true}"#),
        (
            "type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1777",
            r#"{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":67108864,"Mode":1023}}"#,
        ),
        ("type=tmpfs,dst=/t,src=x", r#"{"Type":"tmpfs","Source":"x","Target":"/t"}"#),
        ("type=bind,dst=/x,volume-nocopy", "! cannot mix 'volume-*' options with mount type 'bind'"),
        ("src=x", "! target is required"),
        ("foo", "! invalid field 'foo' must be a key=value pair"),
        ("x=y", "! unexpected key 'x' in 'x=y'"),
        ("dst=/x,ro=maybe", "! invalid value for ro: maybe"),
        (
            "type=bind,src=/a,dst=/b,bind-recursive=writable",
            "! option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
        ),
    ];
    for (input, outcome) in cases {
        assert_eq!(json(input), outcome, "for {input:?}");
    }
    let nfs = mount(
        r#"type=volume,src=v,dst=/d,volume-driver=local,volume-opt=type=nfs,"volume-opt=o=addr=1.2.3.4,rw""#,
    );
    let options = [("type", "nfs"), ("o", "addr=1.2.3.4,rw")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let driver = Driver { name: "local".to_owned(), options: options.into() };
    assert_eq!(nfs.expect("parses").volume_options.expect("options").driver_config, Some(driver));
    assert_eq!(mount("src=./x,dst=/d,type=bind").map(|mount: Mount| mount.source.starts_with('/')), Ok(true));
}

#[test]
fn secrets_and_configs() {
    let mode =
        |text: &str| show(secret_ref(text).map(|secret| secret.file.map(|file| (file.name, file.mode))));
    assert_eq!(mode("s"), r#"Some(("s", 292))"#);
    assert_eq!(mode("source=s,target=/etc/x,mode=0400,uid=1000"), r#"Some(("/etc/x", 256))"#);
    assert_eq!(mode("source=s,mode=400"), r#"Some(("s", 400))"#);
    assert_eq!(mode("target=x"), "! source is required");
    assert_eq!(mode("a,b"), "! invalid field 'a' must be a key=value pair");
    assert_eq!(mode("source=s,foo=x"), "! invalid field in secret request: foo");
    assert_eq!(
        mode("source=s,mode=9z"),
        r#"! invalid mode specified: strconv.ParseUint: parsing "9z": invalid syntax"#
    );
    assert_eq!(show(config_ref("source=c,bar=z")), "! invalid field in config request: bar");
}

#[test]
fn networks() {
    let shown = show(network("name=N,alias=a,alias=b,driver-opt=k=v"));
    assert_eq!(
        shown,
        r#"NetworkAttachmentConfig { target: "n", aliases: ["a", "b"], driver_opts: {"k": "v"} }"#
    );
    assert_eq!(show(network("a=b")), "! invalid field key a");
    assert_eq!(show(network("alias=b")), "! network name/id is not specified");
    assert_eq!(show(network("name=a,driver-opt=a")), "! invalid key value pair format in driver options");
}

#[test]
fn points_in_time() {
    let now = "2026-01-02T03:04:05.5Z".parse().expect("an instant");
    let at = |text| show(instant("since", text, now));
    assert_eq!(at("42m"), r#""1767320525""#);
    assert_eq!(at("2026-01-02T03:04:05Z"), r#""1767323045.000000000""#);
    assert_eq!(at("2026-01-02T04:04:05.25+01:00"), r#""1767323045.250000000""#);
    assert_eq!(at("2026-01-02T03Z"), r#""1767322800.000000000""#);
    assert_eq!(at("1767323045.5"), r#""1767323045.5""#);
    assert_eq!(at(""), r#""""#);
    assert!(at("yesterday").starts_with('!'));
}
