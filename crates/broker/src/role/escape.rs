//! Messages that a slave delivers while it stands in for its master: they go to the master of another group (Java:
//! `EscapeBridge`, `enableRemoteEscape`), as this one's log is the lost master's.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use eruca_message::{
    Clock, Properties, Timestamp,
    names::{AUTO_CREATE_TOPIC, TIMER_TOPIC, TRANS_HALF_TOPIC, is_revive_topic},
    properties::{
        PRODUCER_GROUP, REAL_QUEUE_ID, REAL_TOPIC, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS,
        TIMER_OUT_MS, TRANSACTION_PREPARED, TRANSACTION_PREPARED_QUEUE_OFFSET,
    },
    sys_flag,
};
use eruca_protocol::{RemotingCommand, ResponseCode, body::TopicRouteData, request::SendMessageRequestV2};
use eruca_remoting::Client;
use eruca_store::{AppendError, AppendMessage, MessageStore, WriteStopped};

use super::{
    fetch::Host,
    state::{Role, RoleState},
};
use crate::{
    control::Control,
    pop::PopService,
    registration::{LazyClient, ask_route},
    settings::Settings,
    topics::perm,
};

/// A send may take so long (Java: `SEND_TIMEOUT`).
const TIMEOUT: Duration = Duration::from_secs(3);
/// Routes are asked for again after so long.
const ROUTE_MS: i64 = 10_000;
/// Topics whose routes are kept.
const TOPICS_MAX: usize = 10_000;
/// A failure is told so often at most.
const TELL_MS: i64 = 10_000;

/// A queue of another group's master.
#[derive(Debug, Clone)]
struct Place {
    broker_name: String,
    addr: String,
    queue_id: i32,
}

/// Where it leads.
#[derive(Debug, Clone)]
struct Places {
    asked_at: Timestamp,
    places: Arc<[Place]>,
}

/// The way to other groups.
#[derive(Debug)]
pub(crate) struct Escape {
    role: Arc<RoleState>,
    settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    control: Arc<Control>,
    name_servers: Vec<String>,
    pub(super) client: LazyClient,
    /// Where messages of other groups are read.
    pub(super) hosts: Mutex<HashMap<String, Host>>,
    routes: Mutex<HashMap<String, Places>>,
    turn: AtomicUsize,
    told_at: AtomicI64,
    /// Held while something is sent; whether that has ended for good.
    is_closed: Mutex<bool>,
    /// Gets the records of pops.
    pop: OnceLock<Weak<PopService>>,
}

impl Escape {
    pub(crate) fn new(
        role: Arc<RoleState>,
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
        control: Arc<Control>,
        name_servers: Vec<String>,
    ) -> Self {
        Escape {
            role,
            settings,
            clock,
            control,
            name_servers,
            client: LazyClient::new("escape"),
            hosts: Mutex::default(),
            routes: Mutex::default(),
            turn: AtomicUsize::new(0),
            told_at: AtomicI64::new(i64::MIN),
            is_closed: Mutex::default(),
            pop: OnceLock::new(),
        }
    }

    /// Sets who gets the records of pops. Once.
    pub(crate) fn set_pop(&self, pop: &Arc<PopService>) {
        // A second one is not used.
        let _ = self.pop.set(Arc::downgrade(pop));
    }

    /// Whether messages may go this way now.
    pub(crate) fn is_open(&self) -> bool {
        let config = self.settings.now();
        self.role.role() == Role::ActingMaster
            && config.enable_slave_acting_master
            && config.enable_remote_escape
    }

