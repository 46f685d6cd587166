//! Logging in: what is sent to whom.

use serde_json::json;
use skep_agent::image::{Auth, PullError};

use crate::layer::{Built, Layer, image};
use crate::registry::{Registry, Reply, Request};
use crate::{Fixture, chain};

fn sample() -> Built {
    image(&[Layer::new().file("a", "a").finish()])
}

fn auth(username: &str, password: &str) -> Auth {
    Auth { username: username.into(), password: password.into(), ..Auth::default() }
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).map_or("", String::as_str)
}

/// `ann:secret`.
const ANN: &str = "Basic YW5uOnNlY3JldA==";

#[tokio::test]
async fn basic_credentials_are_sent_when_asked_for() {
    let registry = Registry::with(&sample()).await;
    registry.rule(|request, _| {
        let refused = Reply::error(401, "UNAUTHORIZED", "authentication required");
        (header(request, "authorization") != ANN)
            .then(|| refused.header("WWW-Authenticate", "Basic realm=\"r\""))
    });
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    let error = fixture.pull(&name).await.unwrap_err();
    assert!(error.to_string().starts_with("unauthorized: no basic auth credentials"), "{error}");
    let error = fixture.pull_as(&name, Some(&auth("ann", "wrong"))).await.unwrap_err();
    assert!(error.to_string().starts_with("unauthorized: authentication required"), "{error}");
    assert!(error.to_string().contains(&registry.address), "{error}");
    fixture.pull_as(&name, Some(&auth("ann", "secret"))).await.unwrap();
    // Who has the right credentials does not lend them to who has none.
    let error = fixture.pull(&name).await.unwrap_err();
    assert!(matches!(error, PullError::Unauthorized { .. }) && !error.is_retryable(), "{error:?}");
}

