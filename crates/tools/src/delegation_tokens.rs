//! `ottla delegation-tokens`: Kafka's `DelegationTokenCommand`.

use ottla_client::admin::{
    Admin, CreateDelegationTokenOptions, DelegationToken, KafkaPrincipal, TimeoutOptions,
};
use ottla_protocol::base64;
use serde_json::{Value, json};

use crate::args::Args;
use crate::connect::{admin_properties, with_admin};
use crate::console::log_line::Date;
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{java, out, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "delegation-tokens",
    script: "kafka-delegation-tokens",
    group: Group::Security,
    about: "Creates, renews, expires and shows delegation tokens.",
    examples: "kafka-delegation-tokens.sh --bootstrap-server localhost:9092 --command-config client.properties --create --max-life-time-period -1 --renewer-principal User:alice\n\
               kafka-delegation-tokens.sh --bootstrap-server localhost:9092 --command-config client.properties --describe",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 12] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.").value("String"),
    opt("command-config", "A properties file with settings of the client. Required: tokens need a secure connection.").value("String"),
    opt("create", "Creates a token."),
    opt("renew", "Renews a token."),
    opt("expire", "Lets a token end."),
    opt("describe", "Shows the tokens of --owner-principal, or all that the user may see."),
    opt("owner-principal", "An owner, as type:name; may be given again.").optional_value("String"),
    opt("renewer-principal", "Who besides the owner may renew it, as type:name; may be given again.").optional_value("String"),
    opt("max-life-time-period", "For how long it may be renewed, in ms; -1 for the broker's delegation.token.max.lifetime.ms.")
        .optional_value("Long").kind(Kind::Long),
    opt("renew-time-period", "For how long it is renewed, in ms; -1 for the broker's delegation.token.expiry.time.ms.")
        .optional_value("Long").kind(Kind::Long),
    opt("expiry-time-period", "In how many ms it ends; -1 for now.").optional_value("Long").kind(Kind::Long),
    opt("hmac", "The secret of the token.").optional_value("String"),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    check(&args)?;
    let properties = admin_properties(&args)?;
    with_admin(&properties, async |admin| {
        if args.has("create") {
            create(io, &args, admin).await
        } else if args.has("renew") {
            renew(io, &args, admin).await
        } else if args.has("expire") {
            expire(io, &args, admin).await
        } else {
            describe(io, &args, admin).await
        }
    })
}

fn check(args: &Args) -> Result<(), Failure> {
    if ["create", "renew", "expire", "describe"].iter().filter(|action| args.has(action)).count() != 1 {
        return Err(
            args.usage("Command must include exactly one action: --create, --renew, --expire or --describe")
        );
    }
    args.require(&["bootstrap-server", "command-config"])?;
    if args.has("create") {
        args.require(&["max-life-time-period"])?;
    }
    if args.has("renew") {
        args.require(&["hmac", "renew-time-period"])?;
    }
    if args.has("expire") {
        args.require(&["hmac", "expiry-time-period"])?;
    }
    args.forbid("create", &["hmac", "renew-time-period", "expiry-time-period"])?;
    args.forbid(
        "renew",
        &["renewer-principal", "max-life-time-period", "expiry-time-period", "owner-principal"],
    )?;
    args.forbid("expire", &["renew", "max-life-time-period", "renew-time-period", "owner-principal"])?;
    args.forbid("describe", &["renew-time-period", "max-life-time-period", "hmac", "expiry-time-period"])
}

fn principals(args: &Args, option: &str) -> Result<Vec<KafkaPrincipal>, Failure> {
    let principal = |text: &str| match text.trim().split_once(':') {
        Some((kind, name)) => Ok(KafkaPrincipal { principal_type: kind.into(), name: name.into() }),
        None => Err(Failure::illegal_argument(format!(
            "expected a string in format principalType:principalName but got {}",
            text.trim()
        ))),
    };
    args.values(option).into_iter().map(principal).collect()
}

async fn create(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let renewers = principals(args, "renewer-principal")?;
    let max_lifetime_ms: i64 = args.number("max-life-time-period")?.unwrap_or(-1);
    if !io.json() {
        let shown = java::list(&renewers);
        outln!(
            io,
            "Calling create token operation with renewers :{shown} , max-life-time-period :{max_lifetime_ms}"
        );
    }
    let options = CreateDelegationTokenOptions {
        timeout: None,
        owner: principals(args, "owner-principal")?.into_iter().next(),
        renewers,
        max_lifetime_ms: Some(max_lifetime_ms),
    };
    let token = admin.create_delegation_token(&options).await.map_err(Failure::in_future)?;
    if !io.json() {
        outln!(io, "Created delegation token with tokenId : {}", token.token_id);
    }
    print(io, &[token]);
    Ok(())
}

async fn renew(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let (hmac, period): (&str, i64) = (args.text("hmac")?, args.number("renew-time-period")?.unwrap_or(-1));
    outln!(io, "Calling renew token operation with hmac :{hmac} , renew-time-period :{period}");
    let hmac = decoded(hmac)?.into();
    let expiry = admin.renew_delegation_token(&hmac, Some(period), &TimeoutOptions::default()).await;
    let expiry = minutes(expiry.map_err(Failure::in_future)?);
    out!(io, "Completed renew operation. New expiry date : {expiry}");
    Ok(())
}

