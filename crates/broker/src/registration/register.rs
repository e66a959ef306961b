//! Registering with every name server: at start, on change, and again and again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use eruca_message::Clock;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, RegisterBrokerBody, TopicConfigAndMappingSerializeWrapper},
    request::{RegisterBrokerRequest, RegisterBrokerResponse, UnregisterBrokerRequest},
};
use eruca_remoting::{Caller, Client, ClientConfig, TaskGroup};
use tokio::{sync::watch, time::Instant};

use super::{NameServers, status::NotRegistered};
use crate::{
    config::BrokerConfig,
    role::{MasterAddresses, Role, RoleState, Standing},
    settings::Settings,
    topics::TopicTable,
};

/// Pause after a failed registration or a lost connection; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A registration with a larger body is sent compressed.
const JSON_MAX_BYTES: usize = 4 << 20;
/// How long leaving may take.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(1);
/// Java's bounds of `registerNameServerPeriod`.
const PERIOD_MS: std::ops::RangeInclusive<i64> = 10_000..=60_000;

/// Who we are, as name servers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the cluster.
    pub cluster_name: String,
    /// Name of the broker group.
    pub broker_name: String,
    /// `host:port` for clients.
    pub broker_addr: String,
    /// `host:port` for slaves.
    pub ha_server_addr: String,
}

/// Keeps all name servers informed.
#[derive(Debug)]
pub struct Registration {
    parts: Arc<Parts>,
    version: watch::Sender<u64>,
    tasks: TaskGroup,
}

#[derive(Debug)]
struct Parts {
    identity: Identity,
    addresses: Vec<String>,
    topics: Arc<TopicTable>,
    settings: Arc<Settings>,
    role: Arc<RoleState>,
    clock: Arc<dyn Clock>,
    name_servers: Arc<NameServers>,
}

impl Registration {
    /// Who is to be told what; nothing is told before [`Registration::start`].
    pub fn new(
        identity: Identity,
        addresses: Vec<String>,
        topics: Arc<TopicTable>,
        settings: Arc<Settings>,
        role: Arc<RoleState>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let name_servers = Arc::new(NameServers::new(&addresses));
        let parts = Parts { identity, addresses, topics, settings, role, clock, name_servers };
        Registration { parts: Arc::new(parts), version: watch::Sender::new(0), tasks: TaskGroup::new() }
    }

    /// Which name servers know us.
    pub fn name_servers(&self) -> &Arc<NameServers> {
        &self.parts.name_servers
    }

    /// Who we are.
    pub fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// Registers with all name servers at once, and from then on whenever topics change and periodically. To be called
    /// inside a Tokio runtime.
    pub fn start(self: &Arc<Self>) {
        for index in 0..self.parts.addresses.len() {
            let task = keep_registered(self.parts.clone(), index, self.version.subscribe());
            self.tasks.spawn("registration", task);
        }
        let (version, changes) = (self.version.clone(), self.parts.topics.changes().clone());
        self.tasks.spawn("topic changes", async move {
            loop {
                changes.notified().await;
                version.send_modify(|version| *version += 1);
            }
        });
        let (version, mut changes) = (self.version.clone(), self.parts.role.watch());
        let mut told = Told::of(&self.parts.role.now());
        self.tasks.spawn("role changes", async move {
            while changes.changed().await.is_ok() {
                let now = Told::of(&changes.borrow_and_update());
                if std::mem::replace(&mut told, now) != told {
                    version.send_modify(|version| *version += 1);
                }
            }
        });
    }

