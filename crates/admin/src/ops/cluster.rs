//! Who belongs to a cluster, and whom to ask.

use eruca_protocol::body::{BrokerData, ClusterInfo, TopicRouteData};

use crate::{ArgumentError, Arguments, CommandError, session::Admin};

/// The number of a master in its broker group.
const MASTER_ID: i64 = 0;

/// The address of the group's master, or any other where it has none.
pub fn addr_to_ask(group: &BrokerData) -> Option<&str> {
    group.broker_addrs.get(&MASTER_ID).or_else(|| group.broker_addrs.values().next()).map(String::as_str)
}

/// One address of every broker group of `route`.
pub fn addrs_to_ask(route: &TopicRouteData) -> Vec<String> {
    route.broker_datas.iter().filter_map(addr_to_ask).map(str::to_owned).collect()
}

/// The address to ask of the group `broker_name` that serves `route`.
pub fn broker_addr(route: &TopicRouteData, broker_name: &str) -> Result<String, CommandError> {
    let group = route.broker_datas.iter().find(|group| group.broker_name == broker_name);
    group.and_then(addr_to_ask).map(str::to_owned).ok_or_else(|| {
        let known: Vec<&str> = route.broker_datas.iter().map(|group| group.broker_name.as_str()).collect();
        CommandError::Refused(format!(
            "broker '{broker_name}' does not serve the topic, these do: {}",
            known.join(", ")
        ))
    })
}

fn groups_of<'c>(
    info: &'c ClusterInfo,
    cluster: &str,
) -> Result<impl Iterator<Item = &'c BrokerData>, CommandError> {
    let names = info.cluster_addr_table.get(cluster).ok_or_else(|| {
        let known: Vec<&str> = info.cluster_addr_table.keys().map(String::as_str).collect();
        CommandError::Refused(format!(
            "cluster '{cluster}' is not known to the name server, known are: {}; check -c and -n",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    })?;
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    Ok(names.into_iter().filter_map(|name| info.broker_addr_table.get(name)))
}

/// The addresses of the masters of `cluster`, by broker name.
pub async fn master_addrs(admin: &Admin, cluster: &str) -> Result<Vec<String>, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    Ok(groups_of(&info, cluster)?.filter_map(|group| group.broker_addrs.get(&MASTER_ID).cloned()).collect())
}

/// The addresses of all brokers of `cluster`, masters and slaves.
pub async fn member_addrs(admin: &Admin, cluster: &str) -> Result<Vec<String>, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    Ok(groups_of(&info, cluster)?.flat_map(|group| group.broker_addrs.values().cloned()).collect())
}

/// The addresses of the brokers of one group, the master first.
pub async fn addrs_of_group(admin: &Admin, broker_name: &str) -> Result<Vec<String>, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    let group = info.broker_addr_table.get(broker_name).ok_or_else(|| {
        let known: Vec<&str> = info.broker_addr_table.keys().map(String::as_str).collect();
        CommandError::Refused(format!(
            "no broker is called '{broker_name}', known are: {}; check -b and -n",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    })?;
    Ok(group.broker_addrs.values().cloned().collect())
}

/// The names of the broker groups of `cluster`, sorted.
pub async fn broker_names(admin: &Admin, cluster: &str) -> Result<Vec<String>, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    Ok(groups_of(&info, cluster)?.map(|group| group.broker_name.clone()).collect())
}

/// The broker groups of `cluster`, by name.
pub async fn broker_groups(admin: &Admin, cluster: &str) -> Result<Vec<BrokerData>, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    Ok(groups_of(&info, cluster)?.cloned().collect())
}

/// The addresses of all brokers of all clusters.
pub async fn all_addrs(admin: &Admin) -> Result<Vec<String>, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    Ok(info.broker_addr_table.into_values().flat_map(|group| group.broker_addrs.into_values()).collect())
}

/// The broker that option `-b` names, else the masters of the cluster that option `-c` names.
pub async fn addrs_of_choice(admin: &Admin, arguments: &Arguments) -> Result<Vec<String>, CommandError> {
    match (arguments.value("b"), arguments.value("c")) {
        (Some(addr), _) => Ok(vec![addr.to_owned()]),
        (None, Some(cluster)) => master_addrs(admin, cluster).await,
        (None, None) => Err(ArgumentError::Missing { options: vec!["-b or -c".to_owned()] }.into()),
    }
}

/// The name of the broker group that has a member at `addr`.
pub async fn broker_name_of_addr(admin: &Admin, addr: &str) -> Result<String, CommandError> {
    let info = admin.examine_broker_cluster_info().await?;
    let has_addr = |group: &&BrokerData| group.broker_addrs.values().any(|member| member == addr);
    let group = info.broker_addr_table.values().find(has_addr).ok_or_else(|| {
        CommandError::Refused(format!("no broker at '{addr}' is known to the name server; check -b and -n"))
    })?;
    Ok(group.broker_name.clone())
}

/// The cluster to which the first broker of `route` belongs.
pub fn cluster_of_route<'c>(info: &'c ClusterInfo, route: &TopicRouteData) -> Option<&'c str> {
    let broker = route.broker_datas.first()?;
    let has_broker = |names: &Vec<String>| names.contains(&broker.broker_name);
    info.cluster_addr_table.iter().find(|(_, names)| has_broker(names)).map(|(cluster, _)| cluster.as_str())
}
