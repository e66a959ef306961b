//! What administrators set about reads of old messages and timers.

use std::collections::BTreeMap;

use eruca_protocol::{RemotingCommand, RequestCode, body::ColdDataFlowCtrInfo};

use super::Admin;
use crate::CallError;

impl Admin {
    /// What a broker says of reads of old messages.
    pub async fn cold_data_flow_ctr_info(&self, addr: &str) -> Result<ColdDataFlowCtrInfo, CallError> {
        self.ask_plain(addr, RequestCode::GET_COLD_DATA_FLOW_CTR_INFO).await
    }

    /// Sets how many bytes of old messages a group may read.
    pub async fn update_cold_data_flow_ctr_group_config(
        &self,
        addr: &str,
        thresholds: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        self.update_config_text(addr, RequestCode::UPDATE_COLD_DATA_FLOW_CTR_CONFIG, thresholds).await
    }

    /// Takes a group's threshold away.
    pub async fn remove_cold_data_flow_ctr_group_config(
        &self,
        addr: &str,
        group: &str,
    ) -> Result<(), CallError> {
        let request = RemotingCommand::request_without_header(RequestCode::REMOVE_COLD_DATA_FLOW_CTR_CONFIG);
        self.session.call(addr, request.with_body(group.as_bytes().to_vec())).await.map(drop)
    }

    /// Whether the broker at `addr` reads ahead in its log, `0`, or not, `1`; what it says of that.
    pub async fn set_commit_log_read_ahead_mode(
        &self,
        addr: &str,
        mode: &str,
    ) -> Result<Option<String>, CallError> {
        let mut request = RemotingCommand::request_without_header(RequestCode::SET_COMMITLOG_READ_MODE);
        request.ext_fields.push("READ_AHEAD_MODE", mode);
        Ok(self.session.call(addr, request).await?.reply.remark)
    }

    /// Changes what keeps messages with a time of delivery: `R`, a timeline on RocksDB, or `F`, the file wheel.
    pub async fn switch_timer_engine(&self, addr: &str, engine: &str) -> Result<(), CallError> {
        let mut request = RemotingCommand::request_without_header(RequestCode::SWITCH_TIMER_ENGINE);
        request.ext_fields.push("E_T", engine);
        self.session.call(addr, request).await.map(drop)
    }
}
