//! Where traces go: to an OpenTelemetry collector, by OTLP over gRPC.
//!
//! Nothing waits for the collector. Spans that ended wait in a bounded queue, a thread of their
//! own sends them, and where the queue is full or the collector does not take them they are
//! dropped, which is counted and logged now and then.

mod counted;
mod notable;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use prometheus::Registry;
use quorate_trace::Traces;
use tokio_util::sync::CancellationToken;

pub use self::counted::TraceMetrics;
use self::counted::{Counted, CountedExporter, MAX_WAITING};
use self::notable::{KeepNotable, RecordOperations};

/// The flags of traces.
#[derive(Debug, Clone, clap::Args)]
pub struct TraceArgs {
    /// Where traces are sent: an OpenTelemetry collector's address for OTLP over gRPC, such as
    /// http://collector:4317. Without it nothing is traced.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub trace_endpoint: Option<TraceEndpoint>,

    /// The share of operations to trace, from 0 to 1. Those whose client traces them, or
    /// decided not to, are as their client decided.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "SHARE", value_parser = share, default_value = "0.01")]
    pub trace_share: f64,
}

/// The address of a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEndpoint(String);

/// What is wrong with the address of a collector, or with a share.
#[derive(Debug, thiserror::Error)]
pub enum ParseTraceArgError {
    /// It is no such address.
    #[error("it must be http://HOST:PORT; TLS is left to a proxy or an agent beside the program")]
    Endpoint,
    /// It is no such number.
    #[error("it must be a number from 0 to 1")]
    Share,
}

impl std::str::FromStr for TraceEndpoint {
    type Err = ParseTraceArgError;

    fn from_str(text: &str) -> Result<Self, ParseTraceArgError> {
        let rest = text.strip_prefix("http://");
        let authority = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let usable = |it: &str| !it.is_empty() && !it.contains(['/', '@', '?', '#', ' ']);
        match authority.is_some_and(usable) {
            true => Ok(Self(text.to_owned())),
            false => Err(ParseTraceArgError::Endpoint),
        }
    }
}

fn share(text: &str) -> Result<f64, ParseTraceArgError> {
    let share = text.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or(ParseTraceArgError::Share)
}

/// Why traces cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter cannot be set up.
    #[error("traces cannot be sent: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Metrics could not be registered.
    #[error("metrics of traces cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// What sends traces. [End](Self::end) it when no more spans come.
#[derive(Debug, Default)]
pub struct TraceSender {
    traces: Traces,
    provider: Option<SdkTracerProvider>,
}

/// How long the collector may take for what it is sent, and for the rest at the end.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
const END_TIMEOUT: Duration = Duration::from_secs(2);

impl TraceSender {
    /// Sends what a program of this name traces, if it is told where to. Must be called within
    /// a tokio runtime. The collector need not be there.
    ///
    /// # Errors
    /// See [`TracesError`].
    pub fn start(
        args: &TraceArgs,
        program: &'static str,
        instance: &str,
        registry: &Registry,
    ) -> Result<Self, TracesError> {
        let Some(TraceEndpoint(endpoint)) = &args.trace_endpoint else {
            return Ok(Self::default());
        };
        let counts = TraceMetrics::new(registry)?;
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let exporter = CountedExporter::new(exporter, counts.clone());
        // Larger than what is let in, so that nothing is dropped where it is not counted.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(2 * MAX_WAITING)
            .build();
        let batches = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        let resource = Resource::builder()
            .with_service_name(program)
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let share = Sampler::TraceIdRatioBased(args.trace_share);
        let sampler = Sampler::ParentBased(Box::new(share));
        let provider = SdkTracerProvider::builder()
            .with_sampler(RecordOperations(sampler))
            .with_resource(resource)
            .with_span_processor(KeepNotable(Counted::new(batches, counts)))
            .build();
        Ok(Self {
            traces: Traces::new(provider.tracer("quorate")),
            provider: Some(provider),
        })
    }

    /// Where spans go.
    pub fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// Sends what is left, for two seconds at most, and not when `cancel` is cancelled: a collector
    /// that is away must not hold up the end.
    pub async fn end(self, cancel: &CancellationToken) {
        let Some(provider) = self.provider else {
            return;
        };
        // It blocks.
        let ended = tokio::task::spawn_blocking(move || {
            // What was not sent by then is lost, and the process ends: nobody reads a count.
            let _ = provider.shutdown_with_timeout(END_TIMEOUT);
        });
        let _ = cancel.run_until_cancelled(ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_shares_are_checked() {
        for good in [
            "http://collector:4317",
            "http://[::1]:4317/",
            "http://10.0.0.1",
        ] {
            assert!(good.parse::<TraceEndpoint>().is_ok(), "{good}");
        }
        let secret = "http://name:secret@collector:4317";
        for bad in [
            "",
            "collector:4317",
            "https://collector",
            "http://",
            "http://a/v1",
            secret,
        ] {
            assert!(bad.parse::<TraceEndpoint>().is_err(), "{bad}");
        }
        assert_eq!(share("0.5").ok(), Some(0.5));
        for bad in ["", "NaN", "-0.1", "1.1", "50%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
