//! Programs on `ottla-client` for the suites of `tests/compat/rust`: what the programs of `../java` do with Kafka's client.
//!
//! ```text
//! ottla-compat cases BOOTSTRAP PREFIX [PART]       small programs, one after the other; what came of them, in lines
//! ottla-compat member BOOTSTRAP GROUP TOPIC [key=value ...] LOG    a member of a group that writes down what it gets
//! ottla-compat feed BOOTSTRAP TOPIC PARTITIONS PER_SECOND          who gives the members something to read
//! ottla-compat wire LISTEN BROKER SEED PART CONTROL                producers and readers whose connections break
//! ```

mod admin;
mod admin_groups;
mod admin_topics;
mod consume;
mod consume_groups;
mod digest;
mod lab;
mod leader_unknown;
mod member;
mod produce;
mod produce_errors;
mod proxy;
mod share;
mod transactions;
mod wire;

use std::process::ExitCode;

use lab::Lab;

/// Runs each case whose name has `only` in it.
macro_rules! run_cases {
    ($lab:expr, $only:expr; $($module:ident: $($case:ident)+;)+) => {
        $($(
            let name = concat!(stringify!($module), ".", stringify!($case));
            if name.contains($only) {
                $lab.run(name, $module::$case(&$lab)).await;
            }
        )+)+
    };
}

async fn cases(bootstrap: &str, prefix: &str, only: &str) -> ottla_client::Result<()> {
    let lab = Lab::new(bootstrap, prefix)?;
    run_cases! { lab, only;
        produce: partition_by_key bytes compressed_bytes acks headers_and_nulls round_robin append_time compression_levels idempotent_bytes;
        produce_errors: sending settings;
        consume: assign_and_seek offsets pause max_poll_records small_fetches reset misuse lookups isolation;
        consume_groups: subscribe_classic subscribe_consumer pattern_classic pattern_consumer committed auto_commit commit_misuse wakeup;
        transactions: commit_and_abort offsets fenced misuse after_an_error timed_out empty many settings;
        share: implicit explicit_outcomes misuse commits close_gives_back isolation;
        admin_topics: topics partitions records offsets configurations elections_and_moves log_dirs;
        admin_groups: groups group_offsets share_groups members;
        admin: cluster features quotas scram acls tokens quorum producers;
    }
    println!("DONE");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["cases", bootstrap, prefix] => cases(bootstrap, prefix, "").await,
        ["cases", bootstrap, prefix, only] => cases(bootstrap, prefix, only).await,
        ["member", bootstrap, group, topic, settings @ .., log] => {
            member::run(bootstrap, group, topic, log, settings).await
        }
        ["feed", bootstrap, topic, partitions, per_second] => {
            match (partitions.parse(), per_second.parse()) {
                (Ok(partitions), Ok(per_second)) => {
                    member::feed(bootstrap, topic, partitions, per_second).await
                }
                _ => Err(ottla_client::Error::Illegal("PARTITIONS and PER_SECOND are numbers".to_owned())),
            }
        }
        ["wire", listen, broker, seed, only, control] => {
            wire::run(listen, broker, seed, if *only == "all" { "" } else { only }, control).await
        }
        _ => {
            eprintln!("usage: ottla-compat cases|member|feed|wire ...; see src/main.rs");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