    /// Registers again without waiting for the period. Many calls at once become one registration.
    pub fn register_now(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Stops registering and tells all name servers that we leave; takes about a second at most.
    pub async fn unregister(&self) {
        self.tasks.shutdown().await;
        let identity = &self.parts.identity;
        let request = RemotingCommand::request(&UnregisterBrokerRequest {
            broker_name: identity.broker_name.clone(),
            broker_addr: identity.broker_addr.clone(),
            cluster_name: identity.cluster_name.clone(),
            broker_id: self.parts.role.now().broker_id,
        });
        let known: Vec<String> = self
            .parts
            .name_servers
            .status()
            .into_iter()
            .filter(|state| state.registered_since.is_some())
            .map(|state| state.address)
            .collect();
        let client = new_client();
        let leaving = TaskGroup::new();
        let (done, mut all_done) = watch::channel(());
        for address in known {
            let (client, request, done) = (client.clone(), request.clone(), done.clone());
            leaving.spawn("unregister", async move {
                match client.invoke(&address, request, UNREGISTER_TIMEOUT).await {
                    Ok(_) => tracing::info!(name_server = %address, "unregistered"),
                    Err(error) => {
                        tracing::warn!(name_server = %address, %error, "not unregistered, it will notice")
                    }
                }
                drop(done);
            });
        }
        drop(done);
        // Ends with an error when the last sender is dropped.
        let _ = tokio::time::timeout(UNREGISTER_TIMEOUT, all_done.changed()).await;
        leaving.shutdown().await;
        client.close();
    }
}

fn new_client() -> Client {
    Client::new(ClientConfig { name: "registration", ..ClientConfig::default() }, None)
}

/// One name server's task: registrations one after the other, never two at once.
async fn keep_registered(parts: Arc<Parts>, index: usize, mut version: watch::Receiver<u64>) {
    let Some(address) = parts.addresses.get(index).cloned() else { return };
    let client = new_client();
    let mut retry = RETRY_MIN;
    loop {
        version.mark_unchanged();
        let started = Instant::now();
        let failure = match parts.register(&client, &address).await {
            Ok(connection) => {
                parts.name_servers.note(index, Ok(()), parts.clock.now());
                tokio::select! {
                    () = parts.next_registration(started, &mut version) => {
                        retry = RETRY_MIN;
                        continue;
                    }
                    () = connection.closed() => {}
                }
                // One that answers and then closes, again and again, must not be asked ever faster.
                if started.elapsed() >= RETRY_MAX {
                    retry = RETRY_MIN;
                }
                NotRegistered::out_of_reach(format!("the connection to {address} was lost"))
            }
            Err(failure) => failure,
        };
        parts.name_servers.note(index, Err(failure), parts.clock.now());
        // A change does not make a name server come back.
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
}

/// What of the standing name servers are told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    broker_id: i64,
    epoch: i64,
    role: Role,
}

impl Told {
    fn of(standing: &Standing) -> Told {
        Told { broker_id: standing.broker_id, epoch: standing.epoch, role: standing.role }
    }
}

impl Parts {
    fn period_ms(&self) -> u64 {
        let period_ms = self.settings.now().register_name_server_period;
        period_ms.clamp(*PERIOD_MS.start(), *PERIOD_MS.end()).unsigned_abs()
    }

    /// Returns when a registration after the one that began at `started` is due: topics changed, or the period is over.
    async fn next_registration(&self, started: Instant, version: &mut watch::Receiver<u64>) {
        // With very many topics a registration takes its time; it gets at most half of it.
        tokio::time::sleep(started.elapsed().min(Duration::from_secs(1))).await;
        // An error means that the broker is going.
        let _ = tokio::time::timeout(Duration::from_millis(self.period_ms()), version.changed()).await;
    }

    /// Registers once; the connection by which the name server knows us. When that ends, it forgets us.
    async fn register(&self, client: &Client, address: &str) -> Result<Caller, NotRegistered> {
        let config = self.settings.now();
        let timeout = Duration::from_millis(config.register_broker_timeout_mills.unsigned_abs());
        let request = self.request(&config);
        let connection = client.connect(address, timeout).await?;
        let answer = connection.invoke(request, timeout).await?;
        match answer.response_code() {
            ResponseCode::SUCCESS => {
                self.learn_master(&answer);
                Ok(connection)
            }
            ResponseCode::GO_AWAY => {
                connection.close();
                Err(NotRegistered::out_of_reach(format!("{address} is shutting down")))
            }
            code => Err(NotRegistered::refused(format!(
                "{address} refused the registration: {code} {}",
                answer.remark.unwrap_or_default()
            ))),
        }
    }

