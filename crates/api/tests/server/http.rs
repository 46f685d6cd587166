//! One request through the router, as text.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use skep_api::server::Server;
use tower::ServiceExt as _;

use super::fake::Fake;

/// A server in front of a fake; both live as long as this.
pub struct Api {
    pub fake: Arc<Fake>,
    pub router: Router,
    _server: Server,
}

impl Api {
    pub fn new(fake: Arc<Fake>) -> Self {
        let server = Server::new(fake.clone());
        Api { fake, router: server.router(), _server: server }
    }

    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }

    /// Returns status and body.
    pub async fn text(&self, method: Method, target: &str, body: &str) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(target);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = self.send(request).await;
        let status = response.status();
        let whole = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(whole.to_vec()).expect("text"))
    }

    pub async fn get(&self, target: &str) -> String {
        let (status, text) = self.text(Method::GET, target, "").await;
        assert_eq!(status, StatusCode::OK, "{target}: {text}");
        text
    }

    /// Creates a service and returns its id.
    pub async fn create(&self, body: &str) -> String {
        let (status, text) = self.text(Method::POST, "/services/create", body).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let created: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        created["ID"].as_str().expect("an id").to_owned()
    }
}

/// Returns the message of an error, which must be exactly Docker's shape.
pub fn message(text: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(text).expect("an error body");
    assert!(text.ends_with("}\n"), "{text:?}");
    body["message"].as_str().expect("a message").to_owned()
}
