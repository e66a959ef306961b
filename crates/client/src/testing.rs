//! A small cluster in this process, for tests: a name server and brokers that keep messages in memory and can be told
//! to fail.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_message::{
    BatchEntry, LogOffset, MessageQueue, Properties, QueueOffset, RecallHandle, RecordFields, Timestamp,
    decode_batch, encode_record, names, properties,
};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{
        self, BrokerData, GetConsumerListByGroupResponseBody, HeartbeatData, LockBatchRequestBody,
        LockBatchResponseBody, QueueData, TopicRouteData, UnlockBatchRequestBody,
    },
    request::*,
};
use eruca_remoting::{Caller, CommandService, Reply, Server, ServerConfig};

use crate::{
    client::{ClientSettings, Session},
    lock::lock,
};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain: {what}");
}

/// A session with `cluster`.
pub(crate) async fn session(cluster: &FakeCluster) -> Session {
    let settings = ClientSettings { name_servers: cluster.name_servers(), ..ClientSettings::default() };
    Session::open(settings, None).await.unwrap()
}

/// A queue's messages as records, by offset.
type Records = Vec<Vec<u8>>;

/// Answers a request to a broker.
type Answering = Arc<dyn Fn(&str, &RemotingCommand) -> RemotingCommand + Send + Sync>;

#[derive(Default)]
struct State {
    /// What tests answer themselves.
    answering: HashMap<RequestCode, Answering>,
    /// Topic to queues on each broker.
    topics: BTreeMap<String, i32>,
    brokers: BTreeMap<String, String>,
    queues: HashMap<MessageQueue, Records>,
    next_log_offset: u64,
    /// Group, queue to offset.
    offsets: HashMap<(String, MessageQueue), i64>,
    /// Group to members.
    members: HashMap<String, BTreeMap<String, Caller>>,
    /// Group, queue to owner.
    locks: HashMap<(String, MessageQueue), String>,
    /// Broker, code to what is answered instead.
    scripted: HashMap<(String, RequestCode), VecDeque<ResponseCode>>,
    /// Broker, code of everything that came.
    seen: Vec<(String, RequestCode)>,
    sent_back: Vec<(i64, i32)>,
    /// Queue to messages that were pulled of it.
    pulled: HashMap<MessageQueue, usize>,
    /// Broker to the code with which it stores messages.
    store_codes: HashMap<String, ResponseCode>,
    heartbeats: Vec<HeartbeatData>,
    /// Ends of transactions.
    ends: Vec<RemotingCommand>,
}

/// A name server and some brokers.
pub(crate) struct FakeCluster {
    state: Arc<Mutex<State>>,
    name_server: Server,
    brokers: BTreeMap<String, Server>,
}

