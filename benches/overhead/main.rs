//! What one hop through Codex Router costs, beside nginx and a direct connection.
//!
//! `make bench`. One run starts a fake OpenAI, the router as users run it, and nginx where it is
//! installed; then it asks them in turn, so that all of them meet the same noise. The figures are
//! the medians of the rounds. Ratios count; the machine's own speed does not.
//!
//! `cargo bench -p codex-router-benches --bench overhead -- short idle` runs these sections alone, of
//! `short`, `long`, `history`, `slow`, `idle` and `sockets`; `--router PROGRAM` measures a program
//! that is there already.
//!
//! The fake and the load share this process, the router and nginx have their own.

mod goals;
mod idle;
mod load;
mod process;
mod report;
mod servers;
mod slow;
mod sockets;

use std::path::PathBuf;

use goals::Budget;
use load::{Call, Sample, Target};
use report::Table;
use servers::{Servers, build_router};

const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What can be asked for by name.
const SECTIONS: [&str; 6] = ["short", "long", "history", "slow", "idle", "sockets"];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let asked = Asked::of(std::env::args().skip(1))?;
    // Only `cargo bench` passes `--bench`; `cargo test --benches` wants to know that it builds.
    if asked.is_test || !asked.is_bench {
        return Ok(());
    }
    // Two thousand streams, both ends of which are here.
    rlimit::increase_nofile_limit(rlimit::INFINITY)?;
    let program = asked.router.clone().map_or_else(build_router, Ok)?;
    let servers = Servers::start(&program).await?;
    let mut budget = Budget::default();
    for section in asked.sections() {
        match section {
            "short" => short(&servers, &mut budget).await?,
            "long" => long(&servers, &mut budget).await?,
            "history" => history(&servers, &mut budget).await?,
            "slow" => slow::measure(&servers, &mut budget).await?,
            "idle" => idle::measure(&servers, &mut budget).await?,
            _ => sockets::measure(&servers).await?,
        }
    }
    budget.print();
    Ok(())
}

/// What the command line says: sections, and `--router PROGRAM` for another than the one that is
/// built here.
#[derive(Default)]
struct Asked {
    sections: Vec<String>,
    router: Option<PathBuf>,
    is_bench: bool,
    is_test: bool,
}

impl Asked {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut asked = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--router" => asked.router = arguments.next().map(PathBuf::from),
                "--test" => asked.is_test = true,
                "--bench" => asked.is_bench = true,
                section if SECTIONS.contains(&section) => asked.sections.push(argument),
                _ => return Err(format!("no section `{argument}`: {}", SECTIONS.join(", ")).into()),
            }
        }
        Ok(asked)
    }

    /// All of them, where none is named.
    fn sections(&self) -> impl Iterator<Item = &'static str> {
        let is_asked = |section: &&str| self.sections.iter().any(|it| it == section);
        let all = self.sections.is_empty();
        SECTIONS.into_iter().filter(move |it| all || is_asked(it))
    }
}

/// Short streams: what a request costs.
async fn short(servers: &Servers, budget: &mut Budget) -> Result<(), Failure> {
    let title = "short stream of 20 tokens, 1 client";
    let samples = latency(servers, title, 1, 300).await?;
    for ((direct, nginx, router), goal) in compared(&samples).zip([1.2, 1.5]) {
        let added = |it: &Sample| it.whole(0.5) - direct.whole(0.5);
        let what = format!("1 client, {}: added time over nginx's", router.name());
        budget.at_most(&what, added(router) / added(nginx), 2.0, goal);
    }
    let title = "short streams of 20 tokens, 64 clients";
    let samples = latency(servers, title, 64, 3000).await?;
    for ((direct, nginx, router), goal) in compared(&samples).zip([1.2, 1.4]) {
        let name = router.name();
        let cpu = router.cpu_per_request() / nginx.cpu_per_request();
        budget.at_most(
            &format!("64 clients, {name}: CPU over nginx's"),
            cpu,
            3.0,
            goal,
        );
        let requests = router.requests_per_second() / direct.requests_per_second();
        budget.at_least(
            &format!("64 clients, {name}: requests over direct"),
            requests,
            0.45,
            0.85,
        );
    }
    Ok(())
}

/// Time to the first byte and to the end of short streams.
async fn latency(
    servers: &Servers,
    title: &str,
    clients: usize,
    count: usize,
) -> Result<Vec<Sample>, Failure> {
    let columns = [
        "first byte p50 ms",
        "whole p50 ms",
        "p99 ms",
        "p99.9 ms",
        "requests/s",
        "CPU µs/request",
    ];
    let mut table = Table::new(title, &columns);
    let samples = rounds(servers, &Call::short(), clients, count).await?;
    for sample in &samples {
        let (requests, cpu) = (sample.requests_per_second(), sample.cpu_per_request());
        let cells = [
            sample.first(0.5),
            sample.whole(0.5),
            sample.whole(0.99),
            sample.whole(0.999),
            requests,
            cpu,
        ];
        table.row(sample.name(), &cells);
    }
    table.print();
    Ok(samples)
}

/// Long streams at full speed: what an event costs.
async fn long(servers: &Servers, budget: &mut Budget) -> Result<(), Failure> {
    let title = "stream of 40,000 tokens at full speed, 4 clients";
    let mut table = Table::new(title, &["events/s", "CPU µs/event"]);
    let samples = rounds(servers, &Call::long(40_000), 4, 8).await?;
    for sample in &samples {
        let cells = [sample.events_per_second(), sample.cpu_per_event()];
        table.row(sample.name(), &cells);
    }
    table.print();
    for ((_, nginx, router), goal) in compared(&samples).zip([1.3, 2.0]) {
        let what = format!(
            "long streams, {}: CPU per event over nginx's",
            router.name()
        );
        let ratio = router.cpu_per_event() / nginx.cpu_per_event();
        budget.at_most(&what, ratio, 10.0, goal);
    }
    Ok(())
}

/// Each form of the router beside the direct connection and nginx; nothing where there is no nginx.
fn compared(samples: &[Sample]) -> impl Iterator<Item = (&Sample, &Sample, &Sample)> {
    let named = |name: &str| samples.iter().find(|it| it.name() == name);
    let controls = named("direct").zip(named("nginx"));
    let routers = samples.iter().filter(|it| it.name().starts_with("router"));
    controls
        .into_iter()
        .flat_map(move |(direct, nginx)| routers.clone().map(move |it| (direct, nginx, it)))
}

/// A history of 10 MB.
async fn history(servers: &Servers, budget: &mut Budget) -> Result<(), Failure> {
    const BYTES: usize = 10 << 20;
    // The peak of its memory is to be that of this alone.
    let servers = servers.anew(std::time::Duration::ZERO).await?;
    let mut table = Table::new("history of 10 MB, 1 client", &["first byte p50 ms"]);
    let samples = rounds(&servers, &Call::with_history(BYTES), 1, 10).await?;
    for sample in &samples {
        table.row(sample.name(), &[sample.first(0.5)]);
    }
    table.print();
    let routers = samples.iter().filter(|it| it.name().starts_with("router"));
    for (router, goal) in routers.zip([1.5, 4.0]) {
        let what = format!("history, {}: first byte over direct", router.name());
        let ratio = router.first(0.5) / samples[0].first(0.5);
        budget.at_most(&what, ratio, 8.0, goal);
    }
    let peak = servers.router_peak_kib() as f64 * 1024.0 / BYTES as f64;
    budget.at_most("history: peak memory over the body", peak, 8.0, 5.0);
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
