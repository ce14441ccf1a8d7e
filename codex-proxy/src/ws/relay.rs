use std::{pin::pin, time::Duration};

use futures_util::{
    FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _,
    future::join,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use tokio_util::sync::CancellationToken;

use super::{
    course::{Course, Stop},
    end::{End, message_of},
    socket::{Socket, SocketError},
    turn::Step,
};
use crate::{ApiError, route::ProfileTable};

/// The longest silence of the upstream within a turn. *Source:* Codex's own (wire reference 7.1).
pub(super) const IDLE_LIMIT: Duration = Duration::from_mins(5);
/// How long a side may take over its part of a close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Passes messages on between a client and an upstream until either has enough.
#[derive(Debug)]
pub(super) struct Relay<T> {
    course: Course<T>,
    stopping: CancellationToken,
}

/// Both halves of a connection.
pub(super) type Halves<I> = (SplitSink<Socket<I>, Message>, SplitStream<Socket<I>>);

impl<T: ProfileTable> Relay<T> {
    pub(super) fn new(course: Course<T>, stopping: CancellationToken) -> Self {
        Self { course, stopping }
    }

    pub(super) async fn run<C, U>(self, client: Socket<C>, upstream: Socket<U>)
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut client, mut upstream) = (client.split(), upstream.split());
        let end = loop {
            match self.pass(&mut client, &mut upstream).await {
                // No turn has begun, so the connection is as good as it was.
                End::Refused(error) if client.0.send(message_of(&error)).await.is_ok() => {}
                end => break end,
            }
        };
        tracing::debug!(end = end.name(), "a WebSocket connection ends");
        let in_turn = !self.course.turns.at_border();
        let goodbye = end.goodbye(in_turn);
        self.course.listed.broke(goodbye.told.as_ref());
        let client = close(&mut client, goodbye.told, goodbye.to_client);
        let upstream = close(&mut upstream, None, goodbye.to_upstream);
        join(client, upstream).await;
    }

    async fn pass<C, U>(&self, client: &mut Halves<C>, upstream: &mut Halves<U>) -> End
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::select! {
            end = self.upwards(&mut client.1, &mut upstream.0) => end,
            end = self.downwards(&mut upstream.1, &mut client.0) => end,
            end = self.stopped() => end,
        }
    }

    async fn upwards(
        &self,
        from: &mut (impl Messages + Unpin),
        to: &mut (impl Outlet + Unpin),
    ) -> End {
        loop {
            let message = match next(from, to).await {
                Ok(Some(Ok(Message::Text(text)))) => match self.course.upwards(text).await {
                    Ok(text) => Message::Text(text),
                    Err(Stop::Moved) => return End::Moved,
                    Err(Stop::Barred(error)) => return End::Barred(error),
                    Err(Stop::Refused(error)) => return End::Refused(error),
                },
                Ok(Some(Ok(message @ Message::Binary(_)))) => message,
                Ok(Some(Ok(Message::Close(frame)))) => return End::ClientClosed(frame),
                // Pings are answered by the library; what goes on between two hops stays there.
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(error))) => return End::of_client(&error),
                Ok(None) => return End::ClientGone,
                Err(_) => return End::UpstreamLost,
            };
            if to.feed(message).await.is_err() {
                return End::UpstreamLost;
            }
        }
    }

    async fn downwards(
        &self,
        from: &mut (impl Messages + Unpin),
        to: &mut (impl Outlet + Unpin),
    ) -> End {
        loop {
            let received = match from.next().now_or_never() {
                Some(received) => received,
                None if to.flush().await.is_err() => return End::ClientGone,
                None => match self.hear(from).await {
                    Some(received) => received,
                    None => return End::UpstreamSilent,
                },
            };
            let message = match received {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => message,
                Some(Ok(Message::Close(frame))) => return End::UpstreamClosed(frame),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return End::of_upstream(&error),
                None => return End::UpstreamLost,
            };
            let step = self.course.heard(&message);
            if step == Step::Failed && self.course.was_unreadable(&message) {
                return End::Unreadable;
            }
            if to.feed(message).await.is_err() {
                return End::ClientGone;
            }
            // Only now: a turn that has ended may be left at once.
            self.course.took(step);
        }
    }

    /// What the upstream says next; nothing if it is silent for too long within a turn.
    async fn hear<M: Messages + Unpin>(&self, from: &mut M) -> Option<Option<M::Item>> {
        let asked = Instant::now();
        let mut until = asked + IDLE_LIMIT;
        loop {
            if let Ok(received) = timeout_at(until, from.next()).await {
                return Some(received);
            }
            let turn = self.course.turns.since();
            let quiet_since = turn.map_or_else(Instant::now, |begun| begun.max(asked));
            if quiet_since.elapsed() >= IDLE_LIMIT {
                return None;
            }
            until = quiet_since + IDLE_LIMIT;
        }
    }

    async fn stopped(&self) -> End {
        self.stopping.cancelled().await;
        self.course.turns.border().await;
        End::Stopping
    }
}

