//! The admin tool alone: `cargo run -p eruca-admin --example mqadmin -- topicList -n 127.0.0.1:9876`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    eruca_admin::run(std::env::args().skip(1).collect()).await
}
