//! What the router costs while nobody asks it anything.

use std::time::{Duration, Instant};

use crate::{Failure, goals::Budget, load::Call, report::Table, servers::Servers};

/// Long enough for whatever does something now and then.
const WATCHED: Duration = Duration::from_mins(1);
/// What a start leaves to be done.
const SETTLED: Duration = Duration::from_secs(5);

/// Start, memory, wake-ups and the size of the program.
pub(crate) async fn measure(servers: &Servers, budget: &mut Budget) -> Result<(), Failure> {
    let start = start_to_answer(servers).await?;
    let servers = servers.anew(Duration::ZERO).await?;
    tokio::time::sleep(SETTLED).await;
    let mib = servers.router_rss_kib() as f64 / 1024.0;
    let (wakeups, cpu) = (servers.router_wakeups(), servers.router_cpu_seconds());
    tokio::time::sleep(WATCHED).await;
    let wakeups = servers.router_wakeups().saturating_sub(wakeups) as f64;
    let cpu = (servers.router_cpu_seconds() - cpu) / WATCHED.as_secs_f64() * 100.0;
    let mut table = Table::new(
        "while nobody asks anything",
        &[
            "start to first answer ms",
            "MiB",
            "wake-ups in 60 s",
            "CPU %",
            "program MiB",
        ],
    );
    let program = servers.router_bytes()? as f64 / f64::from(1 << 20);
    table.row("router", &[start, mib, wakeups, cpu, program]);
    table.print();
    budget.at_most("start to first answer, ms", start, 50.0, 20.0);
    budget.at_most("idle, MiB", mib, 15.0, 8.0);
    budget.at_most("idle, CPU %", cpu, 0.1, 0.0);
    budget.at_most("idle, wake-ups in 60 s", wakeups, 60.0, 0.0);
    Ok(())
}

/// In milliseconds; the best of a few, since what else runs here only ever adds.
async fn start_to_answer(servers: &Servers) -> Result<f64, Failure> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let begun = Instant::now();
        let started = servers.start_router()?;
        let target = servers.responses_at(&started);
        crate::load::run(&target, &Call::short(), 0, 0).await?;
        best = best.min(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}