impl FakeCluster {
    /// Starts them.
    pub(crate) fn start(brokers: &[&str]) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let brokers: BTreeMap<String, Server> = brokers
            .iter()
            .map(|name| {
                ((*name).to_owned(), serve(FakeServer { name: (*name).to_owned(), state: state.clone() }))
            })
            .collect();
        lock(&state).brokers = brokers
            .iter()
            .map(|(name, server)| (name.clone(), server.local_addrs()[0].to_string()))
            .collect();
        let name_server = serve(FakeServer { name: String::new(), state: state.clone() });
        FakeCluster { state, name_server, brokers }
    }

    pub(crate) fn name_servers(&self) -> String {
        self.name_server.local_addrs()[0].to_string()
    }

    /// Creates a topic on all brokers.
    pub(crate) fn topic(&self, topic: &str, queues: i32) {
        lock(&self.state).topics.insert(topic.to_owned(), queues);
    }

    /// The next requests with `code` to `broker` are answered so.
    pub(crate) fn answer(&self, broker: &str, code: RequestCode, answers: &[ResponseCode]) {
        let key = (broker.to_owned(), code);
        lock(&self.state).scripted.entry(key).or_default().extend(answers.iter().copied());
    }

    /// Requests with `code` to any broker are answered by the test.
    pub(crate) fn answer_by(
        &self,
        code: RequestCode,
        answering: impl Fn(&str, &RemotingCommand) -> RemotingCommand + Send + Sync + 'static,
    ) {
        lock(&self.state).answering.insert(code, Arc::new(answering));
    }

    /// Sends to `broker` are stored and answered with `code`.
    pub(crate) fn answer_sends_with(&self, broker: &str, code: ResponseCode) {
        lock(&self.state).store_codes.insert(broker.to_owned(), code);
    }

    /// Adds a broker that is not served by this cluster.
    pub(crate) fn broker_at(&self, broker: &str, addr: &str) {
        lock(&self.state).brokers.insert(broker.to_owned(), addr.to_owned());
    }

    /// Stops a broker; it stays in the routes.
    pub(crate) fn stop_broker(&self, broker: &str) {
        self.brokers[broker].shutdown(Duration::ZERO);
    }

    /// How often `code` came to `broker`.
    pub(crate) fn seen(&self, broker: &str, code: RequestCode) -> usize {
        lock(&self.state).seen.iter().filter(|(b, c)| b == broker && *c == code).count()
    }

    /// The bodies in a queue.
    pub(crate) fn bodies(&self, queue: &MessageQueue) -> Vec<String> {
        let state = lock(&self.state);
        let records = state.queues.get(queue).cloned().unwrap_or_default();
        let decoded = records.iter().map(|record| eruca_message::StoredMessage::decode(record).unwrap().0);
        decoded.map(|message| String::from_utf8(message.message.body).unwrap()).collect()
    }

    /// All bodies of a topic.
    pub(crate) fn all_bodies(&self, topic: &str) -> Vec<String> {
        let messages = self.all_messages(topic).into_iter();
        let mut bodies: Vec<String> = messages.map(|m| String::from_utf8(m.message.body).unwrap()).collect();
        bodies.sort();
        bodies
    }

    /// The messages in all queues of a topic.
    pub(crate) fn all_messages(&self, topic: &str) -> Vec<eruca_message::StoredMessage> {
        let state = lock(&self.state);
        let records = state.queues.iter().filter(|(queue, _)| queue.topic == topic).flat_map(|(_, r)| r);
        records.map(|record| eruca_message::StoredMessage::decode(record).unwrap().0).collect()
    }

    /// The ends of transactions that came.
    pub(crate) fn ends(&self) -> Vec<RemotingCommand> {
        lock(&self.state).ends.clone()
    }

    /// Puts a message in a queue.
    pub(crate) fn put(&self, queue: &MessageQueue, body: &str, tag: &str) {
        let properties = if tag.is_empty() { String::new() } else { format!("TAGS\u{1}{tag}\u{2}") };
        let entry = BatchEntry { flag: 0, body: body.as_bytes(), properties: properties.as_bytes() };
        lock(&self.state).store(queue, &entry, 0, 0);
    }

    /// A message of topic `t`, the first of its queue there, and the next one of the light queue.
    pub(crate) fn put_light(&self, light: &MessageQueue, body: &str) {
        let mut state = lock(&self.state);
        let own = MessageQueue::new("t", &light.broker_name, 0);
        let place = state.queues.get(light).map_or(0, Vec::len);
        let names = format!("INNER_MULTI_DISPATCH\u{1}%LMQ%other,{}\u{2}", light.topic);
        let properties = format!("{names}INNER_MULTI_QUEUE_OFFSET\u{1}70,{place}\u{2}");
        let entry = BatchEntry { flag: 0, body: body.as_bytes(), properties: properties.as_bytes() };
        state.store(&own, &entry, 0, 0);
        let record = state.queues.get_mut(&own).and_then(Vec::pop).unwrap();
        state.queues.entry(light.clone()).or_default().push(record);
    }

    pub(crate) fn committed(&self, group: &str, queue: &MessageQueue) -> Option<i64> {
        lock(&self.state).offsets.get(&(group.to_owned(), queue.clone())).copied()
    }

    pub(crate) fn commit(&self, group: &str, queue: &MessageQueue, offset: i64) {
        lock(&self.state).offsets.insert((group.to_owned(), queue.clone()), offset);
    }

    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        lock(&self.state).members.get(group).map(|m| m.keys().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn lock_owner(&self, group: &str, queue: &MessageQueue) -> Option<String> {
        lock(&self.state).locks.get(&(group.to_owned(), queue.clone())).cloned()
    }

    pub(crate) fn take_lock(&self, group: &str, queue: &MessageQueue, owner: &str) {
        lock(&self.state).locks.insert((group.to_owned(), queue.clone()), owner.to_owned());
    }

    pub(crate) fn free_lock(&self, group: &str, queue: &MessageQueue) {
        lock(&self.state).locks.remove(&(group.to_owned(), queue.clone()));
    }

    /// The brokers no longer know the members, as after a restart.
    pub(crate) fn forget_members(&self, group: &str) {
        lock(&self.state).members.remove(group);
    }

    /// Tells the members that they changed, as brokers do when a connection closes.
    pub(crate) fn notify_members(&self, group: &str) {
        let header = NotifyConsumerIdsChangedRequest { consumer_group: group.to_owned() };
        self.push_to_members(group, &RemotingCommand::request(&header));
    }

    /// How many messages of a queue were pulled.
    pub(crate) fn pulls_of(&self, queue: &MessageQueue) -> usize {
        lock(&self.state).pulled.get(queue).copied().unwrap_or(0)
    }

    /// Log offset and delay level of messages that were sent back.
    pub(crate) fn sent_back(&self) -> Vec<(i64, i32)> {
        lock(&self.state).sent_back.clone()
    }

    pub(crate) fn last_heartbeat(&self) -> Option<HeartbeatData> {
        lock(&self.state).heartbeats.last().cloned()
    }

    /// Sends a request to all members of a group.
    pub(crate) fn push_to_members(&self, group: &str, request: &RemotingCommand) {
        let members: Vec<Caller> =
            lock(&self.state).members.get(group).map(|m| m.values().cloned().collect()).unwrap_or_default();
        for caller in members {
            caller.notify(request.clone()).unwrap();
        }
    }

    /// One member of a group, to be asked.
    pub(crate) fn member(&self, group: &str) -> Caller {
        lock(&self.state).members[group].values().next().unwrap().clone()
    }
}

