//! How to connect, and the calls that all others are made of.

use std::{sync::Arc, time::Duration};

use eruca_protocol::{HeaderFields, RemotingCommand, RequestCode, RequestHeader, body};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CallError, ConfigError,
    client::{Answer, ClientSettings, Session},
    setters::connection_setters,
};

/// How long an admin call may take where nothing else is said (Java: 5 s).
const ADMIN_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions and orders to name servers and brokers (Java: `DefaultMQAdminExt`).
///
/// It is thin: one call is one request, except where its doc says otherwise. Addresses are `host:port` of a broker as
/// the route tells it. Clones share their connections.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use eruca_client::Admin;
///
/// let admin = Admin::builder().name_servers("127.0.0.1:9876").build().await?;
/// for broker in admin.examine_topic_route_info("orders").await?.broker_datas {
///     println!("{} at {:?}", broker.broker_name, broker.broker_addrs);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Admin {
    pub(super) session: Arc<Session>,
}

/// Settings of an [`Admin`].
#[derive(Clone)]
#[must_use]
pub struct AdminBuilder {
    client: ClientSettings,
}

impl AdminBuilder {
    connection_setters!();

    /// How long one call may take; 5 s by default.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.client.call_timeout = timeout;
        self
    }

    /// The admin client. It connects with the first call. To be called inside a Tokio runtime.
    pub async fn build(self) -> Result<Admin, ConfigError> {
        Ok(Admin { session: Arc::new(Session::open(self.client, None).await?) })
    }
}

impl Admin {
    /// Settings for a new admin client.
    pub fn builder() -> AdminBuilder {
        AdminBuilder {
            client: ClientSettings { call_timeout: ADMIN_CALL_TIMEOUT, ..ClientSettings::default() },
        }
    }

    /// Closes the connections; calls in flight fail.
    pub fn shutdown(&self) {
        self.session.close();
    }

    /// The addresses of the name servers.
    pub fn name_server_addresses(&self) -> Vec<String> {
        self.session.name_server_addrs()
    }

    /// Sends `header` to `addr`.
    pub(super) async fn ask<H: RequestHeader>(&self, addr: &str, header: &H) -> Result<Answer, CallError> {
        self.session.call(addr, RemotingCommand::request(header)).await
    }

    /// Sends `header` to `addr`; the answer's header.
    pub(super) async fn ask_header<H: RequestHeader, A: HeaderFields>(
        &self,
        addr: &str,
        header: &H,
    ) -> Result<A, CallError> {
        self.ask(addr, header).await?.header()
    }

    /// Sends `header` to `addr`; the answer's body.
    pub(super) async fn ask_body<H: RequestHeader, A: DeserializeOwned>(
        &self,
        addr: &str,
        header: &H,
    ) -> Result<A, CallError> {
        self.ask(addr, header).await?.body()
    }

    /// Sends a request without a header to `addr`; the answer's body.
    pub(super) async fn ask_plain<A: DeserializeOwned>(
        &self,
        addr: &str,
        code: RequestCode,
    ) -> Result<A, CallError> {
        self.session.call(addr, RemotingCommand::request_without_header(code)).await?.body()
    }

    /// Sends a request without a header and with a JSON body to `addr`.
    pub(super) async fn tell<B: Serialize>(
        &self,
        addr: &str,
        code: RequestCode,
        content: &B,
    ) -> Result<Answer, CallError> {
        let request = RemotingCommand::request_without_header(code).with_body(body::to_json(content));
        self.session.call(addr, request).await
    }
}
