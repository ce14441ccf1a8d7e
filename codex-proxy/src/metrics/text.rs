//! The text itself: OpenMetrics, or the older form of Prometheus.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

use super::Metrics;
use crate::ApiError;

/// In which form it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MetricsFormat {
    /// That of Prometheus, version 0.0.4, which everything reads.
    #[default]
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// What a client with these headers accepts; in doubt [`Text`](Self::Text).
    #[must_use]
    pub fn accepted(headers: &HeaderMap) -> Self {
        let mut accepts = headers.get_all(header::ACCEPT).iter();
        let names_it = |value: &HeaderValue| {
            let value = value.to_str().unwrap_or_default();
            value.contains("application/openmetrics-text")
        };
        if accepts.any(names_it) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The value of `content-type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    /// Everything, as it is now; empty should it not fit into memory.
    pub async fn render(&self, format: MetricsFormat) -> String {
        self.written(format).await.unwrap_or_default()
    }

    /// The answer to a scrape with these headers.
    pub async fn answer<B: From<Bytes>>(&self, headers: &HeaderMap) -> Response<B> {
        let format = MetricsFormat::accepted(headers);
        match self.written(format).await {
            Ok(text) => {
                let mut response = Response::new(B::from(text.into()));
                let kind = HeaderValue::from_static(format.content_type());
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            Err(error) => error.into_response(),
        }
    }

    async fn written(&self, format: MetricsFormat) -> Result<String, ApiError> {
        let text = self.encoded().await?;
        Ok(match format {
            MetricsFormat::OpenMetrics => text,
            MetricsFormat::Text => older(&text),
        })
    }
}

/// OpenMetrics as Prometheus 0.0.4 has it: a counter is declared by the name that its samples have,
/// and what the older form does not know is left out.
fn older(text: &str) -> String {
    let mut older = String::with_capacity(text.len());
    let mut help: Option<&str> = None;
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(comment) if comment.starts_with("HELP ") => help = comment.strip_prefix("HELP "),
            Some(comment) => {
                if let Some((name, kind)) = declared(comment) {
                    let suffix = if kind == "counter" { "_total" } else { "" };
                    if let Some((_, help)) = help.take().and_then(|it| it.split_once(' ')) {
                        older.extend(["# HELP ", name, suffix, " ", help, "\n"]);
                    }
                    older.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
                }
            }
            None => {
                older += line;
                older.push('\n');
            }
        }
    }
    older
}

fn declared(comment: &str) -> Option<(&str, &str)> {
    comment.strip_prefix("TYPE ")?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_declared_as_their_samples_are_called() {
        let newer = "# HELP requests Those.\n# TYPE requests counter\nrequests_total{a=\"# b\"} 1\n\
                     # HELP wait_seconds It.\n# TYPE wait_seconds gauge\n# UNIT wait_seconds seconds\n\
                     wait_seconds 2.0\n# EOF\n";
        let text = "# HELP requests_total Those.\n# TYPE requests_total counter\n\
                    requests_total{a=\"# b\"} 1\n\
                    # HELP wait_seconds It.\n# TYPE wait_seconds gauge\nwait_seconds 2.0\n";
        assert_eq!(older(newer), text);
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        let accepted = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            MetricsFormat::accepted(&headers)
        };
        let of_prometheus = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        assert_eq!(accepted(of_prometheus), MetricsFormat::OpenMetrics);
        assert_eq!(accepted("*/*"), MetricsFormat::Text);
    }
}
