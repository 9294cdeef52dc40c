//! `ottla why`: what holds a group up, in words and with the numbers it is concluded from (Kafka has no such tool).
//!
//! | file | what |
//! | --- | --- |
//! | `facts` | what one look at a group finds |
//! | `gather` | asks the cluster for it; `detail` asks Ottla's coordinator for what Kafka's APIs do not tell |
//! | `flow` | two looks together: what came and what was taken |
//! | `lag`, `rebalance`, `transactions`, `sessions` | from looks to findings, without a network and a clock |
//! | `finding` | what was concluded, and how it is printed |

mod detail;
mod facts;
mod finding;
mod flow;
mod gather;
mod lag;
mod rebalance;
mod sessions;
#[cfg(test)]
mod testing;
mod transactions;

use std::time::Duration;

use ottla_protocol::Str;

use self::facts::Look;
use crate::connect::{read_properties, with_admin};
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{Args, Failure, Io};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "why",
    script: "",
    group: Group::Groups,
    about: "Says in words what holds a group up: why it lags behind, or still rebalances.",
    examples: "ottla why lag --bootstrap-server localhost:9092 --group orders\n\
               ottla why rebalance --bootstrap-server localhost:9092 --group orders\n\
               ottla why lag --bootstrap-server localhost:9092 --group orders --interval 30 --output json",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 5] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.")
        .value("server to connect to")
        .default("localhost:9092")
        .beyond_kafka(),
    opt("command-config", "A properties file with settings of the client: security, time-outs.")
        .value("config file")
        .beyond_kafka(),
    opt("group", "The group, of any kind.").value("group").beyond_kafka(),
    opt("interval", "Seconds between two looks at the group; 0 looks once, which shows no rates.")
        .value("seconds")
        .kind(Kind::Double)
        .default("6")
        .beyond_kafka(),
    opt("timeout", "How long to wait for answers, in milliseconds.")
        .value("timeout (ms)")
        .kind(Kind::Long)
        .default("30000")
        .beyond_kafka(),
];

/// Longest interval, in seconds.
const INTERVAL_MAX: f64 = 3_600.0;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Lag,
    Rebalance,
}

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    let question = question(&args)?;
    args.require(&["group"])?;
    let group = Str::from(args.text("group")?);
    let interval = interval(&args)?;
    let timeout_ms: u64 = args.number("timeout")?.unwrap_or(30_000);
    let mut properties = match args.value("command-config")? {
        Some(path) => read_properties(path)?,
        None => Default::default(),
    };
    properties.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
    let looks: Vec<Look> = with_admin(&properties, async |admin| {
        let gather =
            gather::Gather { admin, group: &group, timeout: Some(Duration::from_millis(timeout_ms)) };
        let mut looks = vec![gather.look().await?];
        if !interval.is_zero() {
            tokio::time::sleep(interval).await;
            looks.push(gather.look().await?);
        }
        Ok(looks)
    })?;
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { return Ok(()) };
    let findings = match question {
        Question::Lag => lag::findings(first, last),
        Question::Rebalance => rebalance::findings(first, last),
    };
    let name = if question == Question::Lag { "lag" } else { "rebalance" };
    finding::print(io, &group, name, &looks, &findings);
    Ok(())
}

fn question(args: &Args) -> Result<Question, Failure> {
    match args.rest.as_slice() {
        [one] if one == "lag" => Ok(Question::Lag),
        [one] if one == "rebalance" => Ok(Question::Rebalance),
        _ => Err(args.usage("Say what is to be explained: `ottla why lag` or `ottla why rebalance`.")),
    }
}

fn interval(args: &Args) -> Result<Duration, Failure> {
    let seconds: f64 = args.number("interval")?.unwrap_or(0.0);
    match (0.0..=INTERVAL_MAX).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(args.usage(format!("--interval {seconds}: seconds from 0 to {INTERVAL_MAX}"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::run_captured;

    #[test]
    fn a_wrong_command_line_is_answered_with_help() {
        for (arguments, says) in [
            (&["--group", "g"][..], "ottla why lag"),
            (&["lag", "rebalance", "--group", "g"], "ottla why lag"),
            (&["lag"], "Missing required argument \"[group]\""),
            (&["lag", "--group", "g", "--interval", "-1"], "--interval -1: seconds from 0"),
            (&["lag", "--group", "g", "--interval", "NaN"], "--interval NaN: seconds from 0"),
        ] {
            let (code, out, err) = run_captured("why", arguments, "").unwrap();
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.contains(says) && err.contains("--interval <Double"), "{err}");
        }
    }
}