fn serve(service: FakeServer) -> Server {
    let config = ServerConfig { listen: vec!["127.0.0.1:0".parse().unwrap()], ..ServerConfig::default() };
    Server::bind(config, Arc::new(service)).unwrap()
}

/// The name server (no name) or a broker.
struct FakeServer {
    name: String,
    state: Arc<Mutex<State>>,
}

impl CommandService for FakeServer {
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply {
        let mut state = lock(&self.state);
        let code = request.request_code();
        state.seen.push((self.name.clone(), code));
        if let Some(answer) = state.scripted.get_mut(&(self.name.clone(), code)).and_then(VecDeque::pop_front)
        {
            return Reply::Now(request.reply_error(answer, "as the test wants it"));
        }
        if let Some(answering) = state.answering.get(&code).cloned() {
            drop(state);
            return Reply::Now(answering(&self.name, &request));
        }
        Reply::Now(state.answer(&self.name, caller, &request))
    }

    fn disconnected(&self, caller: &Caller) {
        for members in lock(&self.state).members.values_mut() {
            members.retain(|_, member| member != caller);
        }
    }
}

impl State {
    fn answer(&mut self, broker: &str, caller: &Caller, request: &RemotingCommand) -> RemotingCommand {
        match request.request_code() {
            RequestCode::GET_ROUTEINFO_BY_TOPIC => self.route(request),
            RequestCode::SEND_MESSAGE_V2 | RequestCode::SEND_BATCH_MESSAGE => self.send(broker, request),
            RequestCode::PULL_MESSAGE | RequestCode::LITE_PULL_MESSAGE => self.pull(broker, request),
            RequestCode::HEART_BEAT => self.heartbeat(caller, request),
            RequestCode::UNREGISTER_CLIENT => self.unregister(request),
            RequestCode::GET_CONSUMER_LIST_BY_GROUP => self.list(request),
            RequestCode::QUERY_CONSUMER_OFFSET | RequestCode::UPDATE_CONSUMER_OFFSET => {
                self.offset(broker, request)
            }
            RequestCode::GET_MAX_OFFSET => {
                let header: GetMaxOffsetRequest = request.header().unwrap();
                let queue = MessageQueue::new(header.topic, broker, header.queue_id);
                let offset = self.queues.get(&queue).map_or(0, Vec::len) as i64;
                request.reply_with(&GetMaxOffsetResponse { offset })
            }
            RequestCode::GET_MIN_OFFSET => request.reply_with(&GetMinOffsetResponse { offset: 0 }),
            RequestCode::LOCK_BATCH_MQ => self.lock(request),
            RequestCode::UNLOCK_BATCH_MQ => self.unlock(request),
            RequestCode::RECALL_MESSAGE => {
                let header: RecallMessageRequest = request.header().unwrap();
                let handle = RecallHandle::decode(&header.recall_handle).unwrap();
                assert_eq!((handle.topic, handle.broker_name.as_str()), (header.topic, broker));
                request.reply_with(&RecallMessageResponse { msg_id: handle.unique_key })
            }
            RequestCode::CONSUMER_SEND_MSG_BACK => self.send_back(broker, request),
            RequestCode::END_TRANSACTION => {
                self.ends.push(request.clone());
                request.reply(ResponseCode::SUCCESS)
            }
            code => request.reply_error(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, code.to_string()),
        }
    }

