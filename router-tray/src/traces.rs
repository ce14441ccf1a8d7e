//! Traces of what is served, sent to a collector of OpenTelemetry (OTLP over HTTP).
//!
//! The environment says where, by the variables that every program of OpenTelemetry goes by. Nothing
//! is sent unless it does: what others would take for an invitation, a collector at its usual
//! address, is here a program that nobody has told this one of.

mod client;
mod settings;

use std::time::Duration;

use codex_proxy::traces::Traces;
use opentelemetry::{KeyValue, global::BoxedTracer, trace::TracerProvider as _};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector},
    trace::SdkTracerProvider,
};

use self::{
    client::Client,
    settings::{Wanted, wanted},
};
use crate::cli::{Failure, client as our};

/// How long the end of the program may wait for the collector to take the last of them.
const LAST: Duration = Duration::from_secs(2);

/// Sends traces. What waits for it is bounded (`OTEL_BSP_MAX_QUEUE_SIZE`); what finds no room there
/// is dropped, and no request waits.
pub(crate) struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// Where the environment says so, and can be understood. Within a runtime.
    ///
    /// # Errors
    /// There is no HTTPS client.
    pub(crate) fn start() -> Result<Option<Self>, Failure> {
        match wanted(|name| std::env::var(name).ok()) {
            Ok(None) => Ok(None),
            Ok(Some(wanted)) => Ok(Self::to(&wanted)?),
            Err(unknown) => {
                tracing::warn!("no traces are sent: {unknown}");
                Ok(None)
            }
        }
    }

    fn to(wanted: &Wanted) -> Result<Option<Self>, Failure> {
        let client = Client::new(our::http_client()?, wanted.timeout);
        let exporter = SpanExporter::builder().with_http().with_http_client(client);
        match exporter.build() {
            Ok(exporter) => {
                let provider = SdkTracerProvider::builder()
                    .with_resource(resource(wanted))
                    .with_batch_exporter(exporter);
                let provider = provider.build();
                Ok(Some(Self { provider }))
            }
            Err(error) => {
                let setting = setting_of(&error);
                tracing::warn!(
                    "no traces are sent: the {setting} of OTEL_EXPORTER_OTLP cannot be used"
                );
                Ok(None)
            }
        }
    }

    /// Who makes the spans that are sent.
    pub(crate) fn traces(&self) -> Traces {
        let tracer = self.provider.tracer("codex_proxy");
        let tracer = BoxedTracer::new(Box::new(tracer));
        Traces::with_propagator(tracer, TraceContextPropagator::new())
    }

    /// Sends what is left, for two seconds at most.
    pub(crate) async fn finish(self) {
        let last = move || self.provider.shutdown_with_timeout(LAST);
        // Whatever the collector makes of it, the program ends.
        let _ = tokio::task::spawn_blocking(last).await;
    }
}

/// What of the settings is wrong, without its value, which may hold a password.
fn setting_of(error: &ExporterBuildError) -> String {
    let text = error.to_string();
    let mut parts = text.split(": ").skip(1);
    let plain = |part: &&str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let setting = parts.next().filter(plain);
    setting.unwrap_or("value").to_owned()
}

/// The program, unless the environment calls it something else.
fn resource(wanted: &Wanted) -> Resource {
    let detectors: [Box<dyn ResourceDetector>; 2] = [
        Box::new(TelemetryResourceDetector),
        Box::new(EnvResourceDetector::new()),
    ];
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "codex-router"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_detectors(&detectors);
    match &wanted.service_name {
        Some(name) => resource.with_service_name(name.clone()).build(),
        None => resource.build(),
    }
}