/// A registry with a token service that gives `token-for-<account>`, and only ann may pull.
async fn with_tokens() -> Registry {
    let registry = Registry::with(&sample()).await;
    let realm = format!("http://{}/token", registry.address);
    registry.rule(move |request, _| {
        let authorization = header(request, "authorization");
        if request.path.starts_with("/token") {
            let refresh = header(request, "body").contains("refresh_token=refresh");
            let token = match authorization {
                ANN => "token-for-ann",
                "" if refresh => "token-for-ann",
                "" => "token-for-nobody",
                _ => return Some(Reply::new(401, r#"{"details":"incorrect username or password"}"#)),
            };
            return Some(Reply::new(200, json!({"token": token, "expires_in": 300}).to_string()));
        }
        let challenge =
            format!("Bearer realm=\"{realm}\",service=\"skep test\",scope=\"repository:app:pull\"");
        let refused = Reply::error(401, "UNAUTHORIZED", "authentication required");
        match authorization {
            "Bearer token-for-ann" | "Bearer ready-made" => None,
            "" => Some(refused.header("WWW-Authenticate", challenge)),
            _ => {
                let challenge = format!("{challenge},error=\"insufficient_scope\"");
                Some(refused.header("WWW-Authenticate", challenge))
            }
        }
    });
    registry
}

#[tokio::test]
async fn tokens_are_fetched_once_and_used_for_everything() {
    let registry = with_tokens().await;
    let fixture = Fixture::new();
    fixture.pull_as(&registry.name("app:1"), Some(&auth("ann", "secret"))).await.unwrap();
    let asked = registry.requests("/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(header(&asked[0], "authorization"), ANN);
    assert!(asked[0].path.contains("scope=repository%3Aapp%3Apull"), "{}", asked[0].path);
    assert!(asked[0].path.contains("service=skep+test"), "{}", asked[0].path);
    assert_eq!(header(&registry.requests("/blobs/")[0], "authorization"), "Bearer token-for-ann");
}

#[tokio::test]
async fn tokens_belong_to_who_brought_the_credentials() {
    let registry = with_tokens().await;
    let fixture = Fixture::new();
    let name = registry.name("app:1");
    fixture.pull_as(&name, Some(&auth("ann", "secret"))).await.unwrap();
    let error = fixture.pull(&name).await.unwrap_err();
    assert_eq!(
        chain(&error),
        format!(
            "pull access denied for {}, repository does not exist or may require 'docker login': \
             denied: requested access to the resource is denied",
            registry.name("app")
        )
    );
    let error = fixture.pull_as(&name, Some(&auth("ann", "wrong"))).await.unwrap_err();
    assert!(error.to_string().starts_with("unauthorized: incorrect username or password"), "{error}");
}

#[tokio::test]
async fn identity_tokens_are_exchanged_and_registry_tokens_sent_as_they_are() {
    let registry = with_tokens().await;
    let identity = Auth { identity_token: "refresh".into(), username: "<token>".into(), ..Auth::default() };
    Fixture::new().pull_as(&registry.name("app:1"), Some(&identity)).await.unwrap();
    let asked = registry.requests("/token");
    assert_eq!(header(&asked[0], "authorization"), "");
    assert!(header(&asked[0], "body").starts_with("grant_type=refresh_token&refresh_token=refresh&"));
    let ready = Auth { registry_token: "ready-made".into(), ..Auth::default() };
    Fixture::new().pull_as(&registry.name("app:1"), Some(&ready)).await.unwrap();
    assert_eq!(registry.requests("/token").len(), 1);
}

#[tokio::test]
async fn a_token_that_expired_is_renewed() {
    let registry = with_tokens().await;
    let fixture = Fixture::new();
    let ann = auth("ann", "secret");
    fixture.pull_as(&registry.name("app:1"), Some(&ann)).await.unwrap();
    // The registry forgets: from now on only tokens of another generation count.
    let realm = format!("http://{}/token", registry.address);
    registry.rule(move |request, _| match header(request, "authorization") {
        _ if request.path.starts_with("/token") => Some(Reply::new(200, r#"{"access_token":"second"}"#)),
        "Bearer second" => None,
        _ => Some(Reply::new(401, "").header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))),
    });
    fixture.pull_as(&registry.name("app:1"), Some(&ann)).await.unwrap();
}

#[tokio::test]
async fn hostile_challenges_are_errors_and_nothing_worse() {
    let registry = Registry::with(&sample()).await;
    let fixture = Fixture::new();
    let ann = auth("ann", "secret");
    let here = format!("http://{}/token", registry.address);
    for (realm, token, said) in [
        (here.clone(), "{\"token\":\"two\\nlines\"}", "the token cannot be sent in a header"),
        (here.clone(), "{}", "the token cannot be sent in a header"),
        (here.clone(), "not json", "the token service's answer is not a token"),
        ("file:///etc/passwd".to_owned(), "", "its token service is not reached over TLS"),
        ("nonsense".to_owned(), "", "the realm of its token service is not a URL"),
    ] {
        registry.rule(move |request, _| {
            if request.path.starts_with("/token") {
                return Some(Reply::new(200, token));
            }
            Some(Reply::new(401, "").header("WWW-Authenticate", format!("Bearer realm=\"{realm}\"")))
        });
        let error = fixture.pull_as(&registry.name("app:1"), Some(&ann)).await.unwrap_err();
        assert!(error.to_string().ends_with(said), "{error}");
    }
}

#[tokio::test]
async fn credentials_are_not_given_to_where_a_registry_redirects() {
    let thief = Registry::start().await;
    let realm = format!("http://{}/token", thief.address);
    thief.rule(move |request, _| match request.path.starts_with("/token") {
        true => Some(Reply::new(200, r#"{"token":"x"}"#)),
        false => Some(Reply::new(401, "").header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))),
    });
    let registry = with_tokens().await;
    let fixture = Fixture::new();
    let ann = auth("ann", "secret");
    fixture.pull_as(&registry.name("app:1"), Some(&ann)).await.unwrap();
    let elsewhere = thief.address.clone();
    registry.rule(move |request, _| {
        let location = format!("http://{elsewhere}{}", request.path);
        request.path.contains("/manifests/").then(|| Reply::new(307, "").header("Location", location))
    });
    fixture.pull_as(&registry.name("app:1"), Some(&ann)).await.unwrap_err();
    assert_eq!(thief.requests("/token").len(), 0);
    assert_eq!(thief.requests("").len(), 1);
    assert_eq!(header(&thief.requests("")[0], "authorization"), "");
}
