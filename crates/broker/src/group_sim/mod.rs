//! Brokers, but for their sockets and threads, in a group that is played from seeds: `eruca_sim::cluster` has the logs, the controller and
//! all trouble, here is what works in the brokers: transactions, delayed messages, and consumers with their offsets, which slaves copy.
//!
//! Read in this order: `process` (a broker) → `producers`, `delayed`, `consumers` (what the world outside does and knows) → `world` (who
//! does what when, and what must be true in the end) → `play`.

mod consumers;
mod delayed;
mod play;
mod process;
mod producers;
mod world;
