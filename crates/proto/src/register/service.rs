//! Serves a register.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use quorate_register::{OperationError, Reason, Register};
use quorate_trace::{Span, Traces, parent};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::opened::Opened;
use super::server::RegisterServer;
use super::traced::{TracedOperation, observed, served};
use super::wire::Exchanged;
use crate::convert::register as convert;
use crate::error::to_status;
use crate::exchange::{Attended, OpenExchanges};
use crate::v1::register_server;
use crate::{Limits, v1};

/// What a coordinator knows of the store it serves.
#[async_trait]
pub trait StatusSource: Send + Sync {
    /// Its config, and how it reaches each member. It ends within `timeout`: members that
    /// did not answer by then are reported as not reachable.
    async fn status(&self, timeout: Duration) -> Result<v1::StatusResponse, OperationError>;
}

/// Is told of each Get, Set and Delete that the service refuses by itself, so that those the
/// register never hears of are counted with those that it does.
pub trait RefusalObserver: Send + Sync {
    /// `operation` is `get`, `set` or `delete`.
    fn refused(&self, operation: &'static str, error: &OperationError);
}

/// The service `quorate.v1.Register` over any [`Register`].
///
/// A call's time counts from the arrival of its headers; the register is given a little
/// less. A call whose client goes away is dropped.
pub struct RegisterService<R: ?Sized, S: ?Sized> {
    limits: Limits,
    register: Arc<R>,
    status: Arc<S>,
    observer: Option<Arc<dyn RefusalObserver>>,
    stop: CancellationToken,
    traces: Traces,
    exchanges: OpenExchanges,
}

impl<R, S> RegisterService<R, S>
where
    R: Register + ?Sized + 'static,
    S: StatusSource + ?Sized + 'static,
{
    /// Serves `register`, and `status` besides it, within these limits.
    pub fn new(register: Arc<R>, status: Arc<S>, limits: Limits) -> Self {
        Self {
            limits,
            register,
            status,
            observer: None,
            stop: CancellationToken::new(),
            traces: Traces::off(),
            exchanges: OpenExchanges::default(),
        }
    }

    /// Ends the exchanges with `stop`, once what they were asked before is answered: they
    /// would not end by themselves.
    #[must_use]
    pub fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Makes each operation a span, part of its caller's trace if that has one.
    #[must_use]
    pub fn traced_by(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// The span of an operation that these headers came with.
    fn span(&self, operation: TracedOperation, metadata: &MetadataMap) -> Span {
        match self.traces.is_on() {
            true => served(
                &self.traces,
                operation,
                parent::of_headers(metadata.as_ref()),
            ),
            false => Span::none(),
        }
    }

    /// Tells `observer` of what is refused here.
    pub fn observed_by(self, observer: Arc<dyn RefusalObserver>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// The exchanges that it has open.
    pub fn exchanges(&self) -> OpenExchanges {
        self.exchanges.clone()
    }

    /// The service for a [`tonic::transport::Server`], its messages limited.
    pub fn into_server(self) -> RegisterServer<R, S> {
        let (limits, observer) = (self.limits, self.observer.clone());
        RegisterServer::new(self, limits, observer)
    }
}

#[async_trait]
impl<R, S> register_server::Register for RegisterService<R, S>
where
    R: Register + ?Sized + 'static,
    S: StatusSource + ?Sized + 'static,
{
    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::GetResponse>, Status> {
        let span = self.span(TracedOperation::Get, request.metadata());
        let (opened, request) = open(request)?;
        traced(span, async {
            let key = convert::get(&request)?;
            let left = opened.begin()?;
            let entry = self.register.get(&key, Some(left)).await?;
            Ok(entry.into())
        })
        .await
    }

    async fn set(
        &self,
        request: Request<v1::SetRequest>,
    ) -> Result<Response<v1::SetResponse>, Status> {
        refuse_retry(request.metadata())?;
        let span = self.span(TracedOperation::Set, request.metadata());
        let (opened, request) = open(request)?;
        traced(span, async {
            let (key, value) = convert::set(request, self.limits)?;
            let left = opened.begin()?;
            let version = self.register.set(&key, value, Some(left)).await?;
            Ok(v1::SetResponse {
                version: Some(version.into()),
            })
        })
        .await
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::DeleteResponse>, Status> {
        refuse_retry(request.metadata())?;
        let span = self.span(TracedOperation::Delete, request.metadata());
        let (opened, request) = open(request)?;
        traced(span, async {
            let key = convert::delete(&request)?;
            let left = opened.begin()?;
            let version = self.register.delete(&key, Some(left)).await?;
            Ok(v1::DeleteResponse {
                version: Some(version.into()),
            })
        })
        .await
    }

    type ExchangeStream = Attended<Exchanged<R>>;

    async fn exchange(
        &self,
        request: Request<Streaming<v1::RegisterExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        refuse_retry(request.metadata())?;
        let exchanged = Exchanged {
            register: self.register.clone(),
            limits: self.limits,
            observer: self.observer.clone(),
            traces: self.traces.clone(),
        };
        let answers = Attended::new(exchanged, request, &self.stop, &self.exchanges);
        Ok(Response::new(answers))
    }

    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        let (opened, _) = open(request)?;
        answer(async { self.status.status(opened.left()?).await }).await
    }
}

/// What [`RegisterServer`] noted about a request, and its message.
fn open<M>(request: Request<M>) -> Result<(Opened, M), Status> {
    let (_, mut extensions, message) = request.into_parts();
    let opened = extensions.remove::<Opened>();
    let opened =
        opened.ok_or_else(|| Status::internal("the service is not within its RegisterServer"))?;
    Ok((opened, message))
}

async fn answer<A>(
    call: impl Future<Output = Result<A, OperationError>>,
) -> Result<Response<A>, Status> {
    call.await.map(Response::new).map_err(to_status)
}

/// The answer of an operation, made within its span.
async fn traced<A>(
    span: Span,
    call: impl Future<Output = Result<A, OperationError>>,
) -> Result<Response<A>, Status> {
    answer(observed(span, call)).await
}

/// What says that a request is a retry, and the largest number with which it is none.
const ATTEMPT_HEADERS: [(&str, u64); 2] = [
    ("grpc-previous-rpc-attempts", 0),
    ("x-envoy-attempt-count", 1),
];

/// Refuses a Set or Delete that something on the way sent again. The first one may have been
/// carried out, and this one would choose a timestamp of its own: a value written in between
/// could be overwritten by the older one.
fn refuse_retry(metadata: &MetadataMap) -> Result<(), Status> {
    for (header, largest) in ATTEMPT_HEADERS {
        for value in metadata.get_all(header) {
            let attempts = value
                .to_str()
                .ok()
                .and_then(|text| text.parse::<u64>().ok());
            if attempts.is_some_and(|attempts| attempts <= largest) {
                continue;
            }
            let message = format!(
                "{header} is {value:?}: a Set or Delete is never repeated, since that is a second write"
            );
            let mut error = OperationError::unknown(Reason::RetryRefused, message);
            error.details.insert("header".to_owned(), header.to_owned());
            return Err(to_status(error));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn with(header: &'static str, values: &[&'static str]) -> Result<(), Status> {
        let mut metadata = MetadataMap::new();
        for value in values {
            metadata.append(header, value.parse().unwrap());
        }
        refuse_retry(&metadata)
    }

    #[test]
    fn only_first_attempts_are_served() {
        assert!(refuse_retry(&MetadataMap::new()).is_ok());
        for (header, values, served) in [
            ("grpc-previous-rpc-attempts", &["0"][..], true),
            ("grpc-previous-rpc-attempts", &["1"], false),
            ("grpc-previous-rpc-attempts", &["0", "2"], false),
            ("grpc-previous-rpc-attempts", &["nonsense"], false),
            ("x-envoy-attempt-count", &["1"], true),
            ("x-envoy-attempt-count", &["2"], false),
            ("x-envoy-attempt-count", &["-1"], false),
            ("x-envoy-attempt-count", &[""], false),
        ] {
            let result = with(header, values);
            assert_eq!(result.is_ok(), served, "{header}: {values:?}");
            if let Err(status) = result {
                assert_eq!(status.code(), Code::Unknown);
                assert!(status.message().contains(header));
            }
        }
    }
}
