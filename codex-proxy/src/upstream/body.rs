use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use crate::spans::Step;

/// How often the connection's task is given a turn before what was read is handed over.
const PATIENCE: u8 = 4;
/// Enough for one write.
const FULL_BYTES: usize = 32 << 10;

pin_project_lite::pin_project! {
    /// Hands over in one frame what has already arrived.
    ///
    /// A server that streams a token per chunk would otherwise cost one system call a token: the
    /// body is polled faster than the connection's task decodes its buffer. This body lets that
    /// task run a few times first. It never waits for the network, so a lone token is not late.
    pub struct Coalesce<B: Body> {
        #[pin]
        inner: B,
        held: Held,
        turns_given: u8,
        end: Option<End<B>>,
        call: Option<Step>,
    }
}

/// What ended the body, kept until what was held has gone out.
type End<B> = Option<Result<Frame<Bytes>, <B as Body>::Error>>;

impl<B: Body> Coalesce<B> {
    /// Wraps a body.
    pub fn new(inner: B) -> Self {
        Self {
            inner,
            held: Held::default(),
            turns_given: 0,
            end: None,
            call: None,
        }
    }

    /// It belongs to this call, which ends with it.
    pub(super) fn of_call(self, call: Step) -> Self {
        let call = Some(call);
        Self { call, ..self }
    }
}

impl<B: Body<Data = Bytes>> Body for Coalesce<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        while this.end.is_none() && this.held.len() < FULL_BYTES {
            match this.inner.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        *this.turns_given = 0;
                        this.held.push(data);
                    }
                    Err(trailers) => *this.end = Some(Some(Ok(trailers))),
                },
                Poll::Ready(end) => *this.end = Some(end),
                Poll::Pending if this.held.is_empty() => return Poll::Pending,
                Poll::Pending if *this.turns_given < PATIENCE => {
                    *this.turns_given += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        *this.turns_given = 0;
        if let Some(data) = this.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let end = this.end.replace(None).flatten();
        if let (Some(Err(_)), Some(call)) = (&end, this.call.take()) {
            call.broke();
        }
        Poll::Ready(end)
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && matches!(self.end, None | Some(None)) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.len() as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + held);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

// Written by hand: what is held is somebody's conversation.
impl<B: Body> fmt::Debug for Coalesce<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesce")
            .field("held_bytes", &self.held.len())
            .finish_non_exhaustive()
    }
}

/// Chunks joined into one; a lone chunk is never copied.
#[derive(Default)]
struct Held {
    lone: Bytes,
    joined: BytesMut,
}

impl Held {
    fn push(&mut self, data: Bytes) {
        if self.is_empty() {
            self.lone = data;
            return;
        }
        self.joined
            .extend_from_slice(&std::mem::take(&mut self.lone));
        self.joined.extend_from_slice(&data);
    }

    fn take(&mut self) -> Option<Bytes> {
        if self.joined.is_empty() {
            return Some(std::mem::take(&mut self.lone)).filter(|data| !data.is_empty());
        }
        Some(self.joined.split().freeze())
    }

    fn len(&self) -> usize {
        self.lone.len() + self.joined.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::BoxError;

    /// Plays a script; `None` is a turn in which nothing has arrived.
    struct Scripted(VecDeque<Turn>);

    impl Body for Scripted {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some(Some(data)) => Poll::Ready(Some(data.map(Frame::data))),
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }
    }

    type Turn = Option<Result<Bytes, BoxError>>;

    fn chunk(text: &'static str) -> Turn {
        Some(text).map(|text| Ok(Bytes::from_static(text.as_bytes())))
    }

    async fn frames(script: Vec<Turn>) -> (Vec<Bytes>, Option<String>) {
        let mut body = Coalesce::new(Scripted(script.into()));
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => frames.push(frame.into_data().unwrap()),
                Err(error) => return (frames, Some(error.to_string())),
            }
        }
        (frames, None)
    }

    #[tokio::test]
    async fn what_arrives_within_a_few_turns_is_one_frame() {
        let script = vec![chunk("a"), None, chunk("b"), None, None, chunk("c")];
        assert_eq!(frames(script).await.0, ["abc"]);
    }

    #[tokio::test]
    async fn a_token_is_not_held_back_when_nothing_follows() {
        let mut script = vec![chunk("a")];
        script.extend((0..=PATIENCE).map(|_| None));
        script.push(chunk("b"));
        assert_eq!(frames(script).await.0, ["a", "b"]);
    }

    #[tokio::test]
    async fn what_arrived_before_a_failure_goes_out_first() {
        let script = vec![chunk("a"), Some(Err("cut".into()))];
        assert_eq!(
            frames(script).await,
            (vec![Bytes::from("a")], Some("cut".into()))
        );
    }

    #[tokio::test]
    async fn a_fast_upstream_cannot_make_it_grow() {
        static LARGE: [u8; FULL_BYTES] = [b'x'; FULL_BYTES];
        let script = (0..4)
            .map(|_| Some(Ok(Bytes::from_static(&LARGE))))
            .collect();
        assert_eq!(frames(script).await.0.len(), 4);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_moved(script in proptest::collection::vec(proptest::option::of("[a-z]{1,9}"), 0..40)) {
            let expected: String = script.iter().flatten().map(String::as_str).collect();
            let script = script.into_iter().map(|text| text.map(|text| Ok(Bytes::from(text)))).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (frames, _) = runtime.block_on(frames(script));
            prop_assert_eq!(frames.concat(), expected.as_bytes());
        }
    }
}
