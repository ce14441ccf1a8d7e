//! Calls a server and counts what comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
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

    async fn call(&self, body: Bytes) -> Result<Timing, Failure> {
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

/// Streams that are under way.
pub(crate) struct OpenStreams(JoinSet<Result<Timing, Failure>>);

/// Opens `count` slow streams and waits until all of them have long begun.
pub(crate) async fn open_streams(target: &Target, count: usize) -> Result<OpenStreams, Failure> {
    let call = Call::long(60);
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (target, body) = (target.clone(), call.body(target.form));
        tasks.spawn(async move { target.call(body).await });
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(OpenStreams(tasks))
}

impl OpenStreams {
    /// Waits for their ends, every one of which must be clean.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        while let Some(done) = self.0.join_next().await {
            done??;
        }
        Ok(())
    }
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
