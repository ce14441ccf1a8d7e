//! The steps of a request as spans, where somebody wants them: [`traces`](crate::traces).
//!
//! Layers say what they do here, in every build; without the feature `otel` nothing comes of it,
//! and all of these types are empty.

#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod on;

#[cfg(not(feature = "otel"))]
pub(crate) use off::{Link, Operation, Step};
#[cfg(feature = "otel")]
pub(crate) use on::{Link, Operation, Point, Recorded, Step};
