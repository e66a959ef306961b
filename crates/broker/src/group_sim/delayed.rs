//! Producers of messages with a delay level or a time of their own, and what they know.

use eruca_message::Clock;
use eruca_sim::{cluster::Board, random::Random, trace::Trace};

use super::{
    process::{Process, message},
    producers::id_of,
};

/// Where they go.
pub(super) const TOPIC: &str = "D";
/// Delay levels: one second, and five.
pub(super) const LEVELS: [i32; 2] = [1, 2];
/// Longest delay of a message with a time of its own.
const DELAY_MS_MAX: u64 = 3_000;

#[derive(Debug, Clone, Default)]
struct Message {
    is_sent: bool,
    /// How often it came, in how many places.
    came: Vec<u64>,
}

#[derive(Default)]
pub(super) struct Delayed {
    messages: Vec<Message>,
}

impl Delayed {
    pub(super) fn send(
        &mut self,
        process: &Process,
        board: Board<'_>,
        random: &mut Random,
        trace: &mut Trace,
    ) {
        let id = self.messages.len();
        self.messages.push(Message::default());
        let body = format!("d{id}");
        let properties = match random.percent(50) {
            true => format!("DELAY\u{1}{}\u{2}", random.pick(&LEVELS)),
            false => format!("TIMER_DELAY_MS\u{1}{}\u{2}", random.between(1, DELAY_MS_MAX)),
        };
        let (parking, store) = (&process.parts.parking, &process.parts.settled.store);
        let appended = parking.append(store, &message(board, TOPIC, &body, &properties), board.clock.now());
        if let (Ok(appended), true) = (appended, process.settle()) {
            trace.line(format_args!("{} takes delayed message {id}: {appended:?}", board.at));
            process.delayed.wait(board.group, id, appended.log_offset_end, board.clock.now());
        }
    }

    pub(super) fn acknowledged(&mut self, id: usize) {
        self.messages[id].is_sent = true;
    }

    /// A consumer got one there.
    pub(super) fn got(&mut self, offset: u64, body: &[u8]) -> Result<(), String> {
        let id = id_of('d', body).ok_or("a message that nobody sent")?;
        let came = &mut self.messages[id].came;
        if !came.contains(&offset) {
            came.push(offset);
        }
        Ok(())
    }

    pub(super) fn delivered(&self) -> usize {
        self.messages.iter().filter(|one| !one.came.is_empty()).count()
    }

    /// How many came more than once, as they may where a master is lost.
    pub(super) fn came_again(&self) -> usize {
        self.messages.iter().filter(|one| one.came.len() > 1).count()
    }

    /// Consumers got all there is: nothing is missing.
    pub(super) fn verify(&self) -> Result<(), String> {
        match self.messages.iter().position(|one| one.is_sent && one.came.is_empty()) {
            Some(id) => Err(format!("delayed message {id} was acknowledged, and is lost")),
            None => Ok(()),
        }
    }
}
