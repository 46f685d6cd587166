//! What the daemon is told: flags with dockerd's names, and a JSON file with dockerd's keys.
//!
//! An option that stands in both is an error, as in dockerd, because nobody could say which one counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Deserialize;
use skep_api::server::listen::{Address, ListenError, tls};
use skep_cli::DaemonPlace;
use skep_net::Subnet;

const CONFIG_FILE_DEFAULT: &str = "/etc/skep/daemon.json";
const DATA_ROOT_DEFAULT: &str = "/var/lib/skep";
const EXEC_ROOT_DEFAULT: &str = "/run/skep";
const SOCKET_DEFAULT: &str = "unix:///run/skep/skep.sock";
pub const BRIDGE_DEFAULT: &str = "skep0";
const BIP_DEFAULT: &str = "172.30.0.1/16";
const CGROUP_PARENT_DEFAULT: &str = "/skep";

/// Run a node: containers, images, and the managers' work where it leads.
#[derive(Debug, Parser)]
#[command(name = "skep daemon", bin_name = "skep daemon", version)]
pub struct Flags {
    /// Directory of images, containers and the cluster's state [default: /var/lib/skep]
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Directory of sockets and mounts [default: /run/skep]
    #[arg(long, value_name = "DIR")]
    exec_root: Option<PathBuf>,
    /// Where to listen, repeatable: unix://PATH or tcp://ADDRESS:PORT [default: unix:///run/skep/skep.sock]
    #[arg(short = 'H', long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Group that may use the unix sockets, by name or number [default: root's]
    #[arg(short = 'G', long, value_name = "GROUP")]
    group: Option<String>,
    /// Let in over TCP who shows a certificate signed by --tlscacert, and nobody else
    #[arg(long)]
    tlsverify: bool,
    /// Authority that signs the clients' certificates
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,
    /// This daemon's certificate
    #[arg(long, value_name = "FILE")]
    tlscert: Option<PathBuf>,
    /// Key of this daemon's certificate
    #[arg(long, value_name = "FILE")]
    tlskey: Option<PathBuf>,
    /// Take tcp:// hosts without TLS: whoever reaches them, any user of this machine included, is root
    #[arg(long)]
    insecure_tcp_without_tls: bool,
    /// File to write the process id to
    #[arg(short = 'p', long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Registry (host[:port] or CIDR) that may be reached without TLS, repeatable
    #[arg(long = "insecure-registry", value_name = "REGISTRY")]
    insecure_registries: Vec<String>,
    /// Label of this node's engine, repeatable: KEY=VALUE
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Units of a resource that this node offers to services, repeatable: KIND=COUNT
    #[arg(long = "node-generic-resource", value_name = "RESOURCE")]
    node_generic_resources: Vec<String>,
    /// debug, info, warn, error or fatal [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// The same as --log-level debug
    #[arg(short = 'D', long)]
    debug: bool,
    /// JSON file with dockerd's keys [default: /etc/skep/daemon.json, if it exists]
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Name of the bridge of this node's containers [default: skep0]
    #[arg(short = 'b', long, value_name = "NAME")]
    bridge: Option<String>,
    /// Address and prefix of the bridge [default: 172.30.0.1/16]
    #[arg(long, value_name = "CIDR")]
    bip: Option<String>,
    /// Parent of the containers' control groups, absolute [default: /skep]
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// OCI runtime to call in place of the built-in one
    #[arg(long, value_name = "PATH")]
    oci_runtime: Option<PathBuf>,
}

/// The configuration file. Keys are dockerd's; an unknown one is refused by name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data_root: Option<PathBuf>,
    exec_root: Option<PathBuf>,
    hosts: Vec<String>,
    group: Option<String>,
    tlsverify: bool,
    tlscacert: Option<PathBuf>,
    tlscert: Option<PathBuf>,
    tlskey: Option<PathBuf>,
    insecure_tcp_without_tls: bool,
    pidfile: Option<PathBuf>,
    insecure_registries: Vec<String>,
    labels: Vec<String>,
    node_generic_resources: Vec<String>,
    log_level: Option<LogLevel>,
    debug: bool,
    bridge: Option<String>,
    bip: Option<String>,
    cgroup_parent: Option<String>,
    oci_runtime: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

/// What the daemon runs with.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub data_root: PathBuf,
    pub exec_root: PathBuf,
    pub hosts: Vec<Address>,
    /// Name or number.
    pub group: Option<String>,
    /// What TCP is protected by; `None` only where the operator said so.
    pub tls: Option<tls::Files>,
    pub pidfile: Option<PathBuf>,
    pub insecure_registries: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// Units by kind.
    pub generic_resources: BTreeMap<String, i64>,
    pub log_level: LogLevel,
    pub bridge: String,
    pub subnet: Subnet,
    pub cgroup_parent: String,
    pub oci_runtime: Option<PathBuf>,
}

