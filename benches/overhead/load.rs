//! Calls a server and counts what comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{Failure, process};

/// Which API a server is asked by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Responses,
    Chat,
}

/// A server under test, with a pooled client of its own.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    url: String,
    form: Form,
    bearer: String,
    client: reqwest::Client,
    pid: Option<u32>,
}

impl Target {
    pub(crate) fn new(
        name: &'static str,
        url: String,
        form: Form,
        bearer: String,
        pid: Option<u32>,
    ) -> Self {
        Self {
            name,
            url,
            form,
            bearer,
            client: reqwest::Client::new(),
            pid,
        }
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.pid.map_or(f64::NAN, process::cpu_seconds)
    }

    /// Whether it is a router, and no control.
    pub(crate) fn is_router(&self) -> bool {
        self.name.starts_with("router")
    }

    async fn call(&self, body: Bytes) -> Result<Timing, Failure> {
        self.heard(body, |_| ()).await
    }

    /// Asks, and tells each piece of the answer as it comes.
    async fn heard(&self, body: Bytes, mut told: impl FnMut(&[u8])) -> Result<Timing, Failure> {
        let begun = Instant::now();
        let request = self
            .client
            .post(&self.url)
            .bearer_auth(&self.bearer)
            .header("content-type", "application/json")
            // As Codex, so that the router passes the body through.
            .header("originator", "codex_exec");
        let mut answer = request.body(body).send().await?.error_for_status()?;
        let mut timing = Timing::default();
        let mut tail = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if timing.events == 0 {
                timing.first = begun.elapsed();
            }
            timing.events += chunk.windows(2).filter(|pair| pair == b"\n\n").count();
            told(&chunk);
            keep_tail(&mut tail, &chunk);
        }
        timing.whole = begun.elapsed();
        self.check_end(&tail)?;
        Ok(timing)
    }

    /// A figure of a stream that did not end well would be worth nothing.
    fn check_end(&self, tail: &[u8]) -> Result<(), Failure> {
        let sign: &[u8] = match self.form {
            Form::Responses => b"response.completed",
            Form::Chat => b"data: [DONE]",
        };
        let ended = tail.windows(sign.len()).any(|window| window == sign);
        if ended {
            Ok(())
        } else {
            Err(format!("{}: a stream ended early", self.name).into())
        }
    }
}

fn keep_tail(tail: &mut Vec<u8>, chunk: &[u8]) {
    const KEPT: usize = 4096;
    tail.extend_from_slice(&chunk[chunk.len().saturating_sub(KEPT)..]);
    tail.drain(..tail.len().saturating_sub(KEPT));
}

#[derive(Debug, Clone, Copy, Default)]
struct Timing {
    first: Duration,
    whole: Duration,
    events: usize,
}

/// One question in both forms.
pub(crate) struct Call {
    responses: Bytes,
    chat: Bytes,
}

impl Call {
    pub(crate) fn short() -> Self {
        Self::long(20)
    }

    pub(crate) fn long(tokens: usize) -> Self {
        Self::of(&[&format!("count to {tokens}")])
    }

    /// A conversation of this size before a short question.
    pub(crate) fn with_history(bytes: usize) -> Self {
        let turn = "some words of a conversation, ".repeat(100);
        let turns = bytes / turn.len();
        let mut texts = vec![turn.as_str(); turns];
        texts.push("count to 20");
        Self::of(&texts)
    }

    fn of(texts: &[&str]) -> Self {
        let input: Vec<Value> = texts
            .iter()
            .map(|text| {
                let content = json!([{"type": "input_text", "text": text}]);
                json!({"type": "message", "role": "user", "content": content})
            })
            .collect();
        let messages: Vec<Value> = texts
            .iter()
            .map(|text| json!({"role": "user", "content": text}))
            .collect();
        let responses = json!({
            "model": "gpt-5.5", "instructions": "", "store": false, "stream": true, "input": input,
        });
        let chat = json!({"model": "gpt-5.5", "stream": true, "messages": messages});
        Self {
            responses: responses.to_string().into(),
            chat: chat.to_string().into(),
        }
    }

    fn body(&self, form: Form) -> Bytes {
        match form {
            Form::Responses => self.responses.clone(),
            Form::Chat => self.chat.clone(),
        }
    }
}

/// One round against one target.
pub(crate) struct Round {
    timings: Vec<Timing>,
    took: Duration,
}

