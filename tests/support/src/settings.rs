//! How a fake is set up before it starts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::SignedDuration;

use crate::FakeOpenAi;

/// Settings of a [`FakeOpenAi`]; made by [`FakeOpenAi::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) settings: Settings,
}

/// What the rest of the crate reads.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) access_lifetime: SignedDuration,
    pub(crate) event_delay: Option<Duration>,
    pub(crate) answer: Answer,
    pub(crate) reasoning: bool,
    pub(crate) recording: bool,
    pub(crate) stamped: bool,
    pub(crate) stream_content_type: bool,
    pub(crate) websocket_compression: Option<String>,
    pub(crate) rate_limit_events: bool,
}

/// What the model says when the prompt has no directive.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Echo,
    Text(String),
    Tokens(usize),
}

impl Default for Builder {
    fn default() -> Self {
        let settings = Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            // Ten days, as reported from the live issuer: wire reference, section 2.
            access_lifetime: SignedDuration::from_hours(240),
            event_delay: None,
            answer: Answer::Echo,
            reasoning: false,
            recording: true,
            stamped: false,
            stream_content_type: false,
            websocket_compression: Some("permessage-deflate".to_owned()),
            rate_limit_events: false,
        };
        Self { settings }
    }
}

impl Builder {
    /// The address to listen at; by default a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings.listen = address;
        self
    }

    /// How long access tokens live that are issued from now on; by default ten days.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_lifetime =
            SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        self
    }

    /// The time between two events of a stream; by default none.
    pub fn event_delay(mut self, delay: Duration) -> Self {
        self.settings.event_delay = (!delay.is_zero()).then_some(delay);
        self
    }

    /// Whether the first run of twenty `#` in an event becomes the nanoseconds since 1970 at which
    /// the event is sent; by default it stays. With [`answer`](Self::answer), a benchmark sees how
    /// long each token was under way.
    pub fn stamp_events(mut self, stamped: bool) -> Self {
        self.settings.stamped = stamped;
        self
    }

    /// Answers with this text instead of an echo.
    pub fn answer(mut self, text: &str) -> Self {
        self.settings.answer = Answer::Text(text.to_owned());
        self
    }

    /// Answers with so many tokens, each an event of its own, instead of an echo.
    pub fn answer_tokens(mut self, tokens: usize) -> Self {
        self.settings.answer = Answer::Tokens(tokens);
        self
    }

    /// Begins every answer with a reasoning item, as the real models mostly do; by default only
    /// when the prompt says `think first`.
    pub fn reasoning(mut self, always: bool) -> Self {
        self.settings.reasoning = always;
        self
    }

    /// Whether requests are kept; by default they are. Switch it off for benchmarks.
    pub fn record_requests(mut self, record: bool) -> Self {
        self.settings.recording = record;
        self
    }

    /// Whether streams of the ChatGPT backend carry a content type. By default they do not,
    /// because the real ones sometimes do not (wire reference, section 5.6).
    pub fn stream_content_type(mut self, present: bool) -> Self {
        self.settings.stream_content_type = present;
        self
    }

    /// What is agreed to where compression of WebSocket messages is offered; by default
    /// `permessage-deflate`, and nothing more. Nothing switches it off.
    pub fn websocket_compression(mut self, answer: Option<&str>) -> Self {
        self.settings.websocket_compression = answer.map(str::to_owned);
        self
    }

    /// Whether each turn over a WebSocket of the ChatGPT backend begins with an event
    /// `codex.rate_limits`, as the real ones have it (wire reference, section 9.2); by default not,
    /// so that a stream is nothing but the answer.
    pub fn rate_limit_events(mut self, told: bool) -> Self {
        self.settings.rate_limit_events = told;
        self
    }

    /// Starts the server on the current Tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be bound.
    #[expect(
        clippy::unused_async,
        reason = "it needs a runtime, and says so this way"
    )]
    pub async fn start(self) -> io::Result<FakeOpenAi> {
        FakeOpenAi::start_here(self.settings)
    }

    /// Starts the server on a thread and a runtime of its own: for benchmarks and for tests
    /// without one, and for those that pause the clock.
    ///
    /// # Errors
    /// If the address cannot be bound or the thread not be started.
    pub fn start_on_own_thread(self) -> io::Result<FakeOpenAi> {
        FakeOpenAi::start_on_own_thread(self.settings)
    }
}
