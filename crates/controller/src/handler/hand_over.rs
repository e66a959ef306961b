//! Before another master is elected as an administrator planned it: what only the old one has must not be lost.

use std::time::Duration;

use eruca_protocol::{ResponseCode, request::NotifyBrokerRoleChangedResponse};
use tracing::{info, warn};

use super::refusal::Refusal;
use crate::core::{Core, role_notice};

/// A master that answers does so within a second; one that does not is replaced as if it were dead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the master of a group to take no messages and to wait until `successor` has all of its log, and then the successor to have
/// its tables, too. A broker that does not answer in time, or knows no such question (Java's), is no hindrance.
///
/// # Errors
/// The successor lacks a part of the log: nothing is changed.
pub(super) async fn hand_over(core: &Core, broker_name: &str, successor: i64) -> Result<(), Refusal> {
    let liveness = core.view(broker_name);
    let unclean = core.keys().enable_elect_unclean_master;
    let planned = core.read(|replicas| {
        let group = replicas.group(broker_name)?;
        let master = group.master().filter(|master| liveness.is_alive(master.broker_id))?;
        let is_change = master.broker_id != successor && group.can_elect(successor, &liveness, unclean);
        let successor_addr = group.members().remove(&successor)?;
        is_change.then(|| (master, successor_addr, group.sync_state_set()))
    });
    let Some((master, successor_addr, set)) = planned.await? else { return Ok(()) };
    let question = role_notice(&master, &set, Some(successor));
    // First nothing comes any more, then the successor looks what it lacks.
    for addr in [&master.address, &successor_addr] {
        let lacking = match core.client.invoke(addr, question.clone(), ANSWER_TIMEOUT).await {
            Ok(answer) => {
                answer.header::<NotifyBrokerRoleChangedResponse>().unwrap_or_default().lacking_bytes
            }
            Err(error) => {
                warn!(broker_name, successor, addr, %error, "no answer to a planned change of the master, it is made all the same");
                return Ok(());
            }
        };
        match lacking {
            Some(0) => {}
            None => {
                let why = "a Java broker, or its role has just changed";
                info!(broker_name, successor, addr, why, "a broker cannot prepare for another master");
                return Ok(());
            }
            Some(lacking) => {
                let remark = format!(
                    "broker {successor} of {broker_name} lacks {lacking} bytes of the log of the master, {addr}, which would be lost: \
                     elect it when it has caught up (haStatus shows how far it is), or stop the master first"
                );
                return Err(Refusal::new(ResponseCode::CONTROLLER_ELECT_MASTER_FAILED, remark));
            }
        }
    }
    Ok(())
}