    /// Nothing is sent any more when this returns. To be called while the control thread still runs.
    pub(crate) fn close(&self) {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Moves a half message, as it lies in the half topic, to another group, whose master asks the producer for the outcome. It
    /// is acknowledged when this returns.
    pub(crate) fn move_half(&self, half: &AppendMessage<'_>) -> Result<(), WriteStopped> {
        if !self.is_open() {
            return Err(WriteStopped::Replica);
        }
        self.pass_on(half, None)
    }

    /// Sends a message to another group, unless it is this group's own business; `popped_from` as for [`put`].
    fn pass_on(&self, message: &AppendMessage<'_>, popped_from: Option<&str>) -> Result<(), WriteStopped> {
        match self.request(message, popped_from) {
            Some(request) => self.send(&request),
            None => match self.pop.get().and_then(Weak::upgrade) {
                Some(pop) => pop.passed(message.properties, message.body),
                None => Ok(()),
            },
        }
    }

    /// Sends what [`Escape::request`] made; it is acknowledged when this returns. For threads of this crate's schedule, which may
    /// wait.
    fn send(&self, request: &Escaping) -> Result<(), WriteStopped> {
        let sent = self.while_open(self.send_request(request)).ok_or(WriteStopped::ShuttingDown)?;
        sent.map_err(|why| {
            if self.is_to_be_told() {
                tracing::warn!(
                    topic = request.header.topic,
                    why,
                    "a message that is due does not get to another broker, it waits"
                );
            }
            WriteStopped::Replica
        })
    }

    /// Waits for `of` on this thread, which may wait; `None` after [`Escape::close`].
    pub(super) fn while_open<T>(&self, of: impl Future<Output = T>) -> Option<T> {
        let is_closed = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        (!*is_closed).then(|| self.control.block_on(of))
    }

    /// Whether a failure is told now: not each of many is.
    pub(crate) fn is_to_be_told(&self) -> bool {
        let now = self.clock.now();
        let is_due = now.ms_since(Timestamp(self.told_at.load(Ordering::Relaxed))) >= TELL_MS;
        if is_due {
            self.told_at.store(now.0, Ordering::Relaxed);
        }
        is_due
    }

    /// As it is sent. `None` for what is this group's own business: records of pops, which this slave itself deals with.
    fn request(&self, message: &AppendMessage<'_>, popped_from: Option<&str>) -> Option<Escaping> {
        if is_revive_topic(message.topic) {
            return None;
        }
        let mut properties = Properties::decode(message.properties);
        let mut topic = message.topic.to_owned();
        if topic == TIMER_TOPIC {
            // To be parked there, for the time that is left.
            topic = properties.get(REAL_TOPIC)?.to_owned();
            if is_revive_topic(&topic) {
                return None;
            }
            let out = properties.get(TIMER_OUT_MS)?.to_owned();
            for name in [TIMER_OUT_MS, TIMER_DELAY_MS, TIMER_DELAY_SEC, REAL_TOPIC, REAL_QUEUE_ID] {
                properties.remove(name);
            }
            properties.set(TIMER_DELIVER_MS, out);
        }
        let mut flags = message.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
        // What was committed still says that it was half a message; what was none yet must say so.
        properties.remove(TRANSACTION_PREPARED);
        if topic == TRANS_HALF_TOPIC {
            topic = properties.get(REAL_TOPIC)?.to_owned();
            // Where it was copied from says nothing in another half queue.
            for name in [REAL_TOPIC, REAL_QUEUE_ID, TRANSACTION_PREPARED_QUEUE_OFFSET] {
                properties.remove(name);
            }
            properties.set(TRANSACTION_PREPARED, "true".to_owned());
            flags = flags & !sys_flag::TRANSACTION_MASK | sys_flag::TRANSACTION_PREPARED;
        }
        let standing = self.role.now();
        let group = properties.get(PRODUCER_GROUP).map(str::to_owned).unwrap_or_else(|| {
            format!("InnerProducerGroup_{}_{}", self.settings.now().broker_name, standing.broker_id)
        });
        let header = SendMessageRequestV2 {
            producer_group: group,
            topic: topic.clone(),
            default_topic: AUTO_CREATE_TOPIC.to_owned(),
            default_topic_queue_nums: 8,
            sys_flag: flags,
            born_timestamp: message.born_timestamp.0,
            flag: message.flag,
            reconsume_times: Some(message.reconsume_times),
            properties: Some(String::from_utf8_lossy(&properties.to_bytes()).into_owned()),
            ..SendMessageRequestV2::default()
        };
        Some(Escaping {
            route_of: popped_from.map_or(topic, str::to_owned),
            is_one_queue: popped_from.is_some(),
            header,
            body: message.body.to_vec(),
        })
    }

    async fn send_request(&self, escaping: &Escaping) -> Result<(), String> {
        let client = self.client.get();
        let places = self.places(&client, &escaping.route_of).await?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let place = places.get(turn % places.len().max(1)).ok_or_else(|| {
            format!(
                "topic {} is on no other group that has a master and lets it be written",
                escaping.route_of
            )
        })?;
        let header = SendMessageRequestV2 {
            queue_id: if escaping.is_one_queue { 0 } else { place.queue_id },
            broker_name: Some(place.broker_name.clone()),
            ..escaping.header.clone()
        };
        let request = RemotingCommand::request(&header).with_body(escaping.body.clone());
        let answer = client.invoke(&place.addr, request, TIMEOUT).await.map_err(|error| error.to_string())?;
        match answer.response_code() {
            ResponseCode::SUCCESS
            | ResponseCode::FLUSH_DISK_TIMEOUT
            | ResponseCode::FLUSH_SLAVE_TIMEOUT
            | ResponseCode::SLAVE_NOT_AVAILABLE => Ok(()),
            code => Err(format!("{} answers {code} {}", place.addr, answer.remark.unwrap_or_default())),
        }
    }

    async fn places(&self, client: &Client, topic: &str) -> Result<Arc<[Place]>, String> {
        let now = self.clock.now();
        let kept = self.routes.lock().unwrap_or_else(PoisonError::into_inner).get(topic).cloned();
        if let Some(kept) = kept.filter(|kept| (0..ROUTE_MS).contains(&now.ms_since(kept.asked_at))) {
            return Ok(kept.places);
        }
        let places: Arc<[Place]> = self.in_route(client, topic, |route| Ok(self.others(route))).await?.into();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= TOPICS_MAX {
            routes.clear();
        }
        routes.insert(topic.to_owned(), Places { asked_at: now, places: places.clone() });
        Ok(places)
    }

    /// What `of` finds in the route of a topic, of the first name server in whose it does. The last one's reason where none has it.
    pub(super) async fn in_route<T>(
        &self,
        client: &Client,
        topic: &str,
        of: impl Fn(&TopicRouteData) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut why = "there is no name server".to_owned();
        for addr in &self.name_servers {
            let found = match ask_route(client, addr, topic).await {
                Ok(route) => of(&route),
                Err(error) => Err(format!("gives no route: {error}")),
            };
            match found {
                Ok(found) => return Ok(found),
                Err(reason) => why = format!("{addr} {reason}"),
            }
        }
        Err(why)
    }

    /// All queues that may be written, of masters of other groups.
    fn others(&self, route: &TopicRouteData) -> Vec<Place> {
        let own = &self.settings.now().broker_name;
        let writeable = route.queue_datas.iter().filter(|queues| {
            queues.broker_name != *own && perm::is_writeable(queues.perm) && queues.write_queue_nums > 0
        });
        let master = |name: &str| {
            let broker = route.broker_datas.iter().find(|broker| broker.broker_name == name)?;
            broker.broker_addrs.get(&0).cloned()
        };
        let places = writeable.filter_map(|queues| {
            let addr = master(&queues.broker_name)?;
            let queue = move |queue_id| Place {
                broker_name: queues.broker_name.clone(),
                addr: addr.clone(),
                queue_id,
            };
            Some((0..queues.write_queue_nums.min(1024)).map(queue))
        });
        places.flatten().collect()
    }
}

/// A message on its way.
struct Escaping {
    /// It goes where this topic is.
    route_of: String,
    /// Its topic has one queue, whatever the other has.
    is_one_queue: bool,
    header: SendMessageRequestV2,
    body: Vec<u8>,
}

/// Puts a message that is due into the store, or, where this broker stands in for its master, to another group. What the
/// record takes in the log; `None` where it went elsewhere.
///
/// The copy of a popped message in its retry topic, which need not be in another group yet, goes where `popped_from` is, as its
/// group pops there.
///
/// # Errors
/// As [`MessageStore::append`].
pub(crate) fn put(
    store: &MessageStore,
    escape: Option<&Escape>,
    message: &AppendMessage<'_>,
    popped_from: Option<&str>,
) -> Result<Option<u64>, AppendError> {
    match store.append(message) {
        Ok(appended) => Ok(Some(appended.log_offset_end.0 - appended.log_offset.0)),
        Err(AppendError::Stopped(WriteStopped::Replica)) => match escape.filter(|escape| escape.is_open()) {
            Some(escape) => escape.pass_on(message, popped_from).map(|()| None).map_err(AppendError::Stopped),
            None => Err(AppendError::Stopped(WriteStopped::Replica)),
        },
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "escape_test.rs"]
mod tests;
