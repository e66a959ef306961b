//! Records wait here, and are sent in the background.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use eruca_message::{
    UniqueIdGenerator,
    names::{self, MAX_GROUP_LEN_BYTES},
    trace::TraceRecord,
};
use eruca_remoting::{CancelToken, TaskGroup};
use tokio::{sync::mpsc, time::Instant};

use super::batch::Batch;
use crate::{
    ConfigError, Producer,
    client::{ClientSettings, Session},
    client_id::random_u64,
};

/// Most records that wait; those above are lost, as a trace must not slow down what it tells of.
const WAITING_MAX: usize = 2_048;
/// How long a record waits for others to go with it.
const GATHER: Duration = Duration::from_secs(1);
/// How long one message of records may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a shutdown waits for the records that are left.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Shortest time from one complaint about lost records to the next.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);

/// Whose traces they are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TracerOf {
    Producer,
    Consumer,
}

/// Takes records of what a client does, and sends them with a producer of its own. It never makes anybody wait.
pub(crate) struct Tracer {
    topic: String,
    queue: mpsc::Sender<TraceRecord>,
    lost: Arc<AtomicU64>,
    ids: UniqueIdGenerator,
    producer: Producer,
    tasks: TaskGroup,
}

impl Tracer {
    /// The tracer of a client of `group`, where its settings ask for one.
    pub(crate) async fn start(
        client: &ClientSettings,
        session: &Session,
        of: TracerOf,
        group: &str,
    ) -> Result<Option<Arc<Tracer>>, ConfigError> {
        let Some(topic) = client.trace_topic.clone() else { return Ok(None) };
        names::validate_topic(&topic)?;
        let client = ClientSettings { trace_topic: None, client_id: None, ..client.clone() };
        let builder = Producer::builder().with_client(client).group(producer_group(of, group));
        // The producer of a producer: without a box its type would hold itself.
        let producer = Box::pin(builder.send_timeout(SEND_TIMEOUT).build()).await?;
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let tasks = TaskGroup::new();
        let outgoing = Outgoing {
            waiting,
            producer: producer.clone(),
            topic: topic.clone(),
            complaints: Complaints { lost: lost.clone(), told: 0, last: None },
        };
        tasks.spawn_graceful("traces", |stop| outgoing.run(stop));
        let ids = UniqueIdGenerator::new(session.local_ip(), std::process::id(), random_u64() as u32);
        Ok(Some(Arc::new(Tracer { topic, queue, lost, ids, producer, tasks })))
    }

    /// Whether messages of `topic` are traced: those of the trace topic are not, nor of topics whose names begin with its.
    pub(crate) fn traces(&self, topic: &str) -> bool {
        !topic.starts_with(&self.topic)
    }

    /// An id for what records have in common.
    pub(crate) fn new_id(&self, now: eruca_message::Timestamp) -> String {
        self.ids.next_id(now)
    }

    /// Takes a record, or loses it where too many wait.
    pub(crate) fn append(&self, record: TraceRecord) {
        if self.queue.try_send(record).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many records were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Sends what waits, in so far as there is time. Records that come later are lost.
    pub(crate) async fn shutdown(&self) {
        if tokio::time::timeout(SHUTDOWN_GRACE, self.tasks.shutdown()).await.is_err() {
            tracing::warn!(topic = self.topic, grace = ?SHUTDOWN_GRACE, "traces not sent in time, the rest is lost");
        }
        // The producer of a producer: without a box its type would hold itself.
        Box::pin(self.producer.shutdown()).await;
    }
}

/// A group for the producer of traces, by Java's pattern; a long name is cut where the broker's limit asks for it.
fn producer_group(of: TracerOf, group: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let what = match of {
        TracerOf::Producer => "PRODUCE",
        TracerOf::Consumer => "CONSUME",
    };
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (head, tail) = ("_INNER_TRACE_PRODUCER-", format!("-{what}-{number}"));
    let room = MAX_GROUP_LEN_BYTES - head.len() - tail.len();
    let kept: String = group.chars().take(room).collect();
    format!("{head}{kept}{tail}")
}

/// The background part.
struct Outgoing {
    waiting: mpsc::Receiver<TraceRecord>,
    producer: Producer,
    topic: String,
    complaints: Complaints,
}

impl Outgoing {
    async fn run(mut self, stop: CancelToken) {
        let mut batch = Batch::default();
        while let Some(record) = self.next(&stop, None).await {
            let deadline = Instant::now() + GATHER;
            self.add(&mut batch, record).await;
            while !batch.is_full() {
                let Some(record) = self.next(&stop, Some(deadline)).await else { break };
                self.add(&mut batch, record).await;
            }
            self.send(&mut batch).await;
        }
        self.waiting.close();
        while let Some(record) = self.waiting.recv().await {
            self.add(&mut batch, record).await;
        }
        self.send(&mut batch).await;
        self.complaints.tell();
    }

    /// The next record, unless the time is up or all ends.
    async fn next(&mut self, stop: &CancelToken, deadline: Option<Instant>) -> Option<TraceRecord> {
        let time_is_up = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            record = self.waiting.recv() => record,
            () = time_is_up => None,
        }
    }

    async fn add(&mut self, batch: &mut Batch, record: TraceRecord) {
        if !batch.push(&record) {
            self.send(batch).await;
            batch.push(&record);
        }
    }

    async fn send(&mut self, batch: &mut Batch) {
        let records = batch.len();
        if records == 0 {
            return;
        }
        if let Err(error) = self.producer.send(batch.take(&self.topic)).await {
            self.complaints.lost.fetch_add(records, Ordering::Relaxed);
            tracing::debug!(topic = self.topic, records, %error, "traces not sent");
            self.complaints.because(&error);
        }
        self.complaints.due();
    }
}

/// What is said of lost records, now and then.
struct Complaints {
    lost: Arc<AtomicU64>,
    told: u64,
    last: Option<Instant>,
}

impl Complaints {
    fn is_quiet(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() < COMPLAINT_PAUSE)
    }

    fn due(&mut self) {
        if !self.is_quiet() {
            self.tell();
        }
    }

    fn because(&mut self, error: &crate::SendError) {
        if !self.is_quiet() {
            let (lost, limit) = (self.note(), WAITING_MAX);
            tracing::warn!(lost, limit, %error, "traces are lost, they could not be sent; the messages themselves are not touched");
        }
    }

    fn tell(&mut self) {
        if self.lost.load(Ordering::Relaxed) > self.told {
            let lost = self.note();
            tracing::warn!(
                lost,
                limit = WAITING_MAX,
                "traces are lost, more came than could be sent; the messages themselves are not touched"
            );
        }
    }

    /// How many were lost since it was last said.
    fn note(&mut self) -> u64 {
        let all = self.lost.load(Ordering::Relaxed);
        self.last = Some(Instant::now());
        all - std::mem::replace(&mut self.told, all)
    }
}

#[cfg(test)]
#[path = "tracer_test.rs"]
mod tests;
