//! Many streams at once, each with a token now and then: what is added to each token, and memory.

use std::time::Duration;

use crate::{
    Failure,
    goals::Budget,
    load::{self, quantile},
    report::Table,
    servers::Servers,
};

/// The time between two tokens of a stream.
const PACE: Duration = Duration::from_millis(100);
const COUNTS: [usize; 4] = [1, 64, 500, 2000];
/// What of a target's latency is told.
const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];

/// A table for each number of streams. Every stream must end well.
pub(crate) async fn measure(servers: &Servers, budget: &mut Budget) -> Result<(), Failure> {
    for count in COUNTS {
        let servers = servers.anew(PACE).await?;
        let title = format!("{count} streams, a token every 100 ms");
        let columns = ["p50 ms", "p99 ms", "p99.9 ms", "router's peak MiB"];
        let mut table = Table::new(&title, &columns);
        let mut late = Vec::new();
        for target in servers.targets() {
            let times = load::slow_streams(&target, count).await?;
            let times = QUANTILES.map(|part| quantile(&times, part) * 1e3);
            let peak = servers.router_peak_kib() as f64 / 1024.0;
            let peak = if target.is_router() { peak } else { f64::NAN };
            table.row(target.name, &[times[0], times[1], times[2], peak]);
            late.push((target.name, times[1], peak));
        }
        table.print();
        judge(count, &late, budget);
    }
    Ok(())
}

/// The bounds for so many streams.
fn judge(count: usize, late: &[(&str, f64, f64)], budget: &mut Budget) {
    let p99 = |name: &str| {
        late.iter()
            .find(|it| it.0 == name)
            .map_or(f64::NAN, |it| it.1)
    };
    let nginx = p99("nginx");
    for (name, p99, peak) in late.iter().filter(|it| it.2.is_finite()) {
        match count {
            500 => {
                let what = format!("{count} slow streams, {name}: p99 of a token over nginx's, ms");
                budget.at_most(&what, p99 - nginx, 3.0, 1.0);
                budget.at_most(
                    &format!("{count} slow streams, {name}: MiB"),
                    *peak,
                    60.0,
                    45.0,
                );
            }
            2000 => budget.at_most(
                &format!("{count} slow streams, {name}: MiB"),
                *peak,
                200.0,
                120.0,
            ),
            _ => {}
        }
    }
}
