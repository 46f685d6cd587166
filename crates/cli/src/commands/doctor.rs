//! `doctor`: what is wrong with a node, what follows from it, and what to do.
//!
//! A daemon looks at itself. Where none answers, and would be on this machine, the program that links this library looks
//! at the machine in its place: that is what somebody needs whose daemon does not start.

use std::path::PathBuf;

use clap::Args;
use skep_api::client::{Client, Endpoint};
use skep_api::wire::{Condition, Finding};

use super::{none, show_list};
use crate::DaemonPlace;
use crate::context::Context;
use crate::endpoint;
use crate::fault::Fault;
use crate::format::{Cell, Column, Listing};

/// Look for what is wrong with a node, and say what to do
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]", long_about = LONG_ABOUT)]
pub(crate) struct Flags {
    /// Configuration file of the daemon that does not answer
    #[arg(long, value_name = "path")]
    config_file: Option<PathBuf>,
    /// Data directory of the daemon that does not answer
    #[arg(long, value_name = "path")]
    data_root: Option<PathBuf>,
    /// Format output using a custom template, or 'json': fields Name, Condition, Message, Follows, Remedy
    #[arg(long, value_name = "string", default_value = "")]
    format: String,
    /// Look at this machine without asking a daemon
    #[arg(long)]
    local: bool,
    /// Only show what is not ok
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const LONG_ABOUT: &str = "Look for what is wrong with a node, and say what to do

Asks the daemon to look at its machine and its cluster; where no daemon answers, looks at this machine.
The exit code is 1 if anything is missing that the node needs, else 0.";

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "NAME" },
    Column { field: "Condition", heading: "CONDITION" },
    Column { field: "Message", heading: "MESSAGE" },
    Column { field: "Follows", heading: "FOLLOWS" },
    Column { field: "Remedy", heading: "REMEDY" },
];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { config_file, data_root, format, local, quiet, arguments } = flags;
    none(context, &arguments)?;
    let place = DaemonPlace { config_file, data_root };
    let mut findings = if local { look_here(context, place).await? } else { ask(context, place).await? };
    let missing = count(&findings, Condition::Missing);
    let summary = format!(
        "{} ok, {} to know, {missing} missing",
        count(&findings, Condition::Ok),
        count(&findings, Condition::Warning)
    );
    if quiet {
        findings.retain(|finding| finding.condition != Condition::Ok);
    }
    if format.is_empty() {
        context.io.text(&findings.iter().map(render).collect::<String>())?;
        context.io.line(summary)?;
    } else {
        show_list(context, &listing(&findings), &format, false)?;
    }
    if missing > 0 { Err(Fault::silent()) } else { Ok(()) }
}

fn count(findings: &[Finding], condition: Condition) -> usize {
    findings.iter().filter(|finding| finding.condition == condition).count()
}

async fn look_here(context: &Context, place: DaemonPlace) -> Result<Vec<Finding>, Fault> {
    match context.machine {
        Some(look) => Ok(look(place).await),
        None => Err(Fault::new("this program cannot look at this machine")
            .hint("ask the daemon of a node: \"skep -H ssh://HOST doctor\"")),
    }
}

/// Asks the daemon; if it does not answer, that is the first finding.
async fn ask(context: &mut Context, place: DaemonPlace) -> Result<Vec<Finding>, Fault> {
    let (endpoint, _) = endpoint::resolve(context)?;
    let answer = match context.client().await {
        Ok(client) => checkup(&client).await,
        Err(fault) => Err(fault),
    };
    let is_named = place != DaemonPlace::default();
    let fault = match answer {
        Ok(_) if is_named => {
            return Err(Fault::new("a daemon answers, and looks where its own things are")
                .hint("leave --data-root and --config-file out, or look without it with --local"));
        }
        Ok(findings) => return Ok(findings),
        Err(fault) => fault,
    };
    let remedy = fault.hint.unwrap_or_default();
    let follows = ["nothing is known of its cluster", remedy.as_str()];
    let mut findings = vec![Finding::bad("daemon", Condition::Missing, fault.text, follows)];
    if let (Endpoint::Unix(_), Some(look)) = (endpoint, context.machine) {
        findings.extend(look(place).await);
    }
    Ok(findings)
}

async fn checkup(client: &Client) -> Result<Vec<Finding>, Fault> {
    let version = client.daemon_version().await?.version;
    let spoken = format!("version {version} at {}, API {}", client.endpoint(), client.version());
    let ours = env!("CARGO_PKG_VERSION");
    let daemon = match version == ours {
        true => Finding::ok("daemon", spoken),
        false => Finding::bad(
            "daemon",
            Condition::Warning,
            format!("{spoken}, while this client is {ours}"),
            ["one of them may not know what the other asks", "install the same version on both sides"],
        ),
    };
    let found = client.checkup().await.map_err(|error| match error.is_not_found() {
        true => Fault::new(format!("{spoken_by} cannot look at itself", spoken_by = client.endpoint()))
            .hint("it is no skep daemon, or an older one: choose another with -H, SKEP_HOST or \"skep context use\""),
        false => error.into(),
    })?;
    Ok(std::iter::once(daemon).chain(found.findings).collect())
}

