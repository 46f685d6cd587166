//! The client against a hand-written daemon on a unix socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// Answers each request of one connection with the next text, and returns the request lines.
async fn serve(mut stream: UnixStream, answers: Vec<&'static str>) -> Vec<String> {
    let mut lines = Vec::new();
    for answer in answers {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request"));
        }
        let head = String::from_utf8(head).expect("text");
        lines.push(head.lines().next().expect("a request line").to_owned());
        stream.write_all(answer.as_bytes()).await.expect("answers");
    }
    lines
}

fn socket(name: &str) -> (UnixListener, Endpoint) {
    let path = format!("/tmp/skep-client-{}-{name}.sock", std::process::id());
    let listener = UnixListener::bind(&path).expect("binds");
    (listener, Endpoint::Unix(path))
}

fn remove(endpoint: &Endpoint) {
    if let Endpoint::Unix(path) = endpoint {
        std::fs::remove_file(path).expect("removes its socket");
    }
}

const PING: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn one_connection_carries_negotiation_calls_and_refusals() {
    let (listener, endpoint) = socket("keepalive");
    let daemon = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let answers = vec![
            PING,
            "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n[{\"ID\":\"s\",\"Spec\":{\"Labels\":null}}]",
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n{\"message\":\"service x not found\"}",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ];
        serve(stream, answers).await
    });
    let client = Client::connect(endpoint.clone(), None, None).await.expect("connects");
    assert_eq!(client.version().to_string(), "1.41");
    let services = client.services(&Filters::one("name", "web"), true).await.expect("lists");
    assert_eq!(services[0].id, "s");
    remove(&endpoint);
    let error = client.remove_service("x").await.expect_err("refused");
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "Error response from daemon: service x not found");
    client.remove_service("y z").await.expect("removed");
    let lines = daemon.await.expect("the daemon saw everything on one connection");
    assert_eq!(
        lines,
        [
            "HEAD /_ping HTTP/1.1",
            "GET /v1.41/services?filters=%7B%22name%22%3A%7B%22web%22%3Atrue%7D%7D&status=true HTTP/1.1",
            "DELETE /v1.41/services/x HTTP/1.1",
            "DELETE /v1.41/services/y%20z HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn nobody_listens() {
    let endpoint = Endpoint::Unix("/tmp/skep-client-nobody.sock".to_owned());
    let error = Client::connect(endpoint, None, None).await.expect_err("nobody");
    assert_eq!(
        error.to_string(),
        "Cannot connect to the Docker daemon at unix:///tmp/skep-client-nobody.sock. Is the docker daemon running?"
    );
}