pub(super) trait Messages: Stream<Item = Result<Message, SocketError>> {}
impl<S: Stream<Item = Result<Message, SocketError>>> Messages for S {}
pub(super) trait Outlet: Sink<Message, Error = SocketError> {}
impl<S: Sink<Message, Error = SocketError>> Outlet for S {}

/// The next message. What was fed to `to` leaves when nothing more is at hand: one write for many
/// small messages, and none of them late.
///
/// # Errors
/// Those of `to`.
async fn next(
    from: &mut (impl Messages + Unpin),
    to: &mut (impl Outlet + Unpin),
) -> Result<Option<Result<Message, SocketError>>, SocketError> {
    if let Some(message) = from.next().now_or_never() {
        return Ok(message);
    }
    to.flush().await?;
    Ok(from.next().await)
}

/// Says what is to be said, closes, and waits a moment for the other side to do so too: what it has
/// not read yet would be lost with the connection.
pub(super) async fn close<I>(
    (to, from): &mut Halves<I>,
    told: Option<ApiError>,
    frame: Option<CloseFrame>,
) where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut closing = pin!(async {
        if let Some(error) = told {
            to.feed(message_of(&error)).await?;
        }
        // Refused where the other side closed first: then its frame is answered by the library.
        let _ = to.send(Message::Close(frame)).await;
        to.flush().await?;
        while from.next().await.transpose()?.is_some() {}
        Ok::<_, SocketError>(())
    });
    // Whoever has left needs no goodbye.
    let _ = timeout(CLOSE_LIMIT, &mut closing).await;
}

