//! Consumer groups: made, changed, deleted, listed.

use std::sync::Arc;

use eruca_message::names::{NameError, validate_group, validate_topic};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, GroupForbidden, SubscriptionGroupConfig, SubscriptionGroupList, SubscriptionGroupWrapper},
    request::{
        DeleteSubscriptiongroupRequest, GetAllSubscriptiongroupConfigResponse,
        GetSubscriptiongroupConfigRequest, UpdateAndGetGroupForbiddenRequest,
    },
};
use eruca_remoting::Reply;

use super::{
    attributes::{GROUP_ATTRIBUTES, apply_changes},
    topic::Page,
};
use crate::{
    HandlerError,
    groups::{FORBIDDEN_READ, ForbidError, GroupTable},
    offsets::OffsetTable,
    stats::BrokerStats,
};

/// Most queues of a retry topic.
const RETRY_QUEUES_MAX: i32 = 1_024;

/// Administrates consumer groups.
#[derive(Debug)]
pub(super) struct GroupAdmin {
    pub(super) groups: Arc<GroupTable>,
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) stats: Arc<BrokerStats>,
}

impl GroupAdmin {
    /// `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP`.
    pub(super) fn update(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let config: SubscriptionGroupConfig = body::from_json(&request.body)?;
        self.put(self.checked(config)?)?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST`: all of them, or with an error none.
    pub(super) fn update_list(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content: SubscriptionGroupList = body::from_json(&request.body)?;
        let configs: Vec<SubscriptionGroupConfig> = content
            .group_config_list
            .into_iter()
            .map(|config| self.checked(config))
            .collect::<Result<_, _>>()?;
        configs.into_iter().try_for_each(|config| self.put(config))?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    fn put(&self, config: SubscriptionGroupConfig) -> Result<(), HandlerError> {
        tracing::info!(group = config.group_name, "consumer group set by an administrator");
        Ok(self.groups.put(config)?)
    }

    fn checked(&self, config: SubscriptionGroupConfig) -> Result<SubscriptionGroupConfig, HandlerError> {
        let group = &config.group_name;
        validate_group(group).map_err(|error| bad_name(group, error))?;
        if config.retry_queue_nums > RETRY_QUEUES_MAX {
            return Err(HandlerError::invalid_parameter(format!(
                "group {group}: retryQueueNums is {}, it must be at most {RETRY_QUEUES_MAX}",
                config.retry_queue_nums
            )));
        }
        let known = self.groups.get(group).map(|known| known.attributes.clone()).unwrap_or_default();
        let attributes = apply_changes(&known, &config.attributes, GROUP_ATTRIBUTES)?;
        Ok(SubscriptionGroupConfig { attributes, ..config })
    }

    /// `DELETE_SUBSCRIPTIONGROUP`. A group that is not there is deleted already.
    pub(super) fn delete(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: DeleteSubscriptiongroupRequest = request.header()?;
        let was_there = self.groups.delete(&header.group_name)?;
        if header.clean_offset {
            self.offsets.delete_group(&header.group_name);
        }
        self.stats.delete_group(&header.group_name);
        tracing::info!(
            group = header.group_name,
            was_there,
            clean_offset = header.clean_offset,
            "consumer group deleted by an administrator"
        );
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS)))
    }

    /// `UPDATE_AND_GET_GROUP_FORBIDDEN`: whether a group may pull from a topic. As in Java neither has to be there.
    pub(super) fn forbidden(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let UpdateAndGetGroupForbiddenRequest { group, topic, readable } = request.header()?;
        if let Some(readable) = readable {
            validate_group(&group).map_err(|error| bad_name(&group, error))?;
            validate_topic(&topic).map_err(|error| HandlerError::invalid_parameter(error.to_string()))?;
            self.groups.forbid(&group, &topic, FORBIDDEN_READ, !readable).map_err(not_forbidden)?;
            tracing::info!(group, topic, readable, "changed by an administrator: whether a group may pull");
        }
        let readable = Some(self.groups.forbidden(&group, &topic) & FORBIDDEN_READ == 0);
        let content = GroupForbidden { group, readable, topic };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// `GET_SUBSCRIPTIONGROUP_CONFIG`. As in Java, asking for a group is using it: one that is missing is created where
    /// that is allowed, which proxies rely on.
    pub(super) fn config(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetSubscriptiongroupConfigRequest { group } = request.header()?;
        let config = self.groups.get_or_create(&group).ok_or_else(|| {
            HandlerError::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, "No group in this broker")
        })?;
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&*config))))
    }

    /// `GET_ALL_SUBSCRIPTIONGROUP_CONFIG`: all groups, or one page of them where a page is asked for (since 5.5).
    pub(super) fn all(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let data_version = self.groups.data_version();
        let mut groups = self.groups.all();
        groups.sort_unstable_by(|a, b| a.group_name.cmp(&b.group_name));
        let total = groups.len();
        let page = Page::asked(request, "groupSeq", "maxGroupNum", &data_version)?;
        let table = page.of(groups).map(|group| (group.group_name.clone(), (*group).clone()));
        let content = SubscriptionGroupWrapper {
            data_version,
            forbidden_table: Some(self.groups.forbidden_table()),
            subscription_group_table: table.collect(),
        };
        let header = GetAllSubscriptiongroupConfigResponse {
            total_group_num: i32::try_from(total).unwrap_or(i32::MAX),
        };
        Ok(Reply::Now(request.reply_with(&header).with_body(body::to_json(&content))))
    }
}

/// What the disk or a limit says.
fn not_forbidden(error: ForbidError) -> HandlerError {
    match error {
        ForbidError::Persist(error) => error.into(),
        ForbidError::TooMany => HandlerError::invalid_parameter(error.to_string()),
    }
}

/// In Java's words.
fn bad_name(group: &str, error: NameError) -> HandlerError {
    HandlerError::invalid_parameter(match error {
        NameError::Empty { .. } => "The specified group is blank.".to_owned(),
        NameError::BadCharacter { .. } => format!(
            "The specified group: {group}, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
        ),
        NameError::TooLong { .. } => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use eruca_protocol::RequestCode;

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    fn admin(parts: &TestParts) -> GroupAdmin {
        GroupAdmin {
            groups: Arc::clone(&parts.groups),
            offsets: Arc::clone(&parts.offsets),
            stats: Arc::clone(&parts.stats),
        }
    }

    fn update(parts: &TestParts, json: &str) -> ResponseCode {
        let request =
            RemotingCommand::request_without_header(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
                .with_body(json.to_owned());
        answer(&request, admin(parts).update(&request)).response_code()
    }

    #[test]
    fn a_group_is_made_changed_shown_and_deleted() {
        let parts = TestParts::new();
        // As a Java 5.5.0 mqadmin sends it.
        let json = r#"{"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"g_retry","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":0,"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":2,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}"#;
        assert_eq!(update(&parts, json), ResponseCode::SUCCESS);
        let ask = |group: &str| {
            let request =
                RemotingCommand::request(&GetSubscriptiongroupConfigRequest { group: group.into() });
            answer(&request, admin(&parts).config(&request))
        };
        assert_eq!(std::str::from_utf8(&ask("g_retry").body).unwrap(), json);
        parts.offsets.commit("g_retry", "T", 0, 1);
        for (clean_offset, kept) in [(false, true), (true, false)] {
            let header = DeleteSubscriptiongroupRequest { group_name: "g_retry".into(), clean_offset };
            let request = RemotingCommand::request(&header);
            assert_eq!(
                answer(&request, admin(&parts).delete(&request)).response_code(),
                ResponseCode::SUCCESS
            );
            assert_eq!(parts.offsets.committed("g_retry", "T", 0).is_some(), kept);
        }
        assert!(parts.groups.get("g_retry").is_none());
        assert_eq!(ask("new").response_code(), ResponseCode::SUCCESS);
        assert_eq!(ask("bad name").response_code(), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST);
    }

    #[test]
    fn bad_groups_are_refused() {
        let parts = TestParts::new();
        for json in [
            r#"{"groupName":"bad name"}"#,
            r#"{"groupName":""}"#,
            r#"{"groupName":"g","retryQueueNums":5000}"#,
            r#"{"groupName":"g","attributes":{"+colour":"red"}}"#,
        ] {
            assert_eq!(update(&parts, json), ResponseCode::INVALID_PARAMETER, "{json}");
        }
        assert_eq!(update(&parts, "{"), ResponseCode::SYSTEM_ERROR);
    }

    #[test]
    fn groups_are_listed_whole_or_by_page() {
        let parts = TestParts::new();
        parts.groups.get_or_create("g");
        let total = parts.groups.all().len();
        let list = |fields: &[(&str, &str)]| {
            let mut request =
                RemotingCommand::request_without_header(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG);
            request.ext_fields = fields.iter().copied().collect();
            let reply = answer(&request, admin(&parts).all(&request));
            assert_eq!(reply.ext_fields.get("totalGroupNum"), Some(total.to_string().as_str()));
            body::from_json::<SubscriptionGroupWrapper>(&reply.body).unwrap().subscription_group_table.len()
        };
        assert_eq!(list(&[]), total);
        assert_eq!(list(&[("groupSeq", "0"), ("maxGroupNum", "3")]), 3);
    }

    #[test]
    fn a_group_may_be_forbidden_to_pull_and_allowed_again() {
        let parts = TestParts::new();
        let ask = |fields: &[(&str, &str)]| {
            let code = RequestCode::UPDATE_AND_GET_GROUP_FORBIDDEN;
            let mut request = RemotingCommand::request_without_header(code);
            fields.iter().for_each(|(name, value)| request.ext_fields.push(name, value));
            let answer = answer(&request, admin(&parts).forbidden(&request));
            (answer.response_code(), String::from_utf8(answer.body.to_vec()).unwrap())
        };
        let pair = [("group", "g"), ("topic", "t")];
        let is = |readable: bool| {
            (ResponseCode::SUCCESS, format!(r#"{{"group":"g","readable":{readable},"topic":"t"}}"#))
        };
        assert_eq!(ask(&pair), is(true));
        assert_eq!(ask(&[pair[0], pair[1], ("readable", "false")]), is(false));
        assert_eq!(ask(&pair), is(false));
        assert_eq!(parts.groups.forbidden("g", "t"), FORBIDDEN_READ);
        assert_eq!(ask(&[pair[0], pair[1], ("readable", "true")]), is(true));
        let bad = ask(&[("group", "a b"), pair[1], ("readable", "false")]);
        assert_eq!(bad.0, ResponseCode::INVALID_PARAMETER);
        assert_eq!(ask(&pair[..1]).0, ResponseCode::SYSTEM_ERROR, "the topic is missing");
    }
}
