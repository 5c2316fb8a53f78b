//! Operations that the gRPC service refuses before the coordinator hears of them count too.

use prometheus::TextEncoder;
use quorate_coordinator::{Role, serve};
use quorate_proto::Limits;
use quorate_proto::transport::{ChannelOptions, channel};
use quorate_proto::v1::register_client::RegisterClient;
use quorate_proto::v1::{DeleteRequest, GetRequest, SetRequest};
use quorate_runtime::Shutdown;
use quorate_runtime::metrics::ServerMetrics;
use quorate_trace::Traces;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::support::{Cluster, listen};

const OPERATIONS: &str = "quorate_operations_total";

/// The coordinator as a program serves it.
fn served(cluster: &Cluster) -> RegisterClient<Channel> {
    let listener = listen("127.0.0.1:0".parse().unwrap());
    let address = listener.local_addr().unwrap().to_string();
    let coordinator = cluster.coordinator.clone();
    let role = Role {
        coordinator,
        repairer: None,
        reconfigurer: None,
        boot_counters: None,
        volumes: None,
    };
    let serving = serve(
        role,
        listener,
        Limits::default(),
        None,
        Traces::off(),
        ServerMetrics::new(&cluster.registry, "coordinator", "").unwrap(),
        Shutdown::new(),
    );
    tokio::spawn(async move { serving.await.expect("serving does not fail") });
    RegisterClient::new(channel(&address, &ChannelOptions::default()).unwrap())
}

fn set(key: &'static str, value_bytes: usize) -> Request<SetRequest> {
    Request::new(SetRequest {
        key: key.into(),
        value: vec![0; value_bytes].into(),
    })
}

fn with<T>(mut request: Request<T>, header: &'static str, value: &'static str) -> Request<T> {
    let value = value.parse().unwrap();
    request.metadata_mut().insert(header, value);
    request
}

#[tokio::test]
async fn every_refused_operation_is_counted_once_as_invalid() {
    let cluster = Cluster::new(3).await;
    let mut client = served(&cluster);
    let largest = Limits::default().max_value_bytes();
    let message = Limits::default().max_message_bytes();
    for request in [
        set("", 1),
        set("k", largest + 1),
        set("k", message + 1),
        with(set("k", 1), "grpc-previous-rpc-attempts", "1"),
        with(set("k", 1), "x-envoy-attempt-count", "2"),
        with(set("k", 1), "grpc-timeout", "soon"),
    ] {
        let status = client.set(request).await.unwrap_err();
        let refused = [Code::InvalidArgument, Code::Unknown];
        assert!(refused.contains(&status.code()), "{status:?}");
    }
    let (get, delete) = (GetRequest::default(), DeleteRequest::default());
    client.get(get).await.unwrap_err();
    client.delete(delete).await.unwrap_err();
    client.set(set("k", 1)).await.expect("nothing is wrong");

    for (operation, outcome, count) in [
        ("set", "invalid", 6),
        ("get", "invalid", 1),
        ("delete", "invalid", 1),
        ("set", "ok", 1),
    ] {
        let labels = [("operation", operation), ("outcome", outcome)];
        let counted = cluster.count(OPERATIONS, &labels);
        assert_eq!(counted, count, "{operation}: {outcome}");
    }
    assert_eq!(cluster.count(OPERATIONS, &[]), 9);
}

#[tokio::test]
async fn every_outcome_is_there_before_the_first_operation() {
    let cluster = Cluster::new(1).await;
    let text = TextEncoder::new()
        .encode_to_string(&cluster.registry.gather())
        .unwrap();
    for operation in ["get", "set", "delete"] {
        for outcome in [
            "ok",
            "not_applied",
            "unknown",
            "overloaded",
            "invalid",
            "cancelled",
        ] {
            let labels = format!("operation=\"{operation}\",outcome=\"{outcome}\"");
            assert!(
                text.contains(&format!("{OPERATIONS}{{{labels}}} 0\n")),
                "{text}"
            );
        }
    }
}
