use std::convert::Infallible;

use axum::{
    Json,
    extract::State,
    response::sse::{Event, Sse},
};
use futures_util::{Stream, StreamExt as _};

use super::Answer;
use crate::control::{Control, Overview, Requests};

pub(super) async fn overview(State(control): State<Control>) -> Answer<Overview> {
    Ok(Json(control.overview().await?))
}

pub(super) async fn requests(State(control): State<Control>) -> Json<Requests> {
    Json(control.requests())
}

pub(super) async fn events(
    State(control): State<Control>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = control.events();
    Sse::new(events.map(|event| Ok(Event::default().event(event.name).data(event.data))))
}
