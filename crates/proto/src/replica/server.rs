//! Serves a replica.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::{Replica, ReplicaError};
use quorate_trace::{Parent, Traces, parent};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::wire::Exchanged;

use crate::convert::refusal::refusal;
use crate::convert::{digest, replica as convert, scan};
use crate::exchange::{Attended, MAX_MESSAGE_BYTES, OpenExchanges};
use crate::v1::{local_read_response, local_read_timestamp_response, replica_server};
use crate::{Limits, deadline, v1};

/// The service `quorate.v1.Replica` over any [`Replica`].
///
/// What the replica refuses is answered as a `refusal`, with the status OK, and so is a
/// request outside its limits. A call whose client goes away or whose time is up is dropped.
#[derive(Debug)]
pub struct ReplicaService<R: ?Sized> {
    limits: Limits,
    replica: Arc<R>,
    stop: CancellationToken,
    traces: Traces,
    exchanges: OpenExchanges,
}

impl<R: Replica + ?Sized + 'static> ReplicaService<R> {
    /// Serves `replica` within these limits.
    pub fn new(replica: Arc<R>, limits: Limits) -> Self {
        Self {
            limits,
            replica,
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

    /// Takes part in the traces of those who call.
    #[must_use]
    pub fn traced_by(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// The span that a call came with.
    fn parent(&self, metadata: &MetadataMap) -> Parent {
        match self.traces.is_on() {
            true => self.traces.adopt(parent::of_headers(metadata.as_ref())),
            false => Parent::default(),
        }
    }

    /// The exchanges that it has open.
    pub fn exchanges(&self) -> OpenExchanges {
        self.exchanges.clone()
    }

    /// The service for a [`tonic::transport::Server`], its messages limited.
    pub fn into_server(self) -> replica_server::ReplicaServer<Self> {
        let limit = self.limits.max_message_bytes().max(MAX_MESSAGE_BYTES);
        replica_server::ReplicaServer::new(self).max_decoding_message_size(limit)
    }
}

#[async_trait]
impl<R: Replica + ?Sized + 'static> replica_server::Replica for ReplicaService<R> {
    async fn local_read(
        &self,
        request: Request<v1::LocalReadRequest>,
    ) -> Result<Response<v1::LocalReadResponse>, Status> {
        let parent = self.parent(request.metadata());
        let (timeout, request) = open(request);
        let result = async {
            let (fence, key) = convert::local_read(request)?;
            self.replica.local_read(&fence, &key, timeout?).await
        };
        let answer = match parent.scope(result).await {
            Ok(pair) => local_read_response::Answer::Pair(pair.into()),
            Err(error) => local_read_response::Answer::Refusal(refuse(&error)?),
        };
        Ok(Response::new(v1::LocalReadResponse {
            answer: Some(answer),
        }))
    }

    async fn local_read_timestamp(
        &self,
        request: Request<v1::LocalReadTimestampRequest>,
    ) -> Result<Response<v1::LocalReadTimestampResponse>, Status> {
        let parent = self.parent(request.metadata());
        let (timeout, request) = open(request);
        let result = async {
            let (fence, key) = convert::local_read_timestamp(request)?;
            self.replica
                .local_read_timestamp(&fence, &key, timeout?)
                .await
        };
        let answer = match parent.scope(result).await {
            Ok(timestamp) => local_read_timestamp_response::Answer::Timestamp(timestamp.into()),
            Err(error) => local_read_timestamp_response::Answer::Refusal(refuse(&error)?),
        };
        let answer = v1::LocalReadTimestampResponse {
            answer: Some(answer),
        };
        Ok(Response::new(answer))
    }

    async fn local_write(
        &self,
        request: Request<v1::LocalWriteRequest>,
    ) -> Result<Response<v1::LocalWriteResponse>, Status> {
        let parent = self.parent(request.metadata());
        let (timeout, request) = open(request);
        let result = async {
            let (fence, write) = convert::local_write(request, self.limits)?;
            self.replica.local_write(&fence, &write, timeout?).await
        };
        let refusal = refusal_of(parent.scope(result).await)?;
        Ok(Response::new(v1::LocalWriteResponse { refusal }))
    }

    async fn local_write_all(
        &self,
        request: Request<v1::LocalWriteAllRequest>,
    ) -> Result<Response<v1::LocalWriteAllResponse>, Status> {
        let (timeout, request) = open(request);
        let result = async {
            let (fence, writes) = convert::local_write_all(request, self.limits)?;
            let written = self.replica.local_write_all(&fence, &writes, timeout?);
            written.await
        };
        let refusal = refusal_of(result.await)?;
        Ok(Response::new(v1::LocalWriteAllResponse { refusal }))
    }

    type ExchangeStream = Attended<Exchanged<R>>;

    async fn exchange(
        &self,
        request: Request<Streaming<v1::ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let exchanged = Exchanged {
            replica: self.replica.clone(),
            limits: self.limits,
            traces: self.traces.clone(),
        };
        let answers = Attended::new(exchanged, request, &self.stop, &self.exchanges);
        Ok(Response::new(answers))
    }

    async fn scan(
        &self,
        request: Request<v1::ScanRequest>,
    ) -> Result<Response<v1::ScanResponse>, Status> {
        let (timeout, request) = open(request);
        let result = async {
            let (fence, request) = scan::scan(request, self.limits)?;
            self.replica.scan(&fence, &request, timeout?).await
        };
        Ok(Response::new(match result.await {
            Ok(page) => scan::scan_answer(page, self.limits),
            Err(error) => v1::ScanResponse {
                refusal: Some(refuse(&error)?),
                ..v1::ScanResponse::default()
            },
        }))
    }

    async fn digest(
        &self,
        request: Request<v1::DigestRequest>,
    ) -> Result<Response<v1::DigestResponse>, Status> {
        let (timeout, request) = open(request);
        let result = async {
            let (fence, request) = digest::digest(request)?;
            self.replica.digest(&fence, &request, timeout?).await
        };
        Ok(Response::new(match result.await {
            Ok(digest) => digest::digest_answer(&digest),
            Err(error) => v1::DigestResponse {
                refusal: Some(refuse(&error)?),
                ..v1::DigestResponse::default()
            },
        }))
    }

    async fn adopt(
        &self,
        request: Request<v1::AdoptRequest>,
    ) -> Result<Response<v1::AdoptResponse>, Status> {
        let (timeout, request) = open(request);
        let result = async {
            let (replica_id, config, active) = convert::adopt(request)?;
            let adopted = self.replica.adopt(replica_id, &config, active, timeout?);
            adopted.await
        };
        let refusal = refusal_of(result.await)?;
        Ok(Response::new(v1::AdoptResponse { refusal }))
    }

    async fn admit(
        &self,
        request: Request<v1::AdmitRequest>,
    ) -> Result<Response<v1::AdmitResponse>, Status> {
        let (timeout, request) = open(request);
        let result = async {
            let (replica_id, boot, volume) = convert::admit(request)?;
            let admitted = self
                .replica
                .admit(replica_id, boot, volume.as_deref(), timeout?);
            admitted.await
        };
        let refusal = refusal_of(result.await)?;
        Ok(Response::new(v1::AdmitResponse { refusal }))
    }

    async fn retire(
        &self,
        request: Request<v1::RetireRequest>,
    ) -> Result<Response<v1::RetireResponse>, Status> {
        let (timeout, request) = open(request);
        let result = async {
            let (replica_id, config) = convert::retire(request)?;
            self.replica.retire(replica_id, &config, timeout?).await
        };
        let refusal = refusal_of(result.await)?;
        Ok(Response::new(v1::RetireResponse { refusal }))
    }

    async fn advise(
        &self,
        request: Request<v1::AdviseRequest>,
    ) -> Result<Response<v1::AdviseResponse>, Status> {
        let (timeout, request) = open(request);
        let result = async {
            let (replica_id, advice) = convert::advise(request)?;
            self.replica.advise(replica_id, advice, timeout?).await
        };
        let refusal = refusal_of(result.await)?;
        Ok(Response::new(v1::AdviseResponse { refusal }))
    }

    async fn identify(
        &self,
        request: Request<v1::IdentifyRequest>,
    ) -> Result<Response<v1::IdentifyResponse>, Status> {
        let (timeout, _) = open(request);
        let result = async { self.replica.identify(timeout?).await };
        match result.await {
            Ok(identity) => Ok(Response::new(identity.into())),
            Err(error @ ReplicaError::Invalid { .. }) => {
                Err(Status::invalid_argument(error.to_string()))
            }
            // This answer has no place for a refusal: no replica has a reason for one.
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }
}

/// The timeout of a request, and its message.
fn open<M>(request: Request<M>) -> (Result<Duration, ReplicaError>, M) {
    let (metadata, _, message) = request.into_parts();
    (timeout(metadata), message)
}

fn timeout(metadata: MetadataMap) -> Result<Duration, ReplicaError> {
    Ok(deadline::timeout(&metadata.into_headers())?)
}

/// The error as an answer. A replica that is itself one behind a network may be unreachable,
/// which is no answer.
fn refuse(error: &ReplicaError) -> Result<v1::Refusal, Status> {
    refusal(error).map_err(Status::unavailable)
}

fn refusal_of(result: Result<(), ReplicaError>) -> Result<Option<v1::Refusal>, Status> {
    result.err().map(|error| refuse(&error)).transpose()
}
