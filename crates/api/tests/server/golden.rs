//! Answers, byte for byte, in `golden/`. `UPDATE_EXPECT=1` writes them anew.

use axum::http::Method;
use expect_test::{ExpectFile, expect_file};

use super::fake::Fake;
use super::http::Api;

const WEB: &str = r#"{"Name":"web","Labels":{"team":"a"},"TaskTemplate":{"ContainerSpec":{"Image":"redis:7"}},
    "Mode":{"replicated":{"Replicas":2}}}"#;

fn check(text: &str, expected: ExpectFile) {
    expected.assert_eq(text);
}

#[tokio::test]
async fn a_service_and_its_tasks() {
    let api = Api::new(Fake::new());
    let id = api.create(WEB).await;
    assert_eq!(id, "000000000000000000000000c");
    check(&api.get("/v1.50/services/web").await, expect_file!["golden/service.json"]);
    check(
        &api.get("/tasks?filters=%7B%22service%22%3A%5B%22web%22%5D%2C%22_up-to-date%22%3A%5B%22x%22%5D%7D")
            .await,
        expect_file!["golden/tasks.json"],
    );
    check(
        &api.get("/services?status=True&filters=%7B%22name%22%3A%7B%22we%22%3Atrue%7D%7D").await,
        expect_file!["golden/services_status.json"],
    );
}

#[tokio::test]
async fn the_update_moves_the_version_and_tells_its_progress() {
    let api = Api::new(Fake::new());
    let id = api.create(WEB).await;
    let body = WEB.replace("redis:7", "redis:8");
    let (status, text) = api.text(Method::POST, &format!("/services/{id}/update?version=12"), &body).await;
    assert_eq!((status.as_u16(), text.as_str()), (200, "{\"Warnings\":null}\n"));
    check(&api.get("/services/web?insertDefaults=true").await, expect_file!["golden/service_defaults.json"]);
    let rollback = format!("/services/{id}/update?version=13&rollback=previous");
    let (status, _) = api.text(Method::POST, &rollback, &body).await;
    assert_eq!(status, 200);
    let shown = api.get("/services/web").await;
    assert!(shown.contains("redis:7") && shown.contains("\"PreviousSpec\":"), "{shown}");
}

#[tokio::test]
async fn the_node_and_the_cluster() {
    let api = Api::new(Fake::new());
    check(&api.get("/nodes").await, expect_file!["golden/nodes.json"]);
    check(&api.get("/swarm").await, expect_file!["golden/swarm.json"]);
    check(&api.get("/v1.41/version").await, expect_file!["golden/version.json"]);
    check(
        &api.get("/distribution/localhost:5000%2Fteam/app:1.2/json").await,
        expect_file!["golden/distribution.json"],
    );
    check(&api.get("/skep/v1/health").await, expect_file!["golden/health.json"]);
    check(&api.get("/skep/v1/doctor").await, expect_file!["golden/doctor.json"]);
}

#[tokio::test]
async fn the_info_of_a_manager_holds_the_cluster() {
    let api = Api::new(Fake::new());
    let info: serde_json::Value = serde_json::from_str(&api.get("/info").await).expect("JSON");
    check(&format!("{}\n", info["Swarm"]), expect_file!["golden/info_swarm.json"]);
    check(&format!("{}\n", info["RegistryConfig"]), expect_file!["golden/info_registries.json"]);
    let api = Api::new(Fake::inactive());
    let info: serde_json::Value = serde_json::from_str(&api.get("/info").await).expect("JSON");
    check(&format!("{}\n", info["Swarm"]), expect_file!["golden/info_swarm_inactive.json"]);
}

#[tokio::test]
async fn what_this_node_has() {
    let api = Api::new(Fake::new());
    assert_eq!(api.get("/containers/json?filters=%7B%22name%22%3A%5B%22db%22%5D%7D").await, "[]\n");
    let all: serde_json::Value =
        serde_json::from_str(&api.get("/containers/json?all=1").await).expect("JSON");
    assert_eq!(all[1]["Names"][0], "/web.1.x");
    assert!(all[1]["Status"].as_str().is_some_and(|status| status.starts_with("Exited (137) ")), "{all}");
    for list in ["/plugins", "/secrets", "/configs"] {
        assert_eq!(api.get(list).await, "[]\n", "{list}");
    }
    assert_eq!(api.get("/volumes").await, "{\"Volumes\":[],\"Warnings\":null}\n");
    let networks: serde_json::Value = serde_json::from_str(&api.get("/networks").await).expect("JSON");
    let names: Vec<&str> =
        networks.as_array().expect("rows").iter().filter_map(|row| row["Name"].as_str()).collect();
    assert_eq!(names, ["bridge", "host", "none"]);
}