/// One line, and two more where something is to do.
fn render(finding: &Finding) -> String {
    let head = format!("{:<7}  {:<18}  ", finding.condition.word(), finding.name);
    let indent = " ".repeat(head.len());
    let mut text = format!("{head}{}\n", finding.message.trim_end().replace('\n', &format!("\n{indent}")));
    for (label, part) in [("so: ", &finding.follows), ("do: ", &finding.remedy)] {
        if !part.is_empty() {
            text.push_str(&format!("{indent}{label}{part}\n"));
        }
    }
    text
}

fn listing(findings: &[Finding]) -> Listing {
    let row = |finding: &Finding| -> Vec<Cell> {
        let Finding { name, condition, message, follows, remedy } = finding;
        vec![
            name.as_str().into(),
            condition.word().into(),
            message.as_str().into(),
            follows.as_str().into(),
            remedy.as_str().into(),
        ]
    };
    Listing {
        type_name: "*doctor.finding",
        columns: COLUMNS,
        key: "Name",
        table: &["Name", "Condition", "Message", "Follows", "Remedy"],
        raw: &[("Name", "name"), ("Condition", "condition"), ("Message", "message")],
        rows: findings.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Daemon, Ran, json, skep};

    const FINDINGS: &str = r#"{"Findings":[{"Name":"overlay","Condition":"ok","Message":"overlay file systems"},
        {"Name":"memory limits","Condition":"warning","Message":"no controller","Follows":"--limit-memory fails","Remedy":"enable it"}BAD]}"#;
    const BAD: &str = r#",{"Name":"disk space","Condition":"missing","Message":"3 MiB free","Follows":"nothing fits","Remedy":"free some"}"#;

    fn daemon(bad: &'static str) -> Daemon {
        Daemon::start(move |request, _| match request {
            "GET /version" => json(200, concat!(r#"{"Version":""#, env!("CARGO_PKG_VERSION"), r#""}"#)),
            "GET /skep/v1/doctor" => json(200, FINDINGS.replace("BAD", bad)),
            _ => json(404, r#"{"message":"page not found"}"#),
        })
    }

    /// Sockets have new names each time.
    fn plain(ran: Ran, daemon: &Daemon) -> (u8, String) {
        (ran.code, ran.out.replace(&daemon.host(), "HOST") + &ran.err)
    }

    #[tokio::test]
    async fn findings_say_what_follows_and_what_to_do() {
        let daemon = daemon(BAD);
        let (code, text) = plain(daemon.skep(&["doctor"]).await, &daemon);
        assert_eq!(code, 1);
        expect![[r#"
            ok       daemon              version 0.1.0 at HOST, API 1.50
            ok       overlay             overlay file systems
            warning  memory limits       no controller
                                         so: --limit-memory fails
                                         do: enable it
            missing  disk space          3 MiB free
                                         so: nothing fits
                                         do: free some
            2 ok, 1 to know, 1 missing
        "#]]
        .assert_eq(&text);
        let (code, text) = plain(daemon.skep(&["doctor", "-q", "--format", "json"]).await, &daemon);
        assert_eq!(code, 1);
        expect![[r#"
            {"Condition":"warning","Follows":"--limit-memory fails","Message":"no controller","Name":"memory limits","Remedy":"enable it"}
            {"Condition":"missing","Follows":"nothing fits","Message":"3 MiB free","Name":"disk space","Remedy":"free some"}
        "#]]
        .assert_eq(&text);
    }

    #[tokio::test]
    async fn a_daemon_that_answers_is_not_told_where_its_things_are() {
        let daemon = daemon("");
        let ran = daemon.skep(&["doctor", "--data-root", "/d"]).await;
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert!(ran.err.contains("--local"), "{}", ran.err);
    }

    #[tokio::test]
    async fn a_node_that_only_lacks_what_it_can_do_without_is_well() {
        let daemon = daemon("");
        assert_eq!(daemon.skep(&["doctor"]).await.code, 0);
    }

    #[tokio::test]
    async fn a_daemon_that_does_not_answer_is_the_first_finding() {
        let ran = skep(&["doctor"], &[("DOCKER_HOST", "unix:///nonexistent/skep.sock")]).await;
        assert_eq!(ran.code, 1);
        expect![[r#"
            missing  daemon              Cannot connect to the Docker daemon at unix:///nonexistent/skep.sock. Is the docker daemon running?
                                         so: nothing is known of its cluster
                                         do: start it with "skep daemon", or name another one with -H, SKEP_HOST or "skep context use"
            0 ok, 0 to know, 1 missing
        "#]]
        .assert_eq(&ran.out);
        let ran = skep(&["doctor", "--local"], &[]).await;
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert!(ran.err.contains("cannot look at this machine"), "{}", ran.err);
    }
}
