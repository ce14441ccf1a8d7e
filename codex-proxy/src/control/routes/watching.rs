use std::convert::Infallible;

use axum::{
    Json,
    extract::State,
    response::sse::{Event, Sse},
};
use futures_util::{Stream, StreamExt as _};

use super::Answer;
use crate::control::{Control, Overview, Requests};

/// Everything at this moment.
#[utoipa::path(get, path = "/api/overview", responses((status = 200, body = Overview)))]
pub(super) async fn overview(State(control): State<Control>) -> Answer<Overview> {
    Ok(Json(control.overview().await?))
}

/// The last requests, the newest first.
#[utoipa::path(get, path = "/api/requests", responses((status = 200, body = Requests)))]
pub(super) async fn requests(State(control): State<Control>) -> Json<Requests> {
    Json(control.requests())
}

/// Server-sent events: `overview` and `requests` at first, then `overview`, `request`, `notice` and
/// `sign_in` as things happen.
#[utoipa::path(get, path = "/api/events",
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn events(
    State(control): State<Control>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = control.events();
    Sse::new(events.map(|event| Ok(Event::default().event(event.name).data(event.data))))
}
