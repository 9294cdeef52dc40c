//! All tools.

use crate::tool::Tool;
use crate::{
    acls, broker_api_versions, client_metrics, cluster, completions, configs, console, consumer_groups,
    delegation_tokens, delete_records, doctor, dump_log, elsewhere, features, get_offsets, groups,
    leader_election, log_dirs, metadata_quorum, metadata_shell, perf, reassign_partitions,
    replica_verification, server, share_groups, storage, streams_application_reset, streams_groups, top,
    topics, transactions, verifiable, why,
};

/// All tools, one each line, in the order of their modules.
#[rustfmt::skip]
pub static TOOLS: &[&Tool] = &[
    &acls::TOOL,
    &broker_api_versions::TOOL,
    &client_metrics::TOOL,
    &cluster::TOOL,
    &completions::TOOL,
    &configs::TOOL,
    &console::consumer::TOOL,
    &console::producer::TOOL,
    &console::share_consumer::TOOL,
    &consumer_groups::TOOL,
    &delegation_tokens::TOOL,
    &delete_records::TOOL,
    &doctor::TOOL,
    &dump_log::TOOL,
    &elsewhere::CONNECT_DISTRIBUTED,
    &elsewhere::CONNECT_MIRROR_MAKER,
    &elsewhere::CONNECT_PLUGIN_PATH,
    &elsewhere::CONNECT_STANDALONE,
    &elsewhere::JMX,
    &elsewhere::RUN_CLASS,
    &elsewhere::TROGDOR,
    &elsewhere::ZOOKEEPER_SECURITY_MIGRATION,
    &elsewhere::ZOOKEEPER_SERVER_START,
    &elsewhere::ZOOKEEPER_SERVER_STOP,
    &elsewhere::ZOOKEEPER_SHELL,
    &features::TOOL,
    &get_offsets::TOOL,
    &groups::TOOL,
    &leader_election::TOOL,
    &log_dirs::TOOL,
    &metadata_quorum::TOOL,
    &metadata_shell::TOOL,
    &perf::consumer::TOOL,
    &perf::end_to_end::TOOL,
    &perf::producer::TOOL,
    &perf::share_consumer::TOOL,
    &reassign_partitions::TOOL,
    &replica_verification::TOOL,
    &server::STOP,
    &share_groups::TOOL,
    &storage::TOOL,
    &streams_application_reset::TOOL,
    &streams_groups::TOOL,
    &top::TOOL,
    &topics::TOOL,
    &transactions::TOOL,
    &verifiable::consumer::TOOL,
    &verifiable::producer::TOOL,
    &verifiable::share_consumer::TOOL,
    &why::TOOL,
];

/// A tool by its name (`topics`), its script (`kafka-topics`) or the script's file (`kafka-topics.sh`).
pub fn find(name: &str) -> Option<&'static Tool> {
    let bare = name.strip_suffix(".sh").or_else(|| name.strip_suffix(".bat")).unwrap_or(name);
    TOOLS.iter().find(|tool| tool.name == bare || (!tool.script.is_empty() && tool.script == bare)).copied()
}

/// The list of all tools by group, for `ottla --help`.
pub fn overview() -> String {
    let mut out = String::new();
    for group in crate::Group::ALL {
        let mut tools: Vec<&&Tool> = TOOLS.iter().filter(|tool| tool.group == group).collect();
        if tools.is_empty() {
            continue;
        }
        tools.sort_by_key(|tool| tool.name);
        out += &format!("{}:\n", group.title());
        for tool in tools {
            out += &format!("  {:27} {}\n", tool.name, tool.about);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_by_each_of_its_names() {
        for tool in TOOLS {
            assert_eq!(find(tool.name).map(|found| found.name), Some(tool.name));
            if !tool.script.is_empty() {
                assert_eq!(find(&format!("{}.sh", tool.script)).map(|found| found.name), Some(tool.name));
            }
        }
        assert!(find("").is_none());
    }

    #[test]
    fn a_tool_says_what_it_does_and_how() {
        for tool in TOOLS {
            assert!(tool.about.ends_with('.') && tool.about.len() < 90, "{}", tool.name);
            assert!(!tool.examples.is_empty(), "{}", tool.name);
        }
    }
}