/// Why the daemon cannot run as told.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the configuration file {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {path} is not valid")]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error(
        "the following directives are given both as flags and in the configuration file {path}: {names}; \
         remove one of each"
    )]
    Twice { path: PathBuf, names: String },
    #[error(transparent)]
    Host(#[from] ListenError),
    #[error(
        "refusing to listen on {0}: the API gives root on this machine to whoever reaches it; protect it with \
         --tlsverify, --tlscacert, --tlscert and --tlskey, or reach the unix socket over ssh, or say \
         --insecure-tcp-without-tls"
    )]
    Exposed(Address),
    #[error("--tlsverify needs --{0} as well")]
    TlsFile(&'static str),
    #[error("--{0} is given without --tlsverify; without it clients would not be asked who they are")]
    TlsUnused(&'static str),
    #[error("invalid label {0:?}: expected KEY=VALUE")]
    Label(String),
    #[error("conflicting labels for {0}: give each key once")]
    LabelTwice(String),
    #[error(
        "invalid generic resource {0:?}: expected KIND=COUNT, as in gpu=2; units with names of their own are not \
         supported"
    )]
    GenericResource(String),
    #[error("the generic resource {0} is given twice")]
    GenericResourceTwice(String),
    #[error("invalid bridge address")]
    Bip(#[from] skep_net::SubnetError),
    #[error("the OCI runtime {0} does not exist; install it or leave --oci-runtime out")]
    NoRuntime(PathBuf),
    #[error("{name} must be an absolute path, not {path:?}")]
    Relative { name: &'static str, path: PathBuf },
}

impl Settings {
    /// Returns the settings of a daemon that was told no more than its place.
    pub fn of_place(place: DaemonPlace) -> Result<Settings, SettingsError> {
        let DaemonPlace { config_file, data_root } = place;
        let flags = Flags::try_parse_from(["daemon"]).expect("no flag is required");
        Settings::load(Flags { config_file, data_root, ..flags })
    }

    /// Merges flags and file over the defaults.
    pub fn load(flags: Flags) -> Result<Settings, SettingsError> {
        let path = flags.config_file.clone().unwrap_or_else(|| CONFIG_FILE_DEFAULT.into());
        let file = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| SettingsError::Parse { path: path.clone(), source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && flags.config_file.is_none() => {
                File::default()
            }
            Err(source) => return Err(SettingsError::Read { path, source }),
        };
        merge(flags, file, &path)
    }
}

fn merge(flags: Flags, file: File, path: &Path) -> Result<Settings, SettingsError> {
    // Both are taken apart whole, so that an option nobody handles does not compile.
    let Flags {
        data_root,
        exec_root,
        hosts,
        group,
        tlsverify,
        tlscacert,
        tlscert,
        tlskey,
        insecure_tcp_without_tls,
        pidfile,
        insecure_registries,
        labels,
        node_generic_resources,
        log_level,
        debug,
        config_file: _,
        bridge,
        bip,
        cgroup_parent,
        oci_runtime,
    } = flags;
    let mut twice = Vec::new();
    let tls = tls_files(
        tlsverify || file.tlsverify,
        one(&mut twice, "tlscacert", tlscacert, file.tlscacert),
        one(&mut twice, "tlscert", tlscert, file.tlscert),
        one(&mut twice, "tlskey", tlskey, file.tlskey),
    )?;
    let is_exposed = tls.is_none() && !insecure_tcp_without_tls && !file.insecure_tcp_without_tls;
    let settings = Settings {
        data_root: absolute(
            "data-root",
            one(&mut twice, "data-root", data_root, file.data_root)
                .unwrap_or_else(|| DATA_ROOT_DEFAULT.into()),
        )?,
        exec_root: absolute(
            "exec-root",
            one(&mut twice, "exec-root", exec_root, file.exec_root)
                .unwrap_or_else(|| EXEC_ROOT_DEFAULT.into()),
        )?,
        hosts: parse_hosts(many(&mut twice, "hosts", hosts, file.hosts), is_exposed)?,
        group: one(&mut twice, "group", group, file.group),
        tls,
        pidfile: one(&mut twice, "pidfile", pidfile, file.pidfile),
        insecure_registries: many(
            &mut twice,
            "insecure-registries",
            insecure_registries,
            file.insecure_registries,
        ),
        labels: parse_labels(many(&mut twice, "labels", labels, file.labels))?,
        generic_resources: parse_generic(many(
            &mut twice,
            "node-generic-resources",
            node_generic_resources,
            file.node_generic_resources,
        ))?,
        log_level: match debug || file.debug {
            true => LogLevel::Debug,
            false => one(&mut twice, "log-level", log_level, file.log_level).unwrap_or_default(),
        },
        bridge: one(&mut twice, "bridge", bridge, file.bridge).unwrap_or_else(|| BRIDGE_DEFAULT.into()),
        subnet: one(&mut twice, "bip", bip, file.bip).as_deref().unwrap_or(BIP_DEFAULT).parse()?,
        cgroup_parent: one(&mut twice, "cgroup-parent", cgroup_parent, file.cgroup_parent)
            .unwrap_or_else(|| CGROUP_PARENT_DEFAULT.into()),
        oci_runtime: one(&mut twice, "oci-runtime", oci_runtime, file.oci_runtime),
    };
    if !twice.is_empty() {
        return Err(SettingsError::Twice { path: path.to_owned(), names: twice.join(", ") });
    }
    if !settings.cgroup_parent.starts_with('/') {
        let path = settings.cgroup_parent.into();
        return Err(SettingsError::Relative { name: "cgroup-parent", path });
    }
    if let Some(path) = settings.oci_runtime.as_ref().filter(|path| !path.is_file()) {
        return Err(SettingsError::NoRuntime(path.clone()));
    }
    Ok(settings)
}

fn one<T>(twice: &mut Vec<&'static str>, name: &'static str, flag: Option<T>, file: Option<T>) -> Option<T> {
    if flag.is_some() && file.is_some() {
        twice.push(name);
    }
    flag.or(file)
}

fn many<T>(twice: &mut Vec<&'static str>, name: &'static str, flags: Vec<T>, file: Vec<T>) -> Vec<T> {
    if !flags.is_empty() && !file.is_empty() {
        twice.push(name);
    }
    flags.into_iter().chain(file).collect()
}

fn absolute(name: &'static str, path: PathBuf) -> Result<PathBuf, SettingsError> {
    if path.is_absolute() { Ok(path) } else { Err(SettingsError::Relative { name, path }) }
}

/// Refuses TCP where nobody would ask clients who they are. That it is a loopback address is no protection: every user of
/// the machine reaches it.
fn parse_hosts(hosts: Vec<String>, is_exposed: bool) -> Result<Vec<Address>, SettingsError> {
    if hosts.is_empty() {
        return Ok(vec![SOCKET_DEFAULT.parse()?]);
    }
    let parse = |host: &String| match host.parse()? {
        address @ Address::Tcp(_) if is_exposed => Err(SettingsError::Exposed(address)),
        address => Ok(address),
    };
    hosts.iter().map(parse).collect()
}

/// TLS is mutual or not at all.
fn tls_files(
    verify: bool,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<tls::Files>, SettingsError> {
    let files = [("tlscacert", &authority), ("tlscert", &certificate), ("tlskey", &key)];
    if !verify {
        let unused = files.iter().find(|(_, file)| file.is_some());
        return unused.map_or(Ok(None), |(name, _)| Err(SettingsError::TlsUnused(name)));
    }
    if let Some((name, _)) = files.iter().find(|(_, file)| file.is_none()) {
        return Err(SettingsError::TlsFile(name));
    }
    let all = authority.zip(certificate).zip(key);
    Ok(all.map(|((authority, certificate), key)| tls::Files { authority, certificate, key }))
}

fn parse_labels(labels: Vec<String>) -> Result<BTreeMap<String, String>, SettingsError> {
    let mut parsed = BTreeMap::new();
    for label in labels {
        let Some((key, value)) = label.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(SettingsError::Label(label));
        };
        if parsed.insert(key.to_owned(), value.to_owned()).is_some_and(|earlier| earlier != value) {
            return Err(SettingsError::LabelTwice(key.to_owned()));
        }
    }
    Ok(parsed)
}

fn parse_generic(resources: Vec<String>) -> Result<BTreeMap<String, i64>, SettingsError> {
    let mut parsed = BTreeMap::new();
    for resource in resources {
        let term = resource.split_once('=').map(|(kind, count)| (kind.trim(), count.trim().parse::<i64>()));
        let Some((kind, Ok(count))) =
            term.filter(|(kind, count)| !kind.is_empty() && count.as_ref().is_ok_and(|count| *count >= 0))
        else {
            return Err(SettingsError::GenericResource(resource));
        };
        if parsed.insert(kind.to_owned(), count).is_some() {
            return Err(SettingsError::GenericResourceTwice(kind.to_owned()));
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str], file: &str) -> Result<Settings, String> {
        let flags =
            Flags::try_parse_from(std::iter::once(&"daemon").chain(args)).map_err(|e| e.to_string())?;
        let file: File = serde_json::from_str(file).map_err(|error| error.to_string())?;
        merge(flags, file, Path::new("daemon.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_place_stands_for_the_flags_that_name_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("daemon.json");
        std::fs::write(&file, r#"{"bridge": "other0"}"#).unwrap();
        let place = DaemonPlace { config_file: Some(file), data_root: Some("/d".into()) };
        let settings = Settings::of_place(place).unwrap();
        assert_eq!((settings.data_root.as_path(), settings.bridge.as_str()), (Path::new("/d"), "other0"));
        let place = DaemonPlace { config_file: Some(dir.path().join("none")), data_root: None };
        assert!(matches!(Settings::of_place(place), Err(SettingsError::Read { .. })));
    }

    #[test]
    fn flags_and_file_and_defaults_add_up() {
        let settings = settings(
            &["--data-root=/d", "-H", "unix:///s", "-H", "tcp://127.0.0.1:2375", "--label", "a=b", "-G", "bees"],
            r#"{"exec-root": "/e", "insecure-tcp-without-tls": true, "insecure-registries": ["10.0.0.0/8"], "node-generic-resources": ["gpu=2"], "log-level": "warn"}"#,
        )
        .unwrap();
        assert_eq!(settings.data_root, Path::new("/d"));
        assert_eq!(settings.exec_root, Path::new("/e"));
        assert_eq!(settings.hosts, [Address::Unix("/s".into()), Address::Tcp("127.0.0.1:2375".into())]);
        assert_eq!((settings.log_level, settings.bridge.as_str()), (LogLevel::Warn, "skep0"));
        assert_eq!(settings.labels["a"], "b");
        assert_eq!(settings.generic_resources["gpu"], 2);
        assert_eq!((settings.group.as_deref(), settings.tls), (Some("bees"), None));
    }

    #[test]
    fn tcp_is_taken_with_mutual_tls() {
        let files = ["--tlsverify", "--tlscacert=/a", "--tlscert=/c", "-H", "tcp://0.0.0.0:2376"];
        let settings = settings(&files, r#"{"tlskey": "/k"}"#).unwrap();
        let files = settings.tls.expect("TLS");
        assert_eq!(
            (files.authority.as_path(), files.certificate.as_path(), files.key.as_path()),
            (Path::new("/a"), Path::new("/c"), Path::new("/k"))
        );
    }

    #[test]
    fn mistakes_are_named() {
        let error = |args: &[&str], file| settings(args, file).expect_err("a mistake");
        assert!(error(&[], r#"{"data-rot": "/x"}"#).contains("unknown field `data-rot`"));
        assert!(error(&["--exec-root=/a"], r#"{"exec-root": "/b"}"#).contains("both as flags"));
        assert!(error(&["-H", "http://x"], "{}").contains("invalid host \"http://x\""));
        assert!(error(&["-H", "tcp://127.0.0.1:2375"], "{}").contains("refusing to listen"));
        assert!(
            error(&["--tlsverify", "--tlscert=c"], "{}").contains("--tlsverify needs --tlscacert as well")
        );
        assert!(error(&["--tlskey=k"], "{}").contains("--tlskey is given without --tlsverify"));
        assert!(error(&["--data-root=rel"], "{}").contains("must be an absolute path"));
        assert!(error(&["--cgroup-parent=rel"], "{}").contains("must be an absolute path"));
        assert!(error(&["--oci-runtime=/no/such"], "{}").contains("does not exist"));
        assert!(error(&["--label=x"], "{}").contains("invalid label \"x\""));
        assert!(error(&["--label=x=1", "--label=x=2"], "{}").contains("conflicting labels for x"));
        let resource = |text: &str| error(&["--node-generic-resource", text], "{}");
        assert!(resource("gpu=a").contains("invalid generic resource \"gpu=a\": expected KIND=COUNT"));
        assert!(resource("=1").contains("invalid generic resource"));
        let twice = r#"{"node-generic-resources": ["gpu=1", "gpu=2"]}"#;
        assert!(error(&[], twice).contains("gpu is given twice"));
        assert!(error(&["--bip=1.2.3.4"], "{}").contains("invalid bridge address"));
    }

    /// Whatever stands in the file, the daemon can run with it or says what is wrong.
    #[test]
    fn any_file_is_taken_or_refused() {
        use skep_fuzz::drive::{Outcome, Run, corpus, drive, read_corpus};
        let run = Run { seed: 0, inputs: 20_000, time: std::time::Duration::from_secs(5) };
        let outcome = drive(read_corpus(&corpus("daemon")).unwrap(), run, |bytes| {
            if let Ok(file) = serde_json::from_slice::<File>(bytes) {
                let flags = Flags::try_parse_from(["daemon"]).expect("no flag is needed");
                drop(merge(flags, file, Path::new("daemon.json")).map_err(|error| error.to_string()));
            }
        });
        assert!(matches!(outcome, Outcome::Passed(_)), "{outcome:?}");
    }
}