#[cfg(test)]
mod tests {
    use codex_auth::{Backend, CredentialError, ProfileRef, RouteHint};
    use serde_json::Value;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::sleep,
    };
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::{
        route::{ChosenProfile, RouteReason},
        ws::{course::Destination, listed::ListedTurns},
    };

    const TURN: &str = r#"{"type":"response.create"}"#;

    struct AlwaysWork;

    impl ProfileTable for AlwaysWork {
        async fn choose(&self, _: Option<&ProfileRef>) -> Result<ChosenProfile, CredentialError> {
            Ok(ChosenProfile {
                profile: ProfileRef::new("work"),
                backend: Backend::ChatGpt,
                identity: None,
                default_reason: RouteReason::Current,
            })
        }
    }

    /// A client and an upstream, with a relay between them.
    async fn ends(stopping: CancellationToken) -> (Socket<DuplexStream>, Socket<DuplexStream>) {
        let (client, upstream) = raw_ends(stopping).await;
        (
            Socket::new(client, Role::Client, None).await,
            Socket::new(upstream, Role::Server, None).await,
        )
    }

    /// The same, before they speak WebSocket.
    async fn raw_ends(stopping: CancellationToken) -> (DuplexStream, DuplexStream) {
        let hint = RouteHint::profile(ProfileRef::new("work"));
        let course = Course::new(
            Destination::new(AlwaysWork, hint, None),
            None,
            ListedTurns::of(&http::Extensions::new()),
        );
        let (client, near) = duplex(1 << 16);
        let (far, upstream) = duplex(1 << 16);
        let (near, far) = (
            Socket::new(near, Role::Server, None).await,
            Socket::new(far, Role::Client, None).await,
        );
        tokio::spawn(Relay::new(course, stopping).run(near, far));
        (client, upstream)
    }

    #[tokio::test]
    async fn an_upstream_that_breaks_the_protocol_is_told_so_and_its_turn_is_an_error() {
        // Compressed, which was not agreed on; and a text that is none.
        for (frame, code) in [(b"\xC1\x01x", 1002_u16), (b"\x81\x01\xFF", 1007)] {
            let (client, mut upstream) = raw_ends(CancellationToken::new()).await;
            let mut client = Socket::new(client, Role::Client, None).await;
            client.send(Message::text(TURN)).await.unwrap();
            // The turn has begun when it gets there.
            let mut begun = [0; 2];
            upstream.read_exact(&mut begun).await.unwrap();
            upstream.write_all(frame).await.unwrap();
            let error = error_at(&mut client).await;
            assert_eq!(error["error"]["code"], "upstream_connection_lost");
            let close = client.next().await.unwrap().unwrap();
            let Message::Close(Some(close)) = close else {
                panic!("{close:?}");
            };
            assert_eq!(u16::from(close.code), 1011);
            // The mask and the text of the turn, and a close of two bytes under a mask of its own.
            let mut rest = vec![0; 4 + TURN.len() + 8];
            upstream.read_exact(&mut rest).await.unwrap();
            let &[0x88, 0x82, ref mask @ .., high, low] = &rest[4 + TURN.len()..] else {
                panic!("{rest:?}");
            };
            assert_eq!(u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]), code);
        }
    }

    async fn error_at(client: &mut Socket<DuplexStream>) -> Value {
        let message = client.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_an_error_within_a_turn_and_none_between_two() {
        let (mut client, mut upstream) = ends(CancellationToken::new()).await;
        sleep(IDLE_LIMIT * 3 + IDLE_LIMIT / 2).await;
        client.send(Message::text(TURN)).await.unwrap();
        assert_eq!(upstream.next().await.unwrap().unwrap(), Message::text(TURN));
        let begun = Instant::now();
        let error = error_at(&mut client).await;
        assert_eq!(error["error"]["code"], "upstream_timeout");
        assert_eq!(error["status"], 504);
        assert_eq!(begun.elapsed().as_secs(), IDLE_LIMIT.as_secs());
        let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
            panic!("not closed");
        };
        assert_eq!(u16::from(frame.code), 1011);
    }

    #[tokio::test(start_paused = true)]
    async fn each_message_of_the_upstream_begins_the_silence_anew() {
        let (mut client, mut upstream) = ends(CancellationToken::new()).await;
        client.send(Message::text(TURN)).await.unwrap();
        for kind in ["response.created", "response.x", "response.completed"] {
            sleep(IDLE_LIMIT.mul_f32(0.99)).await;
            let event = format!(r#"{{"type":"{kind}"}}"#);
            upstream.send(Message::text(&event)).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), Message::text(event));
        }
    }

    #[tokio::test]
    async fn a_turn_under_way_holds_up_the_end() {
        let stopping = CancellationToken::new();
        let (mut client, mut upstream) = ends(stopping.clone()).await;
        client.send(Message::text(TURN)).await.unwrap();
        assert_eq!(upstream.next().await.unwrap().unwrap(), Message::text(TURN));
        stopping.cancel();
        let last = Message::text(r#"{"type":"response.completed"}"#);
        upstream.send(last.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), last);
        assert!(client.next().await.unwrap().unwrap().is_close());
    }
}