async fn expire(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let (hmac, period): (&str, i64) = (args.text("hmac")?, args.number("expiry-time-period")?.unwrap_or(-1));
    outln!(io, "Calling expire token operation with hmac :{hmac} , expire-time-period :{period}");
    let hmac = decoded(hmac)?.into();
    let expiry = admin.expire_delegation_token(&hmac, Some(period), &TimeoutOptions::default()).await;
    let expiry = minutes(expiry.map_err(Failure::in_future)?);
    out!(io, "Completed expire operation. New expiry date : {expiry}");
    Ok(())
}

async fn describe(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let owners = principals(args, "owner-principal")?;
    if !io.json() {
        match owners.is_empty() {
            true => outln!(io, "Calling describe token operation for current user."),
            false => outln!(io, "Calling describe token operation for owners: {}", java::list(&owners)),
        }
    }
    let wanted = (!owners.is_empty()).then_some(owners.as_slice());
    let tokens = admin.describe_delegation_token(wanted, &TimeoutOptions::default()).await;
    let tokens = tokens.map_err(Failure::in_future)?;
    if !io.json() {
        out!(io, "Total number of tokens : {}", tokens.len());
    }
    print(io, &tokens);
    Ok(())
}

fn print(io: &mut Io, tokens: &[DelegationToken]) {
    if io.json() {
        return io.print_json(&tokens.iter().map(to_json).collect());
    }
    line(
        io,
        ["TOKENID", "HMAC", "OWNER", "REQUESTER", "RENEWERS", "ISSUEDATE", "EXPIRYDATE", "MAXDATE"]
            .map(str::to_owned),
    );
    for token in tokens {
        line(
            io,
            [
                token.token_id.to_string(),
                base64::encode(&token.hmac),
                token.owner.to_string(),
                token.requester.to_string(),
                java::list(&token.renewers),
                minutes(token.issue_timestamp_ms),
                minutes(token.expiry_timestamp_ms),
                minutes(token.max_timestamp_ms),
            ],
        );
    }
}

/// The bytes of an HMAC; errors are those of Java's `Base64`.
fn decoded(hmac: &str) -> Result<Vec<u8>, Failure> {
    if let Some(symbol) = base64::illegal_character(hmac) {
        return Err(Failure::illegal_argument(format!("Illegal base64 character {symbol:x}")));
    }
    let too_short = || Failure::illegal_argument("Last unit does not have enough valid bits");
    base64::decode_unpadded(hmac).ok_or_else(too_short)
}

/// To the minute, as this tool shows all times.
fn minutes(unix_ms: i64) -> String {
    Date::of_unix_ms(unix_ms).format("yyyy-MM-dd'T'HH:mm")
}

fn line(io: &mut Io, [id, hmac, owner, requester, renewers, issue, expiry, max]: [String; 8]) {
    outln!(io, "\n{id:15} {hmac:30} {owner:15} {requester:15} {renewers:25} {issue:15} {expiry:15} {max:15}");
}

fn to_json(token: &DelegationToken) -> Value {
    json!({
        "token_id": &*token.token_id,
        "hmac": base64::encode(&token.hmac),
        "owner": token.owner.to_string(),
        "requester": token.requester.to_string(),
        "renewers": token.renewers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "issue_timestamp_ms": token.issue_timestamp_ms,
        "expiry_timestamp_ms": token.expiry_timestamp_ms,
        "max_timestamp_ms": token.max_timestamp_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refused;

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        let check = |arguments: &str, expect: &str| refused("delegation-tokens", arguments, expect);
        let both = "--bootstrap-server a:1 --command-config f";
        check(both, "Command must include exactly one action: --create, --renew, --expire or --describe");
        check("--create", "Missing required argument \"[bootstrap-server]\"");
        check(&format!("{both} --create"), "Missing required argument \"[max-life-time-period]\"");
        check(&format!("{both} --renew --hmac x"), "Missing required argument \"[renew-time-period]\"");
        check(
            &format!("{both} --describe --hmac x"),
            "Option \"[describe]\" can't be used with option \"[hmac]\"",
        );
    }

    #[test]
    fn hmacs_are_base64() {
        assert_eq!(decoded("Zm8=").ok(), Some(b"fo".to_vec()));
        assert_eq!(decoded("Zm8").ok(), Some(b"fo".to_vec()), "the padding may be left out");
        assert!(decoded("a-b").is_err() && decoded("a").is_err());
    }

    #[test]
    fn tokens_are_printed_in_kafkas_columns() {
        let user = |name: &str| KafkaPrincipal { principal_type: "User".into(), name: name.into() };
        let token = DelegationToken {
            token_id: "id".into(),
            owner: user("a"),
            requester: user("b"),
            renewers: vec![user("c")],
            issue_timestamp_ms: 0,
            max_timestamp_ms: 86_400_000,
            expiry_timestamp_ms: 3_600_000,
            hmac: vec![1, 2, 3, 4].into(),
        };
        let (mut io, captured) = Io::captured("");
        print(&mut io, &[token]);
        let out = captured.out();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[3].starts_with("id              AQIDBA==                       User:a "), "{out}");
    }
}
