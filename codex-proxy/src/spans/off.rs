//! Nobody makes spans.

use std::time::Duration;

use codex_auth::ProfileRef;
use http::{Extensions, HeaderMap, Method, Request};

use crate::{ApiError, meter::Model, requests::RequestEntry};

#[derive(Debug)]
pub(crate) struct Step;

#[expect(
    clippy::unused_self,
    reason = "the same signatures as where spans are made"
)]
impl Step {
    #[inline]
    pub(crate) fn begin(_: &Extensions, _: &'static str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn answered(&self, _: http::StatusCode) {}

    #[inline]
    pub(crate) fn fail(&self, _: impl FnOnce() -> ApiError) {}

    #[inline]
    pub(crate) fn served_by(self, _: &ProfileRef) {}

    #[inline]
    pub(crate) fn broke(self) {}

    #[inline]
    pub(crate) fn watch<T, E, F>(&self, work: F, _: fn(&E) -> ApiError) -> F
    where
        F: Future<Output = Result<T, E>>,
    {
        work
    }

    #[inline]
    pub(crate) fn end(self) {}
}

#[derive(Debug)]
pub(crate) struct Operation;

#[expect(
    clippy::unused_self,
    reason = "the same signatures as where spans are made"
)]
impl Operation {
    #[inline]
    pub(crate) fn of<B>(_: &Request<B>, _: &str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn turn(&self, _: &str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn lead(&self, _: &mut Extensions) {}

    #[inline]
    pub(crate) fn asks(&self, _: &Model) {}

    #[inline]
    pub(crate) fn answers(&self, _: &HeaderMap) {}

    #[inline]
    pub(crate) fn hears(&self, _: &[u8]) {}

    #[inline]
    pub(crate) fn first_byte(&self, _: Duration) {}

    #[inline]
    pub(crate) fn end(&self, _: &RequestEntry) {}
}

#[derive(Debug, Clone)]
pub(crate) struct Link;

#[expect(
    clippy::unused_self,
    reason = "the same signatures as where spans are made"
)]
impl Link {
    #[inline]
    pub(crate) fn of(_: &Extensions) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn step(&self, _: &'static str) -> Step {
        Step
    }

    #[inline]
    pub(crate) fn call(&self, _: &Method, _: &reqwest::Url) -> Step {
        Step
    }

    #[inline]
    pub(crate) fn lead(&self, _: &mut Extensions) {}
}
