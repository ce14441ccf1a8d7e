//! One connection: its turns, one after the other.

use std::{collections::VecDeque, fmt, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body::Body;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, protocol::frame::coding::CloseCode};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};
use tracing::Instrument as _;

use super::{
    answer::{pass_on, tell},
    ask::TurnHead,
};
use crate::{
    ApiError, BoxError,
    ws::{
        end::{End, broken},
        relay::{Halves, Messages, close},
        socket::Socket,
    },
};

/// After this long, a connection ends at the next border of a turn, as OpenAI's do.
const LIFETIME: Duration = Duration::from_hours(1);
/// How many messages may wait, and how large they may be together before one is too many.
const WAITING_MESSAGES: usize = 16;
const WAITING_BYTES: usize = 1 << 20;

/// What answers a client's turns.
pub(super) struct Session<S> {
    turns: S,
    head: TurnHead,
    stopping: CancellationToken,
    until: Instant,
    waiting: Waiting,
}

/// Neither what was said nor what the handshake brought is shown.
impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl<S> Session<S> {
    pub(super) fn new(turns: S, head: TurnHead, stopping: CancellationToken) -> Self {
        Self {
            turns,
            head,
            stopping,
            until: Instant::now() + LIFETIME,
            waiting: Waiting::default(),
        }
    }

    /// Serves until either side has enough.
    pub(super) async fn run<I, B, R>(mut self, socket: Socket<I>)
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
        S::Error: Into<BoxError>,
        B: From<Bytes>,
        R: Body<Data = Bytes, Error: Into<BoxError>>,
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let mut client = socket.split();
        let mut in_turn = false;
        let end = loop {
            let message = match self.next(&mut client.1).await {
                Ok(message) => message,
                Err(end) => break end,
            };
            if let Err(end) = self.turn(&message, &mut client).await {
                in_turn = true;
                break end;
            }
        };
        tracing::debug!(end = end.name(), "a WebSocket connection ends");
        let goodbye = end.goodbye(in_turn);
        close(&mut client, goodbye.told, goodbye.to_client).await;
    }

    /// What begins the next turn.
    async fn next(&mut self, from: &mut (impl Messages + Unpin)) -> Result<Utf8Bytes, End> {
        if self.stopping.is_cancelled() {
            return Err(End::Stopping);
        }
        if self.until <= Instant::now() {
            return Err(End::Expired);
        }
        if let Some(message) = self.waiting.take() {
            return Ok(message);
        }
        tokio::select! {
            message = hear(from) => message,
            () = self.stopping.cancelled() => Err(End::Stopping),
            () = sleep_until(self.until) => Err(End::Expired),
        }
    }

    /// Serves one turn, unless the client ends it, whose request is dropped then.
    async fn turn<I, B, R>(&mut self, message: &str, (to, from): &mut Halves<I>) -> Result<(), End>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
        S::Error: Into<BoxError>,
        B: From<Bytes>,
        R: Body<Data = Bytes, Error: Into<BoxError>>,
        I: AsyncRead + AsyncWrite + Unpin,
    {
        self.head.admitted().await.map_err(End::Barred)?;
        let request = match self.head.request(message) {
            Ok(request) => request,
            Err(error) => return tell(to, &error).await,
        };
        // One of its own: what is recorded in the connection's would stay there for its whole life.
        let turn = tracing::error_span!("turn", profile = tracing::field::Empty);
        let answer = self.turns.clone().oneshot(request).instrument(turn);
        let served = async {
            match answer.await {
                Ok(answer) => pass_on(answer, to).await,
                Err(error) => tell(to, &ApiError::from_boxed(&error.into())).await,
            }
        };
        tokio::select! {
            served = served => served,
            end = self.waiting.listen(from) => Err(end),
        }
    }
}

/// The next message of the client, which must be text.
async fn hear(from: &mut (impl Messages + Unpin)) -> Result<Utf8Bytes, End> {
    loop {
        return match from.next().await {
            Some(Ok(Message::Text(text))) => Ok(text),
            Some(Ok(Message::Binary(_))) => Err(End::ClientFault(
                broken("is not text"),
                CloseCode::Unsupported,
            )),
            Some(Ok(Message::Close(frame))) => Err(End::ClientClosed(frame)),
            // Pings are answered by the library.
            Some(Ok(_)) => continue,
            Some(Err(error)) => Err(End::of_client(&error)),
            None => Err(End::ClientGone),
        };
    }
}

fn too_many() -> ApiError {
    let message = "more messages came during a turn than may wait for its end, which are 16 or \
                   1 MiB: wait for the last event of an answer, or open more connections";
    ApiError::invalid_request("too_many_messages", message)
}

/// What the client said during a turn.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Utf8Bytes>,
    bytes: usize,
}

