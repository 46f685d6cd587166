//! The server behind real sockets: sizes, connections, the end.

use std::time::Duration;

use skep_api::server::listen::Access;
use skep_api::server::{Address, Listener, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;

async fn start() -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener =
        Listener::bind(&Address::Tcp("127.0.0.1:0".into()), &Access::default()).await.expect("a listener");
    let Address::Tcp(host) = listener.address() else { panic!("not tcp") };
    let stop = CancellationToken::new();
    let served = tokio::spawn(Server::new(Fake::new()).serve(vec![listener], stop.clone()));
    (host, stop, served)
}

/// Sends text and reads until the answer holds `end`.
async fn talk(stream: &mut TcpStream, text: &str, end: &str) -> String {
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&answer).contains(end) {
            let count = stream.read_buf(&mut answer).await.expect("an answer");
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        }
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("an answer in time");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_long_ones() {
    let (host, stop, served) = start().await;
    let mut stream = TcpStream::connect(&host).await.expect("connected");
    let ping = talk(&mut stream, "GET /_ping HTTP/1.1\r\nHost: junk.localhost\r\n\r\n", "\r\n\r\nOK").await;
    assert!(
        ping.starts_with("HTTP/1.1 200 OK\r\n") && ping.contains("\r\nswarm: active/manager\r\n"),
        "{ping}"
    );
    let long = format!("GET /services?x={} HTTP/1.1\r\nHost: docker\r\n\r\n", "y".repeat(60 * 1024));
    let answer = talk(&mut stream, &long, "[]\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(stream);
    stop.cancel();
    served.await.expect("the server ends");
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let (host, stop, served) = start().await;
    let mut stream = TcpStream::connect(&host).await.expect("connected");
    let head = "POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The answer is decided by now; the body comes all the same, and is more than the sockets hold.
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    for _ in 0..3 {
        stream.write_all(chunk.as_bytes()).await.expect("the server still reads");
    }
    let answer = talk(&mut stream, "0\r\n\r\n", "service create").await;
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    // The connection is good for more.
    talk(&mut stream, "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n", "OK").await;
    drop(stream);
    stop.cancel();
    served.await.expect("the server ends");
}

#[tokio::test]
async fn the_end_of_the_daemon_ends_endless_answers_and_idle_connections() {
    let (host, stop, served) = start().await;
    let mut idle = TcpStream::connect(&host).await.expect("connected");
    talk(&mut idle, "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n", "OK").await;
    let mut events = TcpStream::connect(&host).await.expect("connected");
    // The head arrives although nothing has happened yet.
    let head = talk(&mut events, "GET /events HTTP/1.1\r\nHost: docker\r\n\r\n", "\r\n\r\n").await;
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(4), served).await.expect("in time").expect("the server ends");
    let mut rest = Vec::new();
    events.read_to_end(&mut rest).await.expect("the end");
    assert_eq!(rest, b"0\r\n\r\n");
    assert!(TcpStream::connect(&host).await.is_err(), "the listener is gone");
}
