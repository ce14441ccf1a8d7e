//! One call of the upstream for a request that was written anew.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::{Request, Response, request, response};
use http_body_util::{Either, Full};
use tower::Service;

use super::message::{answer_headers, require_plain_answer};
use crate::error::BoxError;

/// Sends a new body, and gives the answer with the headers of a new one; breaks with an error
/// answer, which is handed on as it came.
pub(crate) async fn exchange<S, B, R>(
    mut inner: S,
    head: request::Parts,
    body: Vec<u8>,
    (stream, dropped): (bool, &[String]),
) -> Result<ControlFlow<Response<R>, (response::Parts, R)>, BoxError>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    let request = Request::from_parts(head, Either::Right(Full::from(body)));
    let answer = inner.call(request).await.map_err(Into::into)?;
    if answer.status().as_u16() >= 400 {
        return Ok(ControlFlow::Break(answer));
    }
    let (mut head, body) = answer.into_parts();
    require_plain_answer(&head.headers)?;
    answer_headers(&mut head.headers, stream, dropped);
    Ok(ControlFlow::Continue((head, body)))
}
