//! What brokers send: registrations, signs of life, single topics, good-byes.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use eruca_message::{Clock, Timestamp};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, DataVersion, KVTable, RegisterBrokerBody, TopicConfig, TopicRouteData},
    request::{
        BrokerHeartbeatRequest, DeleteTopicInNamesrvRequest, NotifyMinBrokerIdChangeRequest,
        QueryDataVersionRequest, QueryDataVersionResponse, RegisterBrokerRequest, RegisterBrokerResponse,
        RegisterTopicInNamesrvRequest, UnregisterBrokerRequest,
    },
};
use eruca_remoting::Caller;
use tracing::{debug, info, warn};

use super::{
    answer::{Answer, Refusal},
    topic_route::ZONE_NAME,
};
use crate::{
    BrokerNotifier,
    kv_config::ORDER_TOPIC_CONFIG,
    namesrv::{BrokerConnections, SharedKeys, SharedKv, SharedRoutes, read, write},
    routes::{BrokerIdentity, Expired, MinBrokerIdChange, Registration},
};

pub(crate) struct RegistrationHandler {
    pub(crate) routes: SharedRoutes,
    pub(crate) kv: SharedKv,
    pub(crate) keys: SharedKeys,
    pub(crate) connections: BrokerConnections,
    pub(crate) notifier: Arc<dyn BrokerNotifier>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl RegistrationHandler {
    pub(crate) fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Answer {
        match request.request_code() {
            RequestCode::REGISTER_BROKER => self.register(caller, request),
            RequestCode::UNREGISTER_BROKER => self.unregister(request),
            RequestCode::BROKER_HEARTBEAT => self.heartbeat(request),
            RequestCode::QUERY_DATA_VERSION => self.query_data_version(request),
            RequestCode::REGISTER_TOPIC_IN_NAMESRV => self.register_topic(request),
            _ => self.delete_topic(request),
        }
    }

    fn register(&self, caller: &Caller, request: &RemotingCommand) -> Answer {
        let header: RegisterBrokerRequest = request.header()?;
        let crc = header.body_crc32.unwrap_or(0);
        if crc != 0 && crc != RegisterBrokerBody::crc32(&request.body) {
            warn!(broker = header.broker_name, peer = %caller.peer_addr(), "registration with a wrong checksum");
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "crc32 not match"));
        }
        let content = RegisterBrokerBody::decode(&request.body, header.compressed, request.version)?;
        let wrapper = content.topic_config_serialize_wrapper;
        let broker = BrokerIdentity {
            cluster: header.cluster_name,
            broker_name: header.broker_name,
            broker_id: header.broker_id,
            broker_addr: header.broker_addr,
        };
        let keys = Arc::clone(&read(&self.keys));
        let registration = Registration {
            broker: broker.clone(),
            ha_server_addr: header.ha_server_addr,
            zone_name: request.ext_fields.get(ZONE_NAME).map(str::to_owned),
            heartbeat_timeout_ms: header.heartbeat_timeout_millis,
            enable_acting_master: header.enable_acting_master,
            data_version: wrapper.data_version,
            topics: named(wrapper.topic_config_table),
            mappings: wrapper.topic_queue_mapping_info_map,
            filter_servers: (!request.body.is_empty()).then_some(content.filter_server_list),
            connection_id: caller.id(),
        };
        let mut routes = write(&self.routes);
        let is_new = routes.data_version(&broker.cluster, &broker.broker_addr).is_none();
        let registered = routes.register(registration, &keys, self.clock.now())?;
        drop(routes);
        self.connections().insert(caller.id(), caller.clone());
        if !caller.is_open() {
            // It went while it registered: `disconnected` may have been before the insertion.
            self.disconnected(caller);
        }
        if is_new {
            info!(?broker, "broker registered");
        }
        if registered.skipped_topics > 0 {
            warn!(?broker, topics = registered.skipped_topics, "topics left out: bad names or too many");
        }
        self.notify(registered.notice);
        let response = RegisterBrokerResponse {
            ha_server_addr: registered.ha_server_addr,
            master_addr: registered.master_addr,
        };
        let order_conf = keys.return_order_topic_config_to_broker.then(|| self.order_topics()).flatten();
        Ok(request.reply_with(&response).with_body(order_conf.unwrap_or_default()))
    }

    fn order_topics(&self) -> Option<Vec<u8>> {
        let table = read(&self.kv).namespace(ORDER_TOPIC_CONFIG)?.clone();
        Some(body::to_json(&KVTable { table }))
    }

    fn unregister(&self, request: &RemotingCommand) -> Answer {
        let header: UnregisterBrokerRequest = request.header()?;
        let broker = BrokerIdentity {
            cluster: header.cluster_name,
            broker_name: header.broker_name,
            broker_id: header.broker_id,
            broker_addr: header.broker_addr,
        };
        info!(?broker, "broker unregistered");
        let keys = Arc::clone(&read(&self.keys));
        let notices = write(&self.routes).unregister(&[broker], &keys);
        self.notify(notices);
        Ok(request.reply(ResponseCode::SUCCESS))
    }

    fn heartbeat(&self, request: &RemotingCommand) -> Answer {
        let header: BrokerHeartbeatRequest = request.header()?;
        write(&self.routes).heartbeat(&header.cluster_name, &header.broker_addr, self.clock.now());
        Ok(request.reply(ResponseCode::SUCCESS))
    }

    /// Whether a broker's topics changed since it registered them; counts as a sign of life.
    fn query_data_version(&self, request: &RemotingCommand) -> Answer {
        let header: QueryDataVersionRequest = request.header()?;
        let asked: DataVersion = body::from_json(&request.body)?;
        let mut routes = write(&self.routes);
        let known = routes.data_version(&header.cluster_name, &header.broker_addr);
        routes.heartbeat(&header.cluster_name, &header.broker_addr, self.clock.now());
        drop(routes);
        let reply = request.reply_with(&QueryDataVersionResponse { changed: known.as_ref() != Some(&asked) });
        Ok(match known {
            Some(known) => reply.with_body(body::to_json(&known)),
            None => reply,
        })
    }

    fn register_topic(&self, request: &RemotingCommand) -> Answer {
        let header: RegisterTopicInNamesrvRequest = request.header()?;
        let route: TopicRouteData = body::from_json(&request.body)?;
        write(&self.routes).register_topic(&header.topic, &route.queue_datas);
        Ok(request.reply(ResponseCode::SUCCESS))
    }

    fn delete_topic(&self, request: &RemotingCommand) -> Answer {
        let header: DeleteTopicInNamesrvRequest = request.header()?;
        let cluster = header.cluster_name.as_deref().filter(|cluster| !cluster.is_empty());
        write(&self.routes).delete_topic(&header.topic, cluster);
        Ok(request.reply(ResponseCode::SUCCESS))
    }

    /// The connection is gone, and with it the brokers that registered by it.
    pub(crate) fn disconnected(&self, caller: &Caller) {
        if self.connections().remove(&caller.id()).is_none() {
            return;
        }
        let keys = Arc::clone(&read(&self.keys));
        let expired = write(&self.routes).disconnected(caller.id(), &keys);
        for broker in &expired.brokers {
            info!(?broker, "broker removed: its connection closed");
        }
        self.notify(expired.notices);
    }

    pub(crate) fn expire_step(&self, now: Timestamp) {
        let keys = Arc::clone(&read(&self.keys));
        let Expired { brokers, connection_ids, notices } = write(&self.routes).expire_step(now, &keys);
        for broker in &brokers {
            warn!(?broker, "broker removed: no sign of life");
        }
        let connections = self.connections();
        connection_ids.iter().filter_map(|id| connections.get(id)).for_each(Caller::close);
        drop(connections);
        self.notify(notices);
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<u64, Caller>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, changes: impl IntoIterator<Item = MinBrokerIdChange>) {
        for change in changes {
            debug!(?change, "smallest broker id changed");
            let header = NotifyMinBrokerIdChangeRequest {
                min_broker_id: Some(change.min_broker_id),
                broker_name: None,
                min_broker_addr: Some(change.min_broker_addr),
                offline_broker_addr: change.offline_broker_addr,
                ha_broker_addr: change.ha_broker_addr,
            };
            let request = RemotingCommand::request(&header).oneway();
            change.members.iter().for_each(|addr| self.notifier.notify(addr, request.clone()));
        }
    }
}

/// The topics of a table; a topic is called as its entry says, or else as its key.
fn named(table: BTreeMap<String, TopicConfig>) -> Vec<TopicConfig> {
    let with_name = |(name, mut topic): (String, TopicConfig)| {
        if topic.topic_name.is_empty() {
            topic.topic_name = name;
        }
        topic
    };
    table.into_iter().map(with_name).collect()
}