/// Makes `count` calls from `clients` concurrent clients.
pub(crate) async fn run(
    target: &Target,
    call: &Call,
    clients: usize,
    count: usize,
) -> Result<Round, Failure> {
    let body = call.body(target.form);
    // The connections stand before the clock runs.
    target.call(body.clone()).await?;
    let left = Arc::new(AtomicUsize::new(count));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        tasks.spawn(client(target.clone(), body.clone(), left.clone()));
    }
    let mut timings = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        timings.extend(done??);
    }
    Ok(Round {
        timings,
        took: begun.elapsed(),
    })
}

async fn client(
    target: Target,
    body: Bytes,
    left: Arc<AtomicUsize>,
) -> Result<Vec<Timing>, Failure> {
    let mut timings = Vec::new();
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    {
        timings.push(target.call(body.clone()).await?);
    }
    Ok(timings)
}

/// What a slow stream says: words, each of which becomes the time at which it is sent.
pub(crate) fn stamps() -> String {
    [NO_TIME; 60].join(" ")
}

/// What the fake puts the time in the place of.
const NO_TIME: &str = "####################";

/// Asks for so many slow streams at once; how long each of their tokens was under way, in seconds,
/// the shortest first. The first second does not count, in which all of them begin.
pub(crate) async fn slow_streams(target: &Target, count: usize) -> Result<Vec<f64>, Failure> {
    const BEGINNING: usize = 10;
    let call = Call::of(&["what time is it?"]);
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (target, body) = (target.clone(), call.body(target.form));
        tasks.spawn(async move {
            let mut late = Vec::new();
            target
                .heard(body, |piece| late.extend(lateness(piece)))
                .await?;
            Ok::<_, Failure>(late)
        });
    }
    let mut all = Vec::new();
    while let Some(late) = tasks.join_next().await {
        all.extend(late??.into_iter().skip(BEGINNING));
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}

/// How long ago the first time was that a piece names.
fn lateness(piece: &[u8]) -> Option<f64> {
    let mut runs = piece.split(|byte| !byte.is_ascii_digit());
    let digits = runs.find(|run| run.len() == NO_TIME.len())?;
    let sent = Duration::from_nanos(str::from_utf8(digits).ok()?.parse().ok()?);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    Some(now.saturating_sub(sent).as_secs_f64())
}

/// Of figures in order.
pub(crate) fn quantile(ordered: &[f64], part: f64) -> f64 {
    let last = ordered.len().saturating_sub(1);
    let at = ((last as f64) * part).round() as usize;
    ordered.get(at).copied().unwrap_or(f64::NAN)
}

/// The rounds of one target.
pub(crate) struct Sample {
    name: &'static str,
    rounds: Vec<(Round, f64)>,
}

impl Sample {
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            name: target.name,
            rounds: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, round: Round, cpu_seconds: f64) {
        self.rounds.push((round, cpu_seconds));
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn first(&self, quantile: f64) -> f64 {
        self.median(|round, _| millis(quantile_of(round, quantile, |timing| timing.first)))
    }

    pub(crate) fn whole(&self, quantile: f64) -> f64 {
        self.median(|round, _| millis(quantile_of(round, quantile, |timing| timing.whole)))
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.median(|round, _| round.timings.len() as f64 / round.took.as_secs_f64())
    }

    pub(crate) fn events_per_second(&self) -> f64 {
        self.median(|round, _| round.events() / round.took.as_secs_f64())
    }

    /// In microseconds.
    pub(crate) fn cpu_per_request(&self) -> f64 {
        self.median(|round, cpu| cpu * 1e6 / round.timings.len() as f64)
    }

    /// In microseconds.
    pub(crate) fn cpu_per_event(&self) -> f64 {
        self.median(|round, cpu| cpu * 1e6 / round.events())
    }

    fn median(&self, figure: impl Fn(&Round, f64) -> f64) -> f64 {
        let mut figures: Vec<f64> = self
            .rounds
            .iter()
            .map(|(round, cpu)| figure(round, *cpu))
            .collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }
}

impl Round {
    fn events(&self) -> f64 {
        self.timings
            .iter()
            .map(|timing| timing.events)
            .sum::<usize>() as f64
    }
}

fn quantile_of(round: &Round, quantile: f64, figure: impl Fn(&Timing) -> Duration) -> Duration {
    let mut figures: Vec<Duration> = round.timings.iter().map(figure).collect();
    figures.sort_unstable();
    let last = figures.len().saturating_sub(1);
    figures[((last as f64) * quantile).round() as usize]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
