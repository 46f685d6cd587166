//! Connections that leave HTTP: the bytes of the head, the frames, the half-close, what is refused before.

use std::time::Duration;

use axum::http::Method;
use skep_api::server::listen::Access;
use skep_api::server::{Address, Listener, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;
use super::fake_node::{ENDED, RUNS};
use super::http::{Api, message};

/// A server behind a socket, and the one it is of for plain requests.
struct Door {
    host: String,
    api: Api,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Door {
    async fn open() -> Self {
        let fake = Fake::new();
        let listener = Listener::bind(&Address::Tcp("127.0.0.1:0".into()), &Access::default())
            .await
            .expect("a listener");
        let Address::Tcp(host) = listener.address() else { panic!("not tcp") };
        let stop = CancellationToken::new();
        let served = tokio::spawn(Server::new(fake.clone()).serve(vec![listener], stop.clone()));
        Door { host, api: Api::new(fake), stop, served }
    }

    async fn exec(&self, body: &str) -> String {
        let (status, text) = self.api.text(Method::POST, &format!("/containers/{RUNS}/exec"), body).await;
        assert_eq!(status, 201, "{text}");
        let created: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        created["Id"].as_str().expect("an id").to_owned()
    }

    /// Sends a request with its body, then input, and ends that direction; returns all that comes back.
    async fn talk(&self, target: &str, upgrade: bool, input: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).await.expect("connected");
        let upgrade = if upgrade { "Connection: Upgrade\r\nUpgrade: tcp\r\n" } else { "" };
        let body = r#"{"Detach":false,"Tty":false}"#;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n{upgrade}Content-Length: \
             {}\r\n\r\n{body}",
            body.len()
        );
        // The first of the input travels with the request.
        stream.write_all(&[head.as_bytes(), input].concat()).await.expect("sent");
        if !upgrade.is_empty() {
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.expect("an answer");
            assert_eq!(&first, b"HTTP/1.1 101");
            stream.shutdown().await.expect("half closed");
            return self.rest(stream, &first).await;
        }
        self.rest(stream, b"").await
    }

    async fn rest(&self, mut stream: TcpStream, first: &[u8]) -> (String, Vec<u8>) {
        let mut all = first.to_vec();
        let read = stream.read_to_end(&mut all);
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("in time").expect("to the end");
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        (String::from_utf8(all[..end].to_vec()).expect("text"), all[end..].to_vec())
    }

    async fn close(self) {
        self.stop.cancel();
        self.served.await.expect("the server ends");
    }
}

#[tokio::test]
async fn an_exec_talks_in_frames_and_its_input_ends_before_its_output() {
    let door = Door::open().await;
    let id = door.exec(r#"{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true,"AttachStderr":true}"#).await;
    let (head, said) = door.talk(&format!("/v1.44/exec/{id}/start"), true, b"hello\n").await;
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    let head = head.to_lowercase();
    for line in [
        "content-type: application/vnd.docker.multiplexed-stream\r\n",
        "connection: upgrade\r\n",
        "upgrade: tcp\r\n",
        "api-version: 1.50\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    assert_eq!(said, b"\x01\0\0\0\0\0\0\x06hello\n\x02\0\0\0\0\0\0\x03oh\n");
    // The code is there as soon as the output has ended.
    let inspected = door.api.get(&format!("/exec/{id}/json")).await;
    assert!(inspected.contains(r#""ExitCode":3"#), "{inspected}");
    let (status, text) = door.api.text(Method::POST, &format!("/exec/{id}/start"), "{}").await;
    assert_eq!((status.as_u16(), message(&text)), (409, format!("exec command {id} has already run")));
    door.close().await;
}

#[tokio::test]
async fn a_terminal_is_not_framed_and_older_clients_know_no_type_for_frames() {
    let door = Door::open().await;
    let terminal = door.exec(r#"{"Cmd":["cat"],"Tty":true,"AttachStdin":true,"AttachStdout":true}"#).await;
    let (head, said) = door.talk(&format!("/v1.44/exec/{terminal}/start"), true, b"hi").await;
    assert!(head.to_lowercase().contains("content-type: application/vnd.docker.raw-stream\r\n"), "{head}");
    assert_eq!(said, b"hioh\n");
    let old = door.exec(r#"{"Cmd":["cat"],"AttachStdout":true}"#).await;
    let (head, said) = door.talk(&format!("/v1.41/exec/{old}/start"), true, b"").await;
    assert!(head.to_lowercase().contains("content-type: application/vnd.docker.raw-stream\r\n"), "{head}");
    assert_eq!(said, b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x03oh\n");
    door.close().await;
}

#[tokio::test]
async fn without_an_upgrade_the_output_ends_with_the_connection() {
    let door = Door::open().await;
    let id = door.exec(r#"{"Cmd":["true"],"AttachStdout":true,"AttachStderr":true}"#).await;
    let (head, said) = door.talk(&format!("/exec/{id}/start"), false, b"").await;
    assert!(head.contains(" 200 OK\r\n"), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains("content-type: application/vnd.docker.raw-stream\r\n"), "{head}");
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    assert_eq!(said, b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x03oh\n");
    door.close().await;
}

#[tokio::test]
async fn what_cannot_be_started_says_so_in_the_stream() {
    let door = Door::open().await;
    let id = door.exec(r#"{"Cmd":["missing"],"AttachStdout":true}"#).await;
    let (head, said) = door.talk(&format!("/exec/{id}/start"), true, b"").await;
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    assert_eq!(&said[..4], b"\x01\0\0\0");
    assert_eq!(&said[8..], b"OCI runtime exec failed: no such file: unknown\r\n");
    assert!(door.api.get(&format!("/exec/{id}/json")).await.contains(r#""ExitCode":127"#));
    door.close().await;
}

#[tokio::test]
async fn what_can_be_refused_is_refused_in_http() {
    let door = Door::open().await;
    let (status, text) =
        door.api.text(Method::POST, &format!("/containers/{ENDED}/exec"), r#"{"Cmd":["true"]}"#).await;
    assert_eq!((status.as_u16(), message(&text)), (409, format!("container {ENDED} is not running")));
    let (status, text) =
        door.api.text(Method::POST, &format!("/containers/{RUNS}/exec"), r#"{"Cmd":[]}"#).await;
    assert_eq!((status.as_u16(), message(&text)), (400, "No exec command specified".into()));
    let mut stream = TcpStream::connect(&door.host).await.expect("connected");
    let request = "POST /exec/nobody/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
                   Content-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let (head, said) = door.rest(stream, b"").await;
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    assert_eq!(message(&String::from_utf8(said).expect("text")), "No such exec instance: nobody");
    door.close().await;
}

#[tokio::test]
async fn the_end_of_the_daemon_ends_sessions() {
    let door = Door::open().await;
    let id = door.exec(r#"{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true}"#).await;
    let mut stream = TcpStream::connect(&door.host).await.expect("connected");
    let request = format!(
        "POST /exec/{id}/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: \
         0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.expect("an answer");
    door.stop.cancel();
    let (_, said) = door.rest(stream, &first).await;
    assert!(said.is_empty(), "{said:?}");
    door.served.await.expect("the server ends");
}
