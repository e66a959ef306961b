//! The name server on a socket.

use std::{sync::Arc, time::Duration};

use eruca_message::SystemClock;
use eruca_namesrv::{NamesrvConfig, NamesrvServer, StartError};
use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Client, ClientConfig, ServerConfig};

fn config() -> NamesrvConfig {
    let mut config = NamesrvConfig::default();
    config.keys.bind_address = "127.0.0.1".into();
    config.keys.listen_port = 0;
    config
}

#[test]
fn it_answers_on_its_socket_and_stops() {
    let server = NamesrvServer::start(config(), ServerConfig::default(), Arc::new(SystemClock)).unwrap();
    let addr = server.local_addrs()[0].to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reply = runtime.block_on(async {
        let client = Client::new(ClientConfig::default(), None);
        let request = RemotingCommand::request_without_header(RequestCode::GET_BROKER_CLUSTER_INFO);
        client.invoke(&addr, request, Duration::from_secs(10)).await.unwrap()
    });
    assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
    server.shutdown(Duration::from_secs(1));
}

#[test]
fn a_bad_address_is_named() {
    let mut config = config();
    config.keys.bind_address = "local host".into();
    let error = NamesrvServer::start(config, ServerConfig::default(), Arc::new(SystemClock)).err().unwrap();
    assert!(matches!(&error, StartError::Address { value } if value == "local host"), "{error}");
}
