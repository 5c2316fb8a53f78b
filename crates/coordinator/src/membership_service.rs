//! `quorate.v1.Membership`: what people ask of the members.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::membership_server::{Membership, MembershipServer};
use quorate_register::Member;
use tonic::{Request, Response, Status, async_trait};

use crate::Role;
use crate::membership::{RecoverError, accept_disks, recover};
use crate::reconfiguration::Reconfigurer;

/// How long a replica has to answer when a lost config is made anew.
const RECOVER_LIMIT: Duration = Duration::from_secs(2);

/// The largest message: a name and little else.
const MAX_MESSAGE_BYTES: usize = 4096;

impl Role {
    /// The service, for a server.
    pub fn membership_service(&self) -> MembershipServer<Self> {
        MembershipServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    async fn accept(&self, pods: &[String]) -> Result<Response<v1::RecoverResponse>, Status> {
        let counters = self.boot_counters.as_deref().ok_or_else(|| {
            Status::failed_precondition("this coordinator admits nobody: it has no boot counters")
        })?;
        let directory = &**self.coordinator.membership().directory();
        let volumes = self.volumes.as_deref();
        let accepted = accept_disks(directory, counters, volumes, pods, RECOVER_LIMIT).await;
        let accepted = accepted.map_err(|error| Status::failed_precondition(error.to_string()))?;
        tracing::warn!(?accepted, "a person accepted restored disks");
        Ok(Response::new(v1::RecoverResponse {
            members: accepted.into_iter().map(|disk| disk.pod).collect(),
            ..v1::RecoverResponse::default()
        }))
    }

    fn reconfigurer(&self) -> Result<&Reconfigurer, Status> {
        self.reconfigurer.as_deref().ok_or_else(|| {
            Status::failed_precondition(
                "this coordinator changes no members: it has no config store; start it with --config-file",
            )
        })
    }
}

#[async_trait]
impl Membership for Role {
    async fn scale(
        &self,
        request: Request<v1::ScaleRequest>,
    ) -> Result<Response<v1::ScaleResponse>, Status> {
        let size = request.into_inner().size as usize;
        let reconfigurer = self.reconfigurer()?;
        let checked = reconfigurer.check_size(size);
        checked.map_err(|problem| Status::invalid_argument(format!("size: {problem}")))?;
        let progress = reconfigurer.progress().borrow().clone();
        let wanted = reconfigurer.workload().wanted();
        if wanted.is_some_and(|wanted| wanted.len() == size) {
            // Perhaps what is under way is this very change.
            return Ok(Response::new(v1::ScaleResponse {}));
        }
        if progress.step != crate::reconfiguration::Step::Idle {
            return Err(Status::failed_precondition(format!(
                "a change is under way ({}): wait until `quorate status` shows its end",
                progress.step.word()
            )));
        }
        let scaled = reconfigurer.workload().scale(size).await;
        scaled.map_err(|refused| Status::failed_precondition(refused.0))?;
        Ok(Response::new(v1::ScaleResponse {}))
    }

    async fn replace(
        &self,
        request: Request<v1::ReplaceRequest>,
    ) -> Result<Response<v1::ReplaceResponse>, Status> {
        let pod = request.into_inner().member;
        let reconfigurer = self.reconfigurer()?;
        let view = self.coordinator.membership().view();
        let view =
            view.ok_or_else(|| Status::unavailable(self.coordinator.membership().why_not_ready()))?;
        let members = view.config().members();
        let Some(member) = members.iter().find(|member| member.pod == pod) else {
            let known: Vec<_> = members.iter().map(|member: &Member| &*member.pod).collect();
            return Err(Status::invalid_argument(format!(
                "member: {pod:?} is none; the members are {}",
                known.join(", ")
            )));
        };
        if members.len() == 1 {
            return Err(Status::failed_precondition(format!(
                "{pod} is the only member and has the only copy of the data: scale up first"
            )));
        }
        reconfigurer.replace(member.replica_id);
        Ok(Response::new(v1::ReplaceResponse {}))
    }

    async fn recover(
        &self,
        request: Request<v1::RecoverRequest>,
    ) -> Result<Response<v1::RecoverResponse>, Status> {
        let request = request.into_inner();
        let force = request.force_data_loss;
        if !request.accept_restored_disks.is_empty() {
            return self.accept(&request.accept_restored_disks).await;
        }
        if let Some(problem) = self.coordinator.membership().set_aside() {
            return Err(Status::failed_precondition(problem));
        }
        let reconfigurer = self.reconfigurer()?;
        let recovered = recover(
            &**self.coordinator.membership().directory(),
            reconfigurer.config_store(),
            reconfigurer.entropy(),
            RECOVER_LIMIT,
            force,
        );
        let recovered = recovered.await.map_err(|error| match error {
            RecoverError::Store(_) | RecoverError::NotActive(_) => {
                Status::unavailable(error.to_string())
            }
            RecoverError::Conflict => Status::aborted(error.to_string()),
            error => Status::failed_precondition(error.to_string()),
        })?;
        let config = &recovered.config;
        tracing::warn!(epoch = %config.epoch(), lost = ?recovered.lost, "a person had the config made anew");
        self.coordinator.membership().install(config.clone());
        Ok(Response::new(v1::RecoverResponse {
            config_id: config.id().to_string(),
            epoch: config.epoch().to_string(),
            members: config
                .members()
                .iter()
                .map(|member| member.pod.clone())
                .collect(),
            lost: recovered.lost,
        }))
    }
}
