//! One connection: its turns, one after the other.

use std::{collections::VecDeque, future, time::Duration};

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
/// How many messages may wait, and how large they may be together before no more are read.
const WAITING_MESSAGES: usize = 16;
const WAITING_BYTES: usize = 1 << 20;

/// What answers a client's turns.
#[derive(Debug)]
pub(super) struct Session<S> {
    turns: S,
    head: TurnHead,
    stopping: CancellationToken,
    until: Instant,
    waiting: Waiting,
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
        let request = match self.head.request(message) {
            Ok(request) => request,
            Err(error) => return tell(to, &error).await,
        };
        let answer = self.turns.clone().oneshot(request);
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

/// What the client said during a turn.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Utf8Bytes>,
    bytes: usize,
}

impl Waiting {
    fn take(&mut self) -> Option<Utf8Bytes> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }

    /// Keeps what the client says, as far as there is room, until it leaves.
    ///
    /// # Cancellation
    /// Nothing is lost: a message is kept as soon as it was read.
    async fn listen(&mut self, from: &mut (impl Messages + Unpin)) -> End {
        while self.messages.len() < WAITING_MESSAGES && self.bytes < WAITING_BYTES {
            match hear(from).await {
                Ok(message) => {
                    self.bytes += message.len();
                    self.messages.push_back(message);
                }
                Err(end) => return end,
            }
        }
        future::pending().await
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

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_bounded_and_none_of_it_is_lost() {
        let permits = Arc::new(Semaphore::new(0));
        let mut client = client(Arc::clone(&permits)).await;
        let all = WAITING_MESSAGES * 10;
        let mut said = 0;
        while let Ok(Ok(())) = timeout(Duration::from_secs(1), async {
            client.feed(Message::text(TURN)).await?;
            client.flush().await
        })
        .await
        {
            said += 1;
            assert!(said < all, "everything was taken");
        }
        permits.add_permits(all);
        for _ in 0..said {
            assert_eq!(text(&mut client).await, DONE);
        }
    }
}