    fn route(&self, request: &RemotingCommand) -> RemotingCommand {
        let header: GetRouteinfoByTopicRequest = request.header().unwrap();
        let Some(queues) = self.topics.get(&header.topic) else {
            return request.reply_error(ResponseCode::TOPIC_NOT_EXIST, "no such topic");
        };
        let data = TopicRouteData {
            queue_datas: self
                .brokers
                .keys()
                .map(|name| QueueData {
                    broker_name: name.clone(),
                    read_queue_nums: *queues,
                    write_queue_nums: *queues,
                    perm: 6,
                    ..QueueData::default()
                })
                .collect(),
            broker_datas: self
                .brokers
                .iter()
                .map(|(name, addr)| BrokerData {
                    broker_name: name.clone(),
                    broker_addrs: BTreeMap::from([(0, addr.clone())]),
                    ..BrokerData::default()
                })
                .collect(),
            ..TopicRouteData::default()
        };
        request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&data))
    }

    fn send(&mut self, broker: &str, request: &RemotingCommand) -> RemotingCommand {
        let header: SendMessageRequestV2 = request.header().unwrap();
        self.topics.entry(header.topic.clone()).or_insert(header.default_topic_queue_nums);
        let queue = MessageQueue::new(header.topic, broker, header.queue_id);
        let properties = header.properties.unwrap_or_default();
        let body = request.body.clone();
        let entries = match header.batch {
            Some(true) => decode_batch(&body).unwrap(),
            _ => vec![BatchEntry { flag: header.flag, body: &body, properties: properties.as_bytes() }],
        };
        let queue_offset = self.queues.get(&queue).map_or(0, Vec::len) as i64;
        for entry in entries {
            self.store(&queue, &entry, header.sys_flag, 0);
        }
        let mut reply = request.reply_with(&SendMessageResponse {
            msg_id: format!("7F00000100002A9F{:016X}", self.next_log_offset),
            queue_id: queue.queue_id,
            queue_offset,
            ..SendMessageResponse::default()
        });
        reply.code = self.store_codes.get(broker).map_or(0, |code| code.0);
        reply
    }

    fn store(&mut self, queue: &MessageQueue, entry: &BatchEntry<'_>, sys_flag: i32, reconsume_times: i32) {
        let records = self.queues.entry(queue.clone()).or_default();
        let host = "127.0.0.1:10911".parse().unwrap();
        let fields = RecordFields {
            topic: &queue.topic,
            queue_id: queue.queue_id,
            flag: entry.flag,
            sys_flag,
            queue_offset: QueueOffset(records.len() as u64),
            log_offset: LogOffset(self.next_log_offset),
            born_timestamp: Timestamp(1),
            born_host: host,
            store_timestamp: Timestamp(2),
            store_host: host,
            reconsume_times,
            prepared_transaction_offset: 0,
            body: entry.body,
            properties: entry.properties,
        };
        let mut record = Vec::new();
        encode_record(&fields, &mut record).unwrap();
        self.next_log_offset += record.len() as u64;
        records.push(record);
    }

    fn pull(&mut self, broker: &str, request: &RemotingCommand) -> RemotingCommand {
        let header: PullMessageRequest = request.header().unwrap();
        let queue = MessageQueue::new(header.topic.clone(), broker, header.queue_id);
        let records = self.queues.get(&queue).map(Vec::as_slice).unwrap_or_default();
        let (max, from) = (records.len() as i64, header.queue_offset);
        let (code, next, body) = if from > max || from < 0 {
            (ResponseCode::PULL_OFFSET_MOVED, max.min(from.max(0)), Vec::new())
        } else if from == max {
            (ResponseCode::PULL_NOT_FOUND, from, Vec::new())
        } else {
            let found = records.iter().skip(from as usize).take(header.max_msg_nums as usize);
            let next = from + found.len() as i64;
            (ResponseCode::SUCCESS, next, found.flatten().copied().collect())
        };
        if code == ResponseCode::SUCCESS {
            *self.pulled.entry(queue).or_default() += (next - from) as usize;
        }
        let answer = PullMessageResponse {
            suggest_which_broker_id: 0,
            next_begin_offset: next,
            min_offset: 0,
            max_offset: max,
            ..PullMessageResponse::default()
        };
        let mut reply = request.reply_with(&answer).with_body(body);
        reply.code = code.0;
        reply
    }

    fn heartbeat(&mut self, caller: &Caller, request: &RemotingCommand) -> RemotingCommand {
        let data: HeartbeatData = body::from_json(&request.body).unwrap();
        for consumer in &data.consumer_data_set {
            let members = self.members.entry(consumer.group_name.clone()).or_default();
            if members.insert(data.client_id.clone(), caller.clone()).is_none() {
                let header = NotifyConsumerIdsChangedRequest { consumer_group: consumer.group_name.clone() };
                for member in members.values() {
                    // A member that just left does not hear it.
                    let _ = member.notify(RemotingCommand::request(&header));
                }
            }
            self.topics.entry(names::retry_topic(&consumer.group_name)).or_insert(1);
        }
        for producer in &data.producer_data_set {
            let members = self.members.entry(producer.group_name.clone()).or_default();
            members.insert(data.client_id.clone(), caller.clone());
        }
        self.heartbeats.push(data);
        request.reply(ResponseCode::SUCCESS)
    }

    fn unregister(&mut self, request: &RemotingCommand) -> RemotingCommand {
        let header: UnregisterClientRequest = request.header().unwrap();
        if let Some(members) = header.consumer_group.and_then(|group| self.members.get_mut(&group)) {
            members.remove(&header.client_id);
        }
        request.reply(ResponseCode::SUCCESS)
    }

    fn list(&self, request: &RemotingCommand) -> RemotingCommand {
        let header: GetConsumerListByGroupRequest = request.header().unwrap();
        let members = self.members.get(&header.consumer_group);
        let consumer_id_list = members.map(|m| m.keys().cloned().collect()).unwrap_or_default();
        let list = GetConsumerListByGroupResponseBody { consumer_id_list };
        request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&list))
    }

    fn offset(&mut self, broker: &str, request: &RemotingCommand) -> RemotingCommand {
        if request.request_code() == RequestCode::UPDATE_CONSUMER_OFFSET {
            let header: UpdateConsumerOffsetRequest = request.header().unwrap();
            let queue = MessageQueue::new(header.topic, broker, header.queue_id);
            self.offsets.insert((header.consumer_group, queue), header.commit_offset);
            return request.reply(ResponseCode::SUCCESS);
        }
        let header: QueryConsumerOffsetRequest = request.header().unwrap();
        let queue = MessageQueue::new(header.topic, broker, header.queue_id);
        match self.offsets.get(&(header.consumer_group, queue)) {
            Some(offset) => request.reply_with(&QueryConsumerOffsetResponse { offset: *offset }),
            None => request.reply_error(ResponseCode::QUERY_NOT_FOUND, "no offset"),
        }
    }

    fn lock(&mut self, request: &RemotingCommand) -> RemotingCommand {
        let wanted: LockBatchRequestBody = body::from_json(&request.body).unwrap();
        let mut lock_ok_mq_set = Vec::new();
        for queue in wanted.mq_set {
            let key = (wanted.consumer_group.clone(), queue.clone());
            if *self.locks.entry(key).or_insert_with(|| wanted.client_id.clone()) == wanted.client_id {
                lock_ok_mq_set.push(queue);
            }
        }
        let granted = LockBatchResponseBody { lock_ok_mq_set };
        request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&granted))
    }

    fn unlock(&mut self, request: &RemotingCommand) -> RemotingCommand {
        let given: UnlockBatchRequestBody = body::from_json(&request.body).unwrap();
        for queue in given.mq_set {
            let key = (given.consumer_group.clone(), queue);
            if self.locks.get(&key) == Some(&given.client_id) {
                self.locks.remove(&key);
            }
        }
        request.reply(ResponseCode::SUCCESS)
    }

    /// Brings the message again at once, through the retry topic, as a real broker does after a delay.
    fn send_back(&mut self, broker: &str, request: &RemotingCommand) -> RemotingCommand {
        let header: ConsumerSendMsgBackRequest = request.header().unwrap();
        self.sent_back.push((header.offset, header.delay_level));
        let record = self.queues.values().flatten().find_map(|record| {
            let (message, _) = eruca_message::StoredMessage::decode(record).unwrap();
            (message.log_offset.0 as i64 == header.offset).then_some(message)
        });
        if let Some(message) = record.filter(|_| header.delay_level >= 0) {
            let mut kept: Properties = message.message.properties.clone();
            kept.set(properties::RETRY_TOPIC, header.origin_topic.unwrap_or_default());
            let queue = MessageQueue::new(names::retry_topic(&header.group), broker, 0);
            let entry = BatchEntry { flag: 0, body: &message.message.body, properties: &kept.to_bytes() };
            self.store(&queue, &entry, message.sys_flag, message.reconsume_times + 1);
        }
        request.reply(ResponseCode::SUCCESS)
    }
}
