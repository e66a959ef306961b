//! `GET_ROUTEINFO_BY_TOPIC`: which brokers have a topic.

use std::sync::Arc;

use eruca_message::{Clock, Timestamp};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, TopicRouteData},
    request::GetRouteinfoByTopicRequest,
};
use eruca_remoting::Caller;

use super::answer::{Answer, Refusal, told_addr};
use crate::{
    kv_config::ORDER_TOPIC_CONFIG,
    namesrv::{LocalBroker, SharedKeys, SharedKv, SharedRoutes, read},
};

/// Clients from 4.9.4 on read standard JSON; older ones expect integer keys without quotes.
const VERSION_4_9_4: i32 = 401;
/// Ext field that asks for the brokers of one zone only.
const ZONE_MODE: &str = "__ZONE_MODE";
/// Ext field with the zone.
pub(super) const ZONE_NAME: &str = "__ZONE_NAME";

pub(crate) struct TopicRouteHandler {
    pub(crate) routes: SharedRoutes,
    pub(crate) kv: SharedKv,
    pub(crate) keys: SharedKeys,
    pub(crate) local_broker: LocalBroker,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started_at: Timestamp,
}

impl TopicRouteHandler {
    pub(crate) fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Answer {
        let header: GetRouteinfoByTopicRequest = request.header()?;
        let keys = Arc::clone(&read(&self.keys));
        let up_ms = self.clock.now().ms_since(self.started_at);
        if keys.need_wait_for_service && up_ms < i64::from(keys.wait_seconds_for_service) * 1000 {
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "name server not ready"));
        }
        let route = read(&self.routes).route(&header.topic, keys.support_acting_master);
        let mut route = route.ok_or_else(|| no_route(&header.topic))?;
        if keys.order_message_enable {
            let conf = read(&self.kv).value(ORDER_TOPIC_CONFIG, &header.topic).map(str::to_owned);
            route.order_topic_conf = conf;
        }
        keep_zone(&mut route, request);
        self.tell_local_addr(&mut route, caller);
        let is_standard =
            request.version >= VERSION_4_9_4 || header.accept_standard_json_only.unwrap_or(false);
        let content = if is_standard { body::to_standard_json(&route) } else { body::to_json(&route) };
        Ok(request.reply(ResponseCode::SUCCESS).with_body(content))
    }

    fn tell_local_addr(&self, route: &mut TopicRouteData, caller: &Caller) {
        let addrs = route.broker_datas.iter_mut().flat_map(|data| data.broker_addrs.values_mut());
        for addr in addrs {
            if let Some(told) = told_addr(addr, self.local_broker.get().map(String::as_str), caller) {
                *addr = told;
            }
        }
    }
}

fn no_route(topic: &str) -> Refusal {
    let topic: String = topic.chars().take(255).collect();
    Refusal::new(
        ResponseCode::TOPIC_NOT_EXIST,
        format!(
            "No topic route info in name server for the topic: {topic}\n\
             See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
        ),
    )
}

/// Leaves only the brokers of the zone that the client asks for, and those that lost their master: far is better than
/// nowhere.
fn keep_zone(route: &mut TopicRouteData, request: &RemotingCommand) {
    let is_zone_mode = request.ext_fields.get(ZONE_MODE).is_some_and(|on| on.eq_ignore_ascii_case("true"));
    let zone = request.ext_fields.get(ZONE_NAME).filter(|zone| is_zone_mode && !zone.trim().is_empty());
    let Some(zone) = zone else { return };
    let (kept, left_out): (Vec<_>, Vec<_>) =
        std::mem::take(&mut route.broker_datas).into_iter().partition(|data| {
            let is_near = data.zone_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(zone));
            is_near || !data.broker_addrs.contains_key(&crate::routes::MASTER_ID)
        });
    route.broker_datas = kept;
    route.queue_datas.retain(|queues| left_out.iter().all(|data| data.broker_name != queues.broker_name));
    route
        .filter_server_table
        .retain(|addr, _| left_out.iter().all(|data| data.broker_addrs.values().all(|other| other != addr)));
}
