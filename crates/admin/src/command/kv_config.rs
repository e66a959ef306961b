//! `updateKvConfig` and `deleteKvConfig`: keys and values that name servers keep.

use super::{Call, Command};
use crate::{CommandError, option::Opt};

pub(super) static UPDATE: Command = Command {
    name: "updateKvConfig",
    about: "Create or update KV config.",
    options: &[
        Opt::required("s", "namespace", "set the namespace"),
        Opt::required("k", "key", "set the key name"),
        Opt::required("v", "value", "set the key value"),
    ],
    run: |call| Box::pin(update(call)),
};

pub(super) static DELETE: Command = Command {
    name: "deleteKvConfig",
    about: "Delete KV config.",
    options: &[
        Opt::required("s", "namespace", "set the namespace"),
        Opt::required("k", "key", "set the key name"),
    ],
    run: |call| Box::pin(delete(call)),
};

async fn update(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let (namespace, key, value) = (arguments.required("s"), arguments.required("k"), arguments.required("v"));
    call.admin.create_and_update_kv_config(namespace, key, value).await?;
    writeln!(call.out, "create or update kv config to namespace success.")?;
    Ok(())
}

async fn delete(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.admin.delete_kv_config(call.arguments.required("s"), call.arguments.required("k")).await?;
    writeln!(call.out, "delete kv config from namespace success.")?;
    Ok(())
}
