//! The key-value configuration.

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, KVTable},
    request::{
        DeleteKvConfigRequest, GetKvConfigRequest, GetKvConfigResponse, GetKvlistByNamespaceRequest,
        PutKvConfigRequest,
    },
};
use tracing::info;

use super::answer::{Answer, Refusal};
use crate::namesrv::{SharedKv, read, write};

pub(crate) struct KvHandler {
    pub(crate) kv: SharedKv,
}

impl KvHandler {
    pub(crate) fn handle(&self, request: &RemotingCommand) -> Answer {
        match request.request_code() {
            RequestCode::PUT_KV_CONFIG => self.put(request),
            RequestCode::GET_KV_CONFIG => self.value(request),
            RequestCode::DELETE_KV_CONFIG => self.delete(request),
            _ => self.namespace(request),
        }
    }

    fn put(&self, request: &RemotingCommand) -> Answer {
        let header: PutKvConfigRequest = request.header()?;
        write(&self.kv).put(&header.namespace, &header.key, &header.value)?;
        info!(namespace = header.namespace, key = header.key, "key-value configuration changed");
        Ok(request.reply(ResponseCode::SUCCESS))
    }

    fn value(&self, request: &RemotingCommand) -> Answer {
        let GetKvConfigRequest { namespace, key } = request.header()?;
        match read(&self.kv).value(&namespace, &key) {
            Some(value) => Ok(request.reply_with(&GetKvConfigResponse { value: Some(value.to_owned()) })),
            None => Err(not_found(format!("No config item, Namespace: {namespace} Key: {key}"))),
        }
    }

    fn delete(&self, request: &RemotingCommand) -> Answer {
        let header: DeleteKvConfigRequest = request.header()?;
        write(&self.kv).delete(&header.namespace, &header.key)?;
        Ok(request.reply(ResponseCode::SUCCESS))
    }

    fn namespace(&self, request: &RemotingCommand) -> Answer {
        let GetKvlistByNamespaceRequest { namespace } = request.header()?;
        match read(&self.kv).namespace(&namespace) {
            Some(table) => {
                let content = body::to_json(&KVTable { table: table.clone() });
                Ok(request.reply(ResponseCode::SUCCESS).with_body(content))
            }
            None => Err(not_found(format!("No config item, Namespace: {namespace}"))),
        }
    }
}

fn not_found(remark: String) -> Refusal {
    Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark)
}