    /// A slave is told where its master is, where the name server knows one. One that knows none says nothing of it: others
    /// may know.
    fn learn_master(&self, answer: &RemotingCommand) {
        let Ok(RegisterBrokerResponse { ha_server_addr: Some(ha_addr), master_addr: Some(broker_addr) }) =
            answer.header::<RegisterBrokerResponse>()
        else {
            return;
        };
        if broker_addr.is_empty() || broker_addr == self.identity.broker_addr {
            return;
        }
        let master = MasterAddresses { broker_addr, ha_addr };
        if self.role.set_master(Some(master.clone())) {
            tracing::info!(master = master.broker_addr, ha = master.ha_addr, "the master of this slave");
        }
    }

    fn request(&self, config: &BrokerConfig) -> RemotingCommand {
        let broker_permission = config.broker_permission;
        const READ_WRITE: i32 = crate::topics::perm::READ | crate::topics::perm::WRITE;
        let mut topics = self.topics.snapshot();
        if broker_permission & READ_WRITE != READ_WRITE {
            topics.topic_config_table.values_mut().for_each(|topic| topic.perm &= broker_permission);
        }
        let standing = self.role.now();
        if standing.epoch > 0 {
            topics.data_version.state_version = standing.epoch;
        }
        let (body, compressed) = encode(&RegisterBrokerBody {
            filter_server_list: Vec::new(),
            topic_config_serialize_wrapper: TopicConfigAndMappingSerializeWrapper {
                data_version: topics.data_version,
                mapping_data_version: topics.data_version,
                topic_config_table: topics.topic_config_table,
                ..TopicConfigAndMappingSerializeWrapper::default()
            },
        });
        RemotingCommand::request(&RegisterBrokerRequest {
            broker_name: self.identity.broker_name.clone(),
            broker_addr: self.identity.broker_addr.clone(),
            cluster_name: self.identity.cluster_name.clone(),
            ha_server_addr: self.identity.ha_server_addr.clone(),
            broker_id: standing.broker_id,
            heartbeat_timeout_millis: config
                .enable_slave_acting_master
                .then_some(config.broker_not_active_timeout_millis),
            enable_acting_master: Some(config.enable_slave_acting_master),
            compressed,
            body_crc32: Some(RegisterBrokerBody::crc32(&body)),
        })
        .with_body(body)
    }
}

/// The body, and whether it is in the compressed form, which every name server reads but which leaves out whether topics
/// are ordered or of a unit: for those bodies alone that would come near the limit of a frame.
fn encode(registration: &RegisterBrokerBody) -> (Bytes, bool) {
    let json = body::to_json(registration);
    match json.len() > JSON_MAX_BYTES {
        true => (registration.encode_compressed().into(), true),
        false => (json.into(), false),
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::{FrameDecoder, body::TopicConfig};

    use super::*;

    #[test]
    fn a_hundred_thousand_topics_fit_a_frame() {
        let mut body = RegisterBrokerBody::default();
        let add = |body: &mut RegisterBrokerBody, numbers: std::ops::Range<u32>| {
            for number in numbers {
                let topic_name = format!("a-topic-with-a-name-of-usual-length-{number}");
                let topic = TopicConfig { topic_name: topic_name.clone(), ..TopicConfig::default() };
                body.topic_config_serialize_wrapper.topic_config_table.insert(topic_name, topic);
            }
        };
        add(&mut body, 0..10);
        let (small, compressed) = encode(&body);
        assert!(!compressed);
        assert_eq!(RegisterBrokerBody::decode(&small, compressed, 513).expect("a body"), body);

        add(&mut body, 10..100_000);
        let (large, compressed) = encode(&body);
        assert!(compressed && large.len() < FrameDecoder::MAX_FRAME_BYTES / 4, "{} bytes", large.len());
        let read = RegisterBrokerBody::decode(&large, compressed, 513).expect("a body");
        let topics = |body: RegisterBrokerBody| body.topic_config_serialize_wrapper.topic_config_table;
        assert!(topics(read).keys().eq(topics(body).keys()));
    }
}
