//! Debian's Prometheus finds nodes by `dockerswarm_sd_configs`, as it does with Swarm.

use std::collections::BTreeMap;

use serde_json::Value;
use skep_tests::cluster::PATIENCE;
use skep_tests::{Cluster, Http, Look, wait_for};

const ADDRESS: &str = "127.0.0.1:9090";

/// What Prometheus knows of a target before it relabels it.
type Labels = BTreeMap<String, String>;

/// Starts Prometheus with one job for each role; it looks again every second.
fn start(cluster: &Cluster) -> skep_tests::sandbox::Program {
    let folder = cluster.sandbox.folder().join("prometheus");
    std::fs::create_dir(&folder).unwrap();
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for role in ["nodes", "tasks", "services"] {
        let host = cluster.daemon.socket().display();
        config.push_str(&format!(
            "- job_name: {role}\n  dockerswarm_sd_configs:\n  \
             - {{host: 'unix://{host}', role: {role}, refresh_interval: 1s, port: 9100}}\n"
        ));
    }
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        format!("--web.listen-address={ADDRESS}"),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    cluster.sandbox.spawn("prometheus", "prometheus", &arguments).unwrap()
}

/// Asks Prometheus; its network is the sandbox's.
fn ask(cluster: &Cluster, path: &str) -> anyhow::Result<String> {
    cluster.sandbox.in_network(|| {
        let answer = Http::tcp(ADDRESS)?.send("GET", path, &[], &[])?;
        anyhow::ensure!(answer.status == 200, "{path}: {}", answer.text());
        Ok(answer.text())
    })
}

/// Returns what a job has found.
fn targets(cluster: &Cluster, job: &str) -> anyhow::Result<Vec<Labels>> {
    let answer: Value = serde_json::from_str(&ask(cluster, "/api/v1/targets")?)?;
    let targets = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let labels = targets.into_iter().map(|target| serde_json::from_value(target["discoveredLabels"].clone()));
    let labels: Vec<Labels> = labels.collect::<Result<_, _>>()?;
    Ok(labels.into_iter().filter(|labels| labels["job"] == job).collect())
}

/// Returns the sum of a metric of the discovery.
fn discovery(cluster: &Cluster, metric: &str) -> anyhow::Result<f64> {
    let metrics = ask(cluster, "/metrics")?;
    let own = |line: &&str| line.starts_with(metric) && line.contains("mechanism=\"dockerswarm\"");
    let value = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
    Ok(metrics.lines().filter(own).filter_map(value).sum())
}

/// Waits until a job has found so many targets.
fn found(cluster: &Cluster, job: &str, count: usize) -> Vec<Labels> {
    let look = wait_for(&format!("{count} targets of {job}"), PATIENCE, || {
        let found = targets(cluster, job)?;
        Ok(if found.len() == count { Look::Done(found) } else { Look::NotYet(format!("{found:?}")) })
    });
    look.unwrap()
}

/// Services are found by their addresses in networks of the swarm, which tasks with ports of their node have none of.
#[test]
fn it_finds_nodes_and_tasks_and_asks_for_services_without_an_error() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    cluster.web(&image, 1, &["--label", "a=b", "--publish", "mode=host,target=80,published=8080"]).unwrap();
    let mut prometheus = start(&cluster);
    prometheus
        .wait_ready(PATIENCE, || {
            Ok(match ask(&cluster, "/-/ready") {
                Ok(_) => Look::Done(()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
        .unwrap();
    let node = found(&cluster, "nodes", 1).remove(0);
    let label = |labels: &Labels, name: &str| labels[&format!("__meta_dockerswarm_{name}")].clone();
    assert_eq!(node["__address__"], "127.0.0.1:9100");
    assert_eq!((label(&node, "node_role"), label(&node, "node_status")), ("manager".into(), "ready".into()));
    assert_eq!(label(&node, "node_availability"), "active");
    assert_eq!(label(&node, "node_manager_leader"), "true");
    let task = found(&cluster, "tasks", 1).remove(0);
    assert_eq!(task["__address__"], "127.0.0.1:8080");
    assert_eq!(label(&task, "task_port_publish_mode"), "host");
    assert_eq!((label(&task, "task_state"), label(&task, "service_name")), ("running".into(), "web".into()));
    assert_eq!(label(&task, "service_label_a"), "b");
    let looks = wait_for("a look of every job", PATIENCE, || {
        let looks = discovery(&cluster, "prometheus_sd_refresh_duration_seconds_count")?;
        Ok(if looks >= 3.0 { Look::Done(looks) } else { Look::NotYet(looks.to_string()) })
    });
    looks.unwrap();
    assert_eq!(discovery(&cluster, "prometheus_sd_refresh_failures_total").unwrap(), 0.0);
}
