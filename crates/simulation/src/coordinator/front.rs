//! A client's way to the coordinators.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_register::{Entry, Key, OperationError, Reason, Register, Version};
use quorate_workload::Request;

use super::CoordinatorHost;
use super::request::{Operation, OperationAnswer};
use crate::network::{Link, Reply};
use crate::random::Random;

/// One client's register: any coordinator will do, mostly the same one.
pub(crate) struct Front {
    links: Vec<Arc<Link<CoordinatorHost>>>,
    home: usize,
    random: Random,
    /// Whether it waits for a coordinator with too much to do, and never shortens a timeout.
    patient: bool,
}

impl Front {
    /// The register of a client, reached by these links, one per coordinator.
    pub(crate) fn new(
        links: Vec<Arc<Link<CoordinatorHost>>>,
        random: Random,
        patient: bool,
    ) -> Self {
        Self {
            patient,
            home: random.index(links.len()),
            links,
            random,
        }
    }

    /// Calls, and calls again when nothing was done, as the real client does.
    async fn call(&self, request: Request, timeout: Option<Duration>) -> OperationAnswer {
        let mut tries = 0;
        loop {
            tries += 1;
            let timeout = timeout.map(|timeout| self.shortened(timeout));
            let answer = self.call_once(request.clone(), timeout).await;
            let again = match answer.reason() {
                // What others left behind still fills the coordinator; the client's own
                // patience is the limit.
                Some(Reason::Overloaded) => self.patient || tries < MOST_TRIES,
                Some(Reason::NotReady) => !self.patient && tries < MOST_TRIES,
                _ => false,
            };
            if !again {
                return answer;
            }
            tokio::time::sleep(self.random.milliseconds(1..=20)).await;
        }
    }

    async fn call_once(&self, request: Request, timeout: Option<Duration>) -> OperationAnswer {
        let at = match self.random.chance(0.7) {
            true => self.home,
            false => self.random.index(self.links.len()),
        };
        let writes = !matches!(request, Request::Get(_));
        let operation = Operation { request, timeout };
        let error = match self.links[at].ask(operation).await {
            Reply::Answer(answer) => return answer,
            // Nobody is there to do anything.
            Reply::Refused => OperationError::not_applied(Reason::NotReady, "connection refused"),
            Reply::Reset if writes => {
                OperationError::unknown(Reason::Unreachable, "connection reset")
            }
            Reply::Reset => OperationError::not_applied(Reason::Unreachable, "connection reset"),
        };
        match writes {
            true => OperationAnswer::Wrote(Err(error)),
            false => OperationAnswer::Got(Err(error)),
        }
    }

    /// A few calls have little time, so that deadlines come in the midst of phases.
    fn shortened(&self, timeout: Duration) -> Duration {
        match !self.patient && self.random.chance(0.15) {
            true => self.random.milliseconds(1..=timeout.as_millis() as u64),
            false => timeout,
        }
    }

    async fn write(
        &self,
        request: Request,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        match self.call(request, timeout).await {
            OperationAnswer::Wrote(result) => result,
            OperationAnswer::Got(_) => unreachable!("a write is answered with a version"),
        }
    }
}

/// After so many tries an impatient client gives up.
const MOST_TRIES: u32 = 4;

#[async_trait]
impl Register for Front {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        match self.call(Request::Get(key.clone()), timeout).await {
            OperationAnswer::Got(result) => result,
            OperationAnswer::Wrote(_) => unreachable!("a get is answered with an entry"),
        }
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.write(Request::Set(key.clone(), value), timeout).await
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.write(Request::Delete(key.clone()), timeout).await
    }
}
