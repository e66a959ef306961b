//! What controllers are asked.

use std::collections::BTreeMap;

use eruca_protocol::{
    RemotingCommand, RequestCode,
    body::{self, BrokerMemberGroup, BrokerReplicasInfo, ElectMasterResponseBody},
    request::{
        CleanBrokerDataRequest, ControllerElectMasterRequest, ControllerElectMasterResponse,
        ControllerGetMetadataInfoResponse,
    },
};

use super::{Admin, BrokerConfigText};
use crate::CallError;

impl Admin {
    /// Who belongs to the group of the controller at `addr`, and who leads it.
    pub async fn controller_metadata(
        &self,
        addr: &str,
    ) -> Result<ControllerGetMetadataInfoResponse, CallError> {
        let request = RemotingCommand::request_without_header(RequestCode::CONTROLLER_GET_METADATA_INFO);
        self.session.call(addr, request).await?.header()
    }

    /// The controller that leads the group of the one at `addr`; that one where nobody leads: it says so itself.
    async fn leading_controller(&self, addr: &str) -> Result<String, CallError> {
        let leader = self.controller_metadata(addr).await?.controller_leader_address;
        Ok(leader.filter(|leader| !leader.is_empty()).unwrap_or_else(|| addr.to_owned()))
    }

    /// Masters and in-sync sets of these groups, as the controllers of the one at `addr` know them. Unknown groups are left out.
    pub async fn sync_state_data(
        &self,
        addr: &str,
        broker_names: &[String],
    ) -> Result<BrokerReplicasInfo, CallError> {
        let leader = self.leading_controller(addr).await?;
        self.tell(&leader, RequestCode::CONTROLLER_GET_SYNC_STATE_DATA, &broker_names).await?.body()
    }

    /// Makes the broker with this controller id the master of its group. With all brokers of the group, where the controller
    /// names them.
    pub async fn elect_master(
        &self,
        addr: &str,
        cluster_name: &str,
        broker_name: &str,
        broker_id: i64,
    ) -> Result<(ControllerElectMasterResponse, Option<BrokerMemberGroup>), CallError> {
        let leader = self.leading_controller(addr).await?;
        let header = ControllerElectMasterRequest {
            cluster_name: cluster_name.to_owned(),
            broker_name: broker_name.to_owned(),
            broker_id,
            designate_elect: true,
        };
        let answer = self.ask(&leader, &header).await?;
        let elected: ElectMasterResponseBody = body::from_json(&answer.reply.body).unwrap_or_default();
        Ok((answer.header()?, elected.broker_member_group))
    }

    /// Makes the controllers forget brokers of a group: those with these ids (`1;2;3`), or the whole group.
    pub async fn clean_broker_data(
        &self,
        addr: &str,
        request: &CleanBrokerDataRequest,
    ) -> Result<(), CallError> {
        let leader = self.leading_controller(addr).await?;
        self.ask(&leader, request).await.map(drop)
    }

    /// Settings of the controller at `addr`.
    pub async fn controller_config(&self, addr: &str) -> Result<BrokerConfigText, CallError> {
        self.config_text(addr, RequestCode::GET_CONTROLLER_CONFIG).await
    }

    /// Changes settings of the controllers at `addrs`. Stops at the first that fails.
    pub async fn update_controller_config(
        &self,
        addrs: &[String],
        properties: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        for addr in addrs {
            self.update_config_text(addr, RequestCode::UPDATE_CONTROLLER_CONFIG, properties).await?;
        }
        Ok(())
    }
}
