//! `eruca dlq redrive`.

use anyhow::Context;
use eruca_admin::{Admin, LocalTime};
use eruca_client::{Message, Producer, SendError};
use tokio::time::Instant;

use super::{
    args::RedriveArgs,
    list::line,
    origin::revive,
    pace::Pace,
    queues::{DlqQueue, queues_of},
};
use crate::ready::print_line;

/// The group of all messages that are sent so. Nobody asks it about transactions.
const PRODUCER_GROUP: &str = "eruca_dlq";

/// Sends messages, not too fast.
struct Sender {
    producer: Producer,
    pace: Pace,
    started: Instant,
}

impl Sender {
    async fn send(&mut self, message: Message) -> Result<(), SendError> {
        let at = self.pace.admit(self.started.elapsed());
        tokio::time::sleep_until(self.started + at).await;
        self.producer.send(message).await.map(drop)
    }
}

/// What became of the messages so far.
#[derive(Debug, Default)]
struct Count {
    sent: u64,
    /// They do not say where they came from.
    homeless: u64,
}

pub(super) async fn run(admin: &Admin, args: RedriveArgs) -> anyhow::Result<()> {
    let queues = queues_of(admin, &args.group).await?;
    let mut sender = match args.preview {
        true => None,
        false => {
            let name_servers = args.name_servers.namesrv.clone();
            let producer =
                Producer::builder().name_servers(name_servers).group(PRODUCER_GROUP).build().await?;
            Some(Sender { producer, pace: Pace::new(args.rate), started: Instant::now() })
        }
    };
    let mut count = Count::default();
    let mut result = Ok(());
    for queue in &queues {
        result = redrive(admin, sender.as_mut(), queue, &args, &mut count).await;
        if result.is_err() {
            break;
        }
    }
    if let Some(sender) = sender {
        sender.producer.shutdown().await;
    }
    let verb = if args.preview { "would be" } else { "were" };
    print_line(&format!("{} messages of group {} {verb} sent again", count.sent, args.group))?;
    if count.homeless > 0 {
        print_line(&format!(
            "{} messages do not say from which topic they came and stay where they are",
            count.homeless
        ))?;
    }
    result
}

/// Sends what `queue` has, and notes after each pull and at the end how far it got: what is sent twice when this is
/// interrupted are at most the messages of one pull.
async fn redrive(
    admin: &Admin,
    mut sender: Option<&mut Sender>,
    queue: &DlqQueue,
    args: &RedriveArgs,
    count: &mut Count,
) -> anyhow::Result<()> {
    let mut at = if args.again { queue.first } else { queue.redriven };
    let mut done = at;
    let mut result = Ok(());
    'queue: while at < queue.next {
        let (messages, next) = queue.read(admin, at).await?;
        for dead in messages {
            let offset = dead.queue_offset.to_i64();
            if offset >= queue.next || args.limit.is_some_and(|limit| count.sent >= limit) {
                break 'queue;
            }
            let shown = line(&dead, &queue.queue.broker_name, 0, &LocalTime::of_this_machine());
            let Some(message) = revive(dead, args.to_group.then_some(args.group.as_str())) else {
                count.homeless += 1;
                done = offset + 1;
                continue;
            };
            if let Some(sender) = sender.as_mut() {
                if let Err(error) = sender.send(message).await {
                    let what = format!("this message was not sent again, nor those after it: {shown}");
                    result = Err(error).context(what);
                    break 'queue;
                }
            } else {
                print_line(&shown)?;
            }
            count.sent += 1;
            done = offset + 1;
        }
        if sender.is_some() {
            queue.note_redriven(admin, done.max(queue.redriven)).await?;
        }
        at = next;
    }
    if sender.is_some() {
        queue.note_redriven(admin, done.max(queue.redriven)).await?;
    }
    result
}
