//! What WebSocket costs, relayed for Codex and bridged for other clients.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{ClientRequestBuilder, Message},
};

use crate::{Failure, report::Table, servers::Servers};

const IDLE: usize = 500;
const STREAMS: usize = 4;
const TOKENS: usize = 40_000;

type Socket = WebSocketStream<TcpStream>;

/// Memory of a connection that waits for its next turn, and the cost of an event at full speed.
pub(crate) async fn measure(servers: &Servers) -> Result<(), Failure> {
    let columns = ["KiB/idle connection", "events/s", "CPU µs/event"];
    let mut table = Table::new("WebSocket", &columns);
    for (compression, upstream) in [
        (None, "plain upstream"),
        (Some("permessage-deflate"), "compressed upstream"),
    ] {
        for (originator, way) in [("codex_exec", "relayed"), ("a_library", "bridged")] {
            let servers = servers.compressing(compression).await?;
            let idle = idle_kib(&servers, originator).await?;
            let (events_per_second, cpu) = full_speed(&servers, originator).await?;
            let name = format!("{way}, {upstream}");
            table.row(&name, &[idle, events_per_second, cpu]);
        }
    }
    table.print();
    Ok(())
}

async fn idle_kib(servers: &Servers, originator: &str) -> Result<f64, Failure> {
    // What the first ones cost once is no cost of a connection.
    drop(open(servers, originator, 20).await?);
    let before = servers.router_rss_kib();
    let sockets = open(servers, originator, IDLE).await?;
    let grown = servers.router_rss_kib().saturating_sub(before);
    drop(sockets);
    Ok(grown as f64 / IDLE as f64)
}

/// Connections that have had a turn.
async fn open(servers: &Servers, originator: &str, count: usize) -> Result<Vec<Socket>, Failure> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = connect(servers, originator).await?;
        turn(&mut socket, 20).await?;
        sockets.push(socket);
    }
    Ok(sockets)
}

async fn full_speed(servers: &Servers, originator: &str) -> Result<(f64, f64), Failure> {
    let mut streams = JoinSet::new();
    let (begun, cpu) = (std::time::Instant::now(), servers.router_cpu_seconds());
    for mut socket in open(servers, originator, STREAMS).await? {
        streams.spawn(async move { turn(&mut socket, TOKENS).await });
    }
    let mut events = 0;
    while let Some(done) = streams.join_next().await {
        events += done??;
    }
    let cpu = servers.router_cpu_seconds() - cpu;
    let per_second = events as f64 / begun.elapsed().as_secs_f64();
    Ok((per_second, cpu * 1e6 / events as f64))
}

async fn connect(servers: &Servers, originator: &str) -> Result<Socket, Failure> {
    let url = servers.router_url.replace("http:", "ws:") + "/v1/responses";
    let address = servers.router_url.trim_start_matches("http://").to_owned();
    let request = ClientRequestBuilder::new(url.parse()?)
        .with_header("originator", originator)
        .with_header("openai-beta", "responses_websockets=2026-02-06");
    let tcp = TcpStream::connect(address).await?;
    let (socket, _) = tokio_tungstenite::client_async(request, tcp).await?;
    Ok(socket)
}

/// One turn; how many events it had.
async fn turn(socket: &mut Socket, tokens: usize) -> Result<usize, Failure> {
    let content = json!([{"type": "input_text", "text": format!("count to {tokens}")}]);
    let message = json!({
        "type": "response.create", "model": "gpt-5.5", "instructions": "", "store": false,
        "stream": true, "input": [{"type": "message", "role": "user", "content": content}],
    });
    socket.send(Message::text(message.to_string())).await?;
    let mut events = 0;
    while let Some(message) = socket.next().await {
        let Message::Text(event) = message? else {
            continue;
        };
        events += 1;
        let beginning = event.get(..60).unwrap_or(&event);
        if beginning.contains("response.completed") {
            return Ok(events);
        }
    }
    Err("a connection ended early".into())
}
