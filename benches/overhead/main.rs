//! What one hop through Codex Router costs, beside nginx and a direct connection.
//!
//! `make bench`. One run starts a fake OpenAI, the router as users run it, and nginx where it is
//! installed; then it asks them in turn, so that all of them meet the same noise. The figures are
//! the medians of the rounds. Ratios count; the machine's own speed does not.
//!
//! The fake and the load share this process, the router and nginx have their own.

mod load;
mod process;
mod report;
mod servers;
mod sockets;

use std::time::Duration;

use load::{Call, Sample, Target};
use report::Table;
use servers::Servers;

const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let servers = Servers::start(Duration::ZERO).await?;
    let idle_kib = servers.router_rss_kib();
    latency(&servers, "short stream of 20 tokens, 1 client", 1, 300).await?;
    latency(&servers, "short streams of 20 tokens, 64 clients", 64, 3000).await?;
    throughput(&servers).await?;
    large_body(&servers).await?;
    let busy = servers.router_rss_kib();
    drop(servers);
    slow_streams(500, idle_kib, busy).await?;
    sockets::measure().await
}

/// Time to the first byte and to the end of short streams.
async fn latency(
    servers: &Servers,
    title: &str,
    clients: usize,
    count: usize,
) -> Result<(), Failure> {
    let mut table = Table::new(
        title,
        &[
            "first byte p50 ms",
            "whole p50 ms",
            "whole p99 ms",
            "requests/s",
            "CPU µs/request",
        ],
    );
    for target in rounds(servers, &Call::short(), clients, count).await? {
        let (requests, cpu) = (target.requests_per_second(), target.cpu_per_request());
        let cells = [
            target.first(0.5),
            target.whole(0.5),
            target.whole(0.99),
            requests,
            cpu,
        ];
        table.row(target.name(), &cells);
    }
    table.print();
    Ok(())
}

/// A long stream at full speed.
async fn throughput(servers: &Servers) -> Result<(), Failure> {
    let mut table = Table::new(
        "stream of 40,000 tokens at full speed, 4 clients",
        &["events/s", "CPU µs/event"],
    );
    for target in rounds(servers, &Call::long(40_000), 4, 8).await? {
        table.row(
            target.name(),
            &[target.events_per_second(), target.cpu_per_event()],
        );
    }
    table.print();
    Ok(())
}

/// A history of 10 MB.
async fn large_body(servers: &Servers) -> Result<(), Failure> {
    let mut table = Table::new("history of 10 MB, 1 client", &["first byte p50 ms"]);
    for target in rounds(servers, &Call::with_history(10 << 20), 1, 10).await? {
        table.row(target.name(), &[target.first(0.5)]);
    }
    table.print();
    Ok(())
}

/// Memory while many streams are open, a token every 100 ms.
async fn slow_streams(count: usize, idle_kib: u64, busy_kib: u64) -> Result<(), Failure> {
    let servers = Servers::start(Duration::from_millis(100)).await?;
    let mut table = Table::new("resident memory of the router, MiB", &["MiB"]);
    let mib = |kib: u64| kib as f64 / 1024.0;
    table.row("idle", &[mib(idle_kib)]);
    table.row("after the rounds above", &[mib(busy_kib)]);
    for target in servers.router_targets() {
        let open = load::open_streams(&target, count).await?;
        table.row(
            &format!("{count} open streams, {}", target.name),
            &[mib(servers.router_rss_kib())],
        );
        open.finish().await?;
    }
    table.print();
    Ok(())
}

/// Asks every target in turn, a few times over.
async fn rounds(
    servers: &Servers,
    call: &Call,
    clients: usize,
    count: usize,
) -> Result<Vec<Sample>, Failure> {
    let targets: Vec<Target> = servers.targets();
    let mut samples: Vec<Sample> = targets.iter().map(Sample::new).collect();
    for _ in 0..ROUNDS {
        for (target, sample) in targets.iter().zip(&mut samples) {
            let before = target.cpu_seconds();
            let round = load::run(target, call, clients, count).await?;
            sample.add(round, target.cpu_seconds() - before);
        }
    }
    Ok(samples)
}