/// What was said is never shown.
impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Waiting");
        let messages = self.messages.len();
        shown.field("messages", &messages).finish_non_exhaustive()
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Utf8Bytes> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }

    /// Keeps what the client says, until it leaves or says more than there is room for.
    ///
    /// # Cancellation
    /// Nothing is lost: a message is kept as soon as it was read.
    async fn listen(&mut self, from: &mut (impl Messages + Unpin)) -> End {
        loop {
            match hear(from).await {
                // Only who goes on reading sees the client leave.
                Ok(_) if self.is_full() => {
                    return End::ClientFault(too_many(), CloseCode::Policy);
                }
                Ok(message) => {
                    self.bytes += message.len();
                    self.messages.push_back(message);
                }
                Err(end) => return end,
            }
        }
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= WAITING_MESSAGES || self.bytes >= WAITING_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use futures_util::SinkExt as _;
    use http_body_util::Full;
    use tokio::{
        io::{DuplexStream, duplex},
        sync::Semaphore,
        time::{sleep, timeout},
    };
    use tokio_tungstenite::tungstenite::protocol::Role;
    use tower::service_fn;

    use super::*;
    use crate::responses::memory::ConnectionMemory;

    const TURN: &str = r#"{"type":"response.create"}"#;
    const DONE: &str = r#"{"type":"response.completed"}"#;

    /// A client of a session whose turns end one for each permit.
    async fn client(permits: Arc<Semaphore>) -> Socket<DuplexStream> {
        let turns = service_fn(move |_: Request<Full<Bytes>>| {
            let permits = Arc::clone(&permits);
            async move {
                permits.acquire().await.unwrap().forget();
                let events = format!("data: {DONE}\n\ndata: [DONE]\n\n");
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(events))))
            }
        });
        let (near, far) = duplex(1 << 10);
        let head = TurnHead::of(Request::new(()), ConnectionMemory::new());
        let session = Session::new(turns, head, CancellationToken::new());
        let near = Socket::new(near, Role::Server, None).await;
        tokio::spawn(session.run(near));
        Socket::new(far, Role::Client, None).await
    }

    async fn text(client: &mut Socket<DuplexStream>) -> String {
        let message = client.next().await.unwrap().unwrap();
        message.to_text().unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_hour_a_connection_ends_between_two_turns() {
        for in_turn in [false, true] {
            let permits = Arc::new(Semaphore::new(0));
            let mut client = client(Arc::clone(&permits)).await;
            sleep(LIFETIME * 59 / 60).await;
            if in_turn {
                client.send(Message::text(TURN)).await.unwrap();
                sleep(Duration::from_mins(2)).await;
                permits.add_permits(1);
                assert_eq!(text(&mut client).await, DONE);
            }
            let begun = Instant::now();
            let told = text(&mut client).await;
            assert!(
                told.contains("websocket_connection_limit_reached"),
                "{told}"
            );
            assert!(begun.elapsed() <= LIFETIME / 60, "{in_turn}");
            let close = client.next().await.unwrap().unwrap();
            assert!(close.is_close());
        }
    }

    /// A client that has said as much during a turn as may wait.
    async fn full(permits: &Arc<Semaphore>) -> Socket<DuplexStream> {
        let mut client = client(Arc::clone(permits)).await;
        for _ in 0..=WAITING_MESSAGES {
            client.send(Message::text(TURN)).await.unwrap();
        }
        client
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_bounded_and_none_of_it_is_lost() {
        let permits = Arc::new(Semaphore::new(0));
        let mut client = full(&permits).await;
        permits.add_permits(WAITING_MESSAGES + 1);
        for _ in 0..=WAITING_MESSAGES {
            assert_eq!(text(&mut client).await, DONE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_may_wait_ends_the_connection_and_says_why() {
        let permits = Arc::new(Semaphore::new(0));
        let mut client = full(&permits).await;
        client.send(Message::text(TURN)).await.unwrap();
        let told = timeout(Duration::from_secs(1), text(&mut client)).await;
        let told = told.expect("it is noticed");
        assert!(told.contains("too_many_messages"), "{told}");
        let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
            panic!("it goes on");
        };
        assert_eq!(frame.code, CloseCode::Policy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_is_noticed_however_much_waits() {
        let permits = Arc::new(Semaphore::new(0));
        let mut client = full(&permits).await;
        let turns = Arc::downgrade(&permits);
        drop(permits);
        sleep(Duration::from_secs(1)).await;
        assert!(turns.upgrade().is_some(), "a turn is under way");
        client.send(Message::Close(None)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert!(turns.upgrade().is_none(), "its request is dropped");
    }

    #[tokio::test]
    async fn nothing_that_was_said_is_shown() {
        let mut waiting = Waiting::default();
        waiting.messages.push_back("planted".into());
        let mut head = Request::new(());
        let value = "planted".parse().unwrap();
        head.headers_mut().insert("x-said", value);
        let head = TurnHead::of(head, ConnectionMemory::new());
        let mut session = Session::new((), head, CancellationToken::new());
        let shown = format!("{waiting:?}");
        session.waiting = waiting;
        let shown = format!("{shown} {session:?}");
        assert!(!shown.contains("planted"), "{shown}");
    }
}
