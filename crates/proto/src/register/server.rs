//! The service as a server sees it: what tonic leaves unsaid, said.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use quorate_register::{OperationError, Reason, Register};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::opened::Opened;
use super::{RefusalObserver, RegisterService, StatusSource};
use crate::deadline::{self, Deadline};
use crate::error::{Call, Sent, from_status, to_status};
use crate::exchange::MAX_MESSAGE_BYTES;
use crate::{Limits, v1};

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

type Inner<R, S> = v1::register_server::RegisterServer<RegisterService<R, S>>;

/// A [`RegisterService`] for a [`tonic::transport::Server`].
///
/// It refuses calls beyond a limit before it reads their messages, so that these take no
/// memory. It answers each call before its time is up, with an error if need be, since tonic then
/// answers CANCELLED, whatever was begun. And it gives the errors by which tonic refuses a
/// message (too long, not of this interface) the code and details of Quorate's own.
pub struct RegisterServer<R: ?Sized, S: ?Sized> {
    inner: Inner<R, S>,
    limits: Limits,
    observer: Option<Arc<dyn RefusalObserver>>,
    max_calls: usize,
    free_calls: Arc<Semaphore>,
}

impl<R: ?Sized, S: ?Sized> Clone for RegisterServer<R, S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            limits: self.limits,
            observer: self.observer.clone(),
            max_calls: self.max_calls,
            free_calls: self.free_calls.clone(),
        }
    }
}

impl<R: ?Sized, S: ?Sized> RegisterServer<R, S> {
    /// How many calls are open at once, unless set otherwise.
    pub const DEFAULT_MAX_CALLS: usize = 4096;

    pub(super) fn new(
        service: RegisterService<R, S>,
        limits: Limits,
        observer: Option<Arc<dyn RefusalObserver>>,
    ) -> Self {
        let limit = limits.max_message_bytes().max(MAX_MESSAGE_BYTES);
        let inner = Inner::new(service).max_decoding_message_size(limit);
        Self {
            inner,
            limits,
            observer,
            max_calls: Self::DEFAULT_MAX_CALLS,
            free_calls: Arc::new(Semaphore::new(Self::DEFAULT_MAX_CALLS)),
        }
    }

    /// Sets how many calls are open at once, over all connections; an exchange counts only
    /// until it is open, and has a limit of its own. More are answered with
    /// RESOURCE_EXHAUSTED at once. Each may hold a message of the largest size.
    pub fn max_calls(self, max_calls: usize) -> Self {
        let max_calls = max_calls.min(Semaphore::MAX_PERMITS);
        Self {
            max_calls,
            free_calls: Arc::new(Semaphore::new(max_calls)),
            ..self
        }
    }
}

impl<R: ?Sized, S: ?Sized> NamedService for RegisterServer<R, S> {
    const NAME: &'static str = v1::register_server::SERVICE_NAME;
}

impl<R, S> Service<Request<Body>> for RegisterServer<R, S>
where
    R: Register + ?Sized + 'static,
    S: StatusSource + ?Sized + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let refusals = Refusals {
            operation: operation(request.uri().path()),
            observer: self.observer.clone(),
        };
        let deadline = match deadline::timeout(request.headers()) {
            Ok(timeout) => Deadline::new(Instant::now(), timeout),
            Err(error) => return refusals.refuse(error.into()),
        };
        let Ok(permit) = self.free_calls.clone().try_acquire_owned() else {
            let message = format!("this coordinator has its {} calls open", self.max_calls);
            let error = OperationError::not_applied(Reason::Overloaded, message);
            return refusals.refuse(error);
        };
        let opened = Opened::new(deadline);
        request.extensions_mut().insert(opened.clone());
        let limits = self.limits;
        let answering = timeout_at(deadline.last_answer(), self.inner.call(request));
        Box::pin(async move {
            let _permit = permit;
            let response = match answering.await {
                Ok(response) => response?,
                Err(_) => to_status(opened.time_is_up(refusals.writes())).into_http(),
            };
            let Some(status) = Status::from_header_map(response.headers()) else {
                return Ok(response);
            };
            let explained = explain(&status, limits);
            if !opened.begun() {
                let status = explained.as_ref().unwrap_or(&status);
                refusals.note(&from_status(status, Call::Write, Sent::Nothing));
            }
            Ok(explained.map_or(response, Status::into_http))
        })
    }
}

/// Sees to it that a call counts although the register never hears of it.
struct Refusals {
    /// `None` for a call that is no operation on a key.
    operation: Option<&'static str>,
    observer: Option<Arc<dyn RefusalObserver>>,
}

impl Refusals {
    fn writes(&self) -> bool {
        matches!(self.operation, Some("set" | "delete"))
    }

    fn note(&self, error: &OperationError) {
        if let (Some(operation), Some(observer)) = (self.operation, &self.observer) {
            observer.refused(operation, error);
        }
    }

    /// Answers without looking at the message.
    fn refuse(&self, error: OperationError) -> Answering {
        self.note(&error);
        Box::pin(ready(Ok(to_status(error).into_http())))
    }
}

/// The operation that a method's path asks for.
fn operation(path: &str) -> Option<&'static str> {
    match path.rsplit('/').next()? {
        "Get" => Some("get"),
        "Set" => Some("set"),
        "Delete" => Some("delete"),
        _ => None,
    }
}

/// The better status for one that tonic made of a message, before any handler saw it. All
/// statuses of handlers have details.
fn explain(status: &Status, limits: Limits) -> Option<Status> {
    if !status.details().is_empty() {
        return None;
    }
    let problem = match status.code() {
        Code::OutOfRange => format!(
            "it has more than {} bytes; a value has up to {}",
            limits.max_message_bytes(),
            limits.max_value_bytes()
        ),
        Code::Internal => format!("it is not one of this interface: {}", status.message()),
        _ => return None,
    };
    Some(to_status(OperationError::invalid("message", problem)))
}
