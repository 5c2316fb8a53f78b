//! What every server offers besides its own services: reflection and health.

use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::FILE_DESCRIPTOR_SET;

/// Says over `grpc.health.v1.Health` whether a server wants calls; clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    reporter: HealthReporter,
    services: Vec<String>,
}

impl Health {
    /// Tells everyone who asks or watches, for the server as a whole and each service.
    pub async fn set_serving(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.reporter.set_service_status("", status).await;
        for service in &self.services {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// Reflection (`grpc.reflection.v1` and `v1alpha`) and health for a server of the services
/// with these full names, such as `quorate.v1.Register`, beside the services themselves. Health
/// begins as not serving. Add the routes to a [`server`](super::server).
pub async fn routes(routes: Routes, services: &[&str]) -> (Routes, Health) {
    let health = Health {
        reporter: HealthReporter::new(),
        services: services.iter().map(|&name| name.to_owned()).collect(),
    };
    health.set_serving(false).await;

    let advertised = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ];
    let reflection = || {
        let mut builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            // What errors carry, so that grpcurl and the like can show it.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        for name in services.iter().chain(&advertised) {
            builder = builder.with_service_name(*name);
        }
        builder
    };
    let valid = "the descriptor sets of this build are valid";
    let health_service = HealthService::from_health_reporter(health.reporter.clone());
    let routes = routes
        .add_service(HealthServer::new(health_service))
        .add_service(reflection().build_v1().expect(valid))
        .add_service(reflection().build_v1alpha().expect(valid));
    (routes, health)
}
