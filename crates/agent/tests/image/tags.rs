//! Every tag of a repository.

use skep_agent::image::{PullError, Reference};

use crate::Fixture;
use crate::registry::{Registry, Reply};

async fn tags(registry: &Registry) -> Result<Vec<String>, PullError> {
    let repository: Reference = registry.name("app").parse().unwrap();
    let tags = Fixture::new().store.tags(&repository, None).await?;
    Ok(tags.iter().map(|tag| tag.tag().unwrap_or_default().to_owned()).collect())
}

#[tokio::test]
async fn tags_come_in_parts() {
    let registry = Registry::start().await;
    registry.rule(|request, _| match request.path.as_str() {
        "/v2/app/tags/list" => Some(Reply::new(200, r#"{"name":"app","tags":["2","1"]}"#).header(
            "Link",
            r#"</v2/app/tags/list>; rel="first", </v2/app/tags/list?last=1&n=2>; rel="next""#,
        )),
        "/v2/app/tags/list?last=1&n=2" => Some(Reply::new(200, r#"{"name":"app","tags":["3"]}"#)),
        _ => None,
    });
    assert_eq!(tags(&registry).await.unwrap(), ["2", "1", "3"]);
}

#[tokio::test]
async fn a_registry_that_never_ends_is_left() {
    let registry = Registry::start().await;
    registry.rule(|request, _| {
        let part: u32 = request.path.split_once("part=").map_or(0, |(_, part)| part.parse().unwrap());
        let list =
            serde_json::json!({"tags": (0..100).map(|tag| format!("{part}-{tag}")).collect::<Vec<_>>()});
        let next = format!("</v2/app/tags/list?part={}>; rel=\"next\"", part + 1);
        Some(Reply::new(200, list.to_string()).header("Link", next))
    });
    let error = tags(&registry).await.unwrap_err();
    assert!(error.to_string().contains("more than 1000 tags"), "{error}");
    registry.rule(|request, _| {
        let next = if request.path.ends_with("part=1") { 2 } else { 1 };
        let link = format!("</v2/app/tags/list?part={next}>; rel=\"next\"");
        Some(Reply::new(200, r#"{"tags":null}"#).header("Link", link))
    });
    let error = tags(&registry).await.unwrap_err();
    assert!(error.to_string().contains("too many parts"), "{error}");
}

#[tokio::test]
async fn only_the_next_link_is_followed_and_it_must_lead_somewhere() {
    let registry = Registry::start().await;
    let linked = |link: &'static str| {
        registry.rule(move |_, _| Some(Reply::new(200, r#"{"tags":["1"]}"#).header("Link", link)));
    };
    linked(r#"</v2/app/tags/list?before=1>; rel="prev""#);
    assert_eq!(tags(&registry).await.unwrap(), ["1"]);
    linked(r#"</v2/app/tags/list>; rel="next""#);
    let error = tags(&registry).await.unwrap_err();
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

#[tokio::test]
async fn a_repository_may_have_no_tags_or_not_be_there() {
    let registry = Registry::start().await;
    registry.rule(|_, _| Some(Reply::new(200, r#"{"name":"app","tags":null}"#)));
    assert!(tags(&registry).await.unwrap().is_empty());
    registry.rule(|_, _| Some(Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry")));
    let error = tags(&registry).await.unwrap_err().to_string();
    assert!(error.contains("/app not found") && error.contains("not known"), "{error}");
}
