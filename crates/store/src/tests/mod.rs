//! The store as a whole. `bench` is what all of them stand on: a store on a simulated disk with a clock that is
//! moved by hand.

mod append_read;
mod batch_queues;
mod bench;
mod by_time;
mod cold;
mod crash;
mod damage;
mod expiry;
mod failures;
mod flush;
mod golden;
mod index;
mod index_crash;
mod inspect;
mod model;
mod multi_dispatch;
mod near;
mod query;
mod queue_log;
mod queue_log_crash;
mod recovery;
mod replica;
mod replica_cut;
