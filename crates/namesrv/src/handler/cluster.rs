//! Clusters, broker groups, and their write permission.

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, BrokerMemberGroup, GetBrokerMemberGroupResponseBody},
    request::{
        AddWritePermOfBrokerRequest, AddWritePermOfBrokerResponse, GetBrokerMemberGroupRequest,
        WipeWritePermOfBrokerRequest, WipeWritePermOfBrokerResponse,
    },
};
use eruca_remoting::Caller;
use tracing::info;

use super::answer::{Answer, told_addr};
use crate::namesrv::{LocalBroker, SharedRoutes, read, write};

pub(crate) struct ClusterHandler {
    pub(crate) routes: SharedRoutes,
    pub(crate) local_broker: LocalBroker,
}

impl ClusterHandler {
    pub(crate) fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Answer {
        match request.request_code() {
            RequestCode::GET_BROKER_CLUSTER_INFO => Ok(self.cluster_info(caller, request)),
            RequestCode::GET_BROKER_MEMBER_GROUP => self.member_group(request),
            RequestCode::WIPE_WRITE_PERM_OF_BROKER => self.wipe_write_perm(caller, request),
            _ => self.add_write_perm(caller, request),
        }
    }

    fn cluster_info(&self, caller: &Caller, request: &RemotingCommand) -> RemotingCommand {
        let mut info = read(&self.routes).cluster_info();
        let addrs = info.broker_addr_table.values_mut().flat_map(|data| data.broker_addrs.values_mut());
        for addr in addrs {
            if let Some(told) = told_addr(addr, self.local_broker.get().map(String::as_str), caller) {
                *addr = told;
            }
        }
        request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&info))
    }

    fn member_group(&self, request: &RemotingCommand) -> Answer {
        let header: GetBrokerMemberGroupRequest = request.header()?;
        let group = BrokerMemberGroup {
            broker_addrs: read(&self.routes).members(&header.broker_name),
            cluster: header.cluster_name,
            broker_name: header.broker_name,
        };
        let content = GetBrokerMemberGroupResponseBody { broker_member_group: Some(group) };
        Ok(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content)))
    }

    fn wipe_write_perm(&self, caller: &Caller, request: &RemotingCommand) -> Answer {
        let header: WipeWritePermOfBrokerRequest = request.header()?;
        let topics = write(&self.routes).wipe_write_perm(&header.broker_name);
        info!(broker = header.broker_name, topics, peer = %caller.peer_addr(), "write permission wiped");
        Ok(request.reply_with(&WipeWritePermOfBrokerResponse { wipe_topic_count: count(topics) }))
    }

    fn add_write_perm(&self, caller: &Caller, request: &RemotingCommand) -> Answer {
        let header: AddWritePermOfBrokerRequest = request.header()?;
        let topics = write(&self.routes).add_write_perm(&header.broker_name);
        info!(broker = header.broker_name, topics, peer = %caller.peer_addr(), "write permission added");
        Ok(request.reply_with(&AddWritePermOfBrokerResponse { add_topic_count: count(topics) }))
    }
}

fn count(topics: usize) -> i32 {
    i32::try_from(topics).unwrap_or(i32::MAX)
}
