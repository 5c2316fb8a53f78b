//! etcd as a register.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_proto::deadline::DEFAULT_TIMEOUT;
use quorate_register::{Entry, Key, OperationError, Reason, Register, Timestamp, Version};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::interface::kv_client::KvClient;
use super::interface::{
    DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse, ResponseHeader,
};

/// The longest message that is taken: more than any value here.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// One member of etcd behind a channel. As thin as
/// [`RemoteRegister`](quorate_proto::RemoteRegister), to which it is compared: each call is
/// one request with a timeout, and nothing is tried again.
#[derive(Debug, Clone)]
pub(super) struct EtcdRegister {
    client: KvClient<Channel>,
}

impl EtcdRegister {
    pub(super) fn new(channel: Channel) -> Self {
        let client = KvClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Self { client }
    }
}

fn request<M>(message: M, timeout: Option<Duration>) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(timeout.unwrap_or(DEFAULT_TIMEOUT));
    request
}

#[async_trait]
impl Register for EtcdRegister {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        let key = key.bytes().clone();
        let request = request(RangeRequest { key }, timeout);
        match self.client.clone().range(request).await {
            Ok(answer) => Ok(entry(answer.into_inner())),
            Err(status) => Err(failed(&status, OperationError::not_applied)),
        }
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        let key = key.bytes().clone();
        let request = request(PutRequest { key, value }, timeout);
        match self.client.clone().put(request).await {
            Ok(answer) => Ok(written(answer.into_inner().header)),
            Err(status) => Err(failed(&status, OperationError::unknown)),
        }
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        let key = key.bytes().clone();
        let request = request(DeleteRangeRequest { key }, timeout);
        match self.client.clone().delete_range(request).await {
            Ok(answer) => Ok(written(answer.into_inner().header)),
            Err(status) => Err(failed(&status, OperationError::unknown)),
        }
    }
}

/// A revision orders writes, as a version does.
fn version(revision: i64) -> Version {
    Version(Timestamp {
        counter: revision.unsigned_abs(),
        ..Timestamp::ZERO
    })
}

fn written(header: Option<ResponseHeader>) -> Version {
    version(header.map_or(0, |header| header.revision))
}

fn entry(answer: RangeResponse) -> Entry {
    match answer.kvs.into_iter().next() {
        Some(found) => Entry {
            version: version(found.mod_revision),
            value: Some(found.value),
        },
        None => Entry {
            value: None,
            version: Version::NEVER,
        },
    }
}

fn failed(status: &Status, error: fn(Reason, String) -> OperationError) -> OperationError {
    let reason = match status.code() {
        Code::Unavailable => Reason::Unreachable,
        // tonic's own timer ends a call with either.
        Code::DeadlineExceeded | Code::Cancelled => Reason::DeadlineExceeded,
        Code::ResourceExhausted => Reason::Overloaded,
        _ => Reason::Internal,
    };
    error(
        reason,
        format!("etcd: {}: {}", status.code(), status.message()),
    )
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::etcd::interface::{KeyValue, PutResponse};

    /// Bytes as etcd's own programs write them: field numbers and wire types must be theirs.
    #[test]
    fn messages_are_on_the_wire_what_etcd_takes() {
        let put = PutRequest {
            key: "k".into(),
            value: "v".into(),
        };
        assert_eq!(put.encode_to_vec(), b"\x0a\x01k\x12\x01v");
        let range = RangeRequest { key: "k".into() };
        assert_eq!(range.encode_to_vec(), b"\x0a\x01k");
    }

    #[test]
    fn what_is_not_used_of_an_answer_is_skipped() {
        // header { cluster_id 1, member_id 2, revision 3, raft_term 4 }, kvs { key "k",
        // create_revision 1, mod_revision 7, version 1, value "v" }, count 1.
        let answer = b"\x0a\x08\x08\x01\x10\x02\x18\x03\x20\x04\
                       \x12\x0c\x0a\x01k\x10\x01\x18\x07\x20\x01\x2a\x01v\
                       \x20\x01";
        let answer = RangeResponse::decode(&answer[..]).unwrap();
        let header = answer.header.unwrap();
        assert_eq!((header.member_id, header.revision), (2, 3));
        let entry = entry(answer);
        assert_eq!(entry.value, Some("v".into()));
        assert_eq!(entry.version.0.counter, 7);
    }

    #[test]
    fn messages_come_back_as_they_went() {
        let answer = RangeResponse {
            header: Some(ResponseHeader {
                member_id: u64::MAX,
                revision: i64::MAX,
            }),
            kvs: vec![KeyValue {
                key: "k".into(),
                mod_revision: 5,
                value: vec![0; 1000].into(),
            }],
        };
        let bytes = answer.encode_to_vec();
        assert_eq!(RangeResponse::decode(&bytes[..]).unwrap(), answer);
        let nothing = RangeResponse::decode(&b""[..]).unwrap();
        assert_eq!(entry(nothing).version, Version::NEVER);
        let put = PutResponse::decode(&b"\x0a\x02\x18\x09"[..]).unwrap();
        assert_eq!(written(put.header).0.counter, 9);
    }
}
