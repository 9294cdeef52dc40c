//! The tools over SASL_SSL, as docs/security.md has a newcomer use them: the first user comes with the format.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use super::support::{Node, PATIENCE, SCRAM, configuration, jaas, properties, store};

/// Runs a tool; what it said, and whether it was content.
fn ottla(arguments: &[&str], input: &str) -> (String, bool) {
    ottla_with(arguments, input, "")
}

/// The same, with options of a JVM.
fn ottla_with(arguments: &[&str], input: &str, kafka_opts: &str) -> (String, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ottla"))
        .args(arguments)
        .env("KAFKA_OPTS", kafka_opts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("the tool reads");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("the tool ends");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (text, status.success())
}

fn fine(arguments: &[&str], input: &str) -> String {
    let (text, is_fine) = ottla(arguments, input);
    assert!(is_fine, "{arguments:?}: {text}");
    text
}

fn write_properties(place: &Path, entries: &ottla_client::config::Properties) -> String {
    let lines: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    std::fs::write(place, lines.concat()).expect("a disk");
    place.to_str().expect("a path").to_owned()
}

fn client_file(dir: &Path, user: &str, password: &str) -> String {
    client_file_with(dir, &format!("{user}-{password}"), &jaas(SCRAM, user, password))
}

fn client_file_with(dir: &Path, name: &str, jaas: &str) -> String {
    let mut settings = without_login();
    settings.insert("sasl.jaas.config".into(), jaas.into());
    write_properties(&dir.join(format!("{name}.properties")), &settings)
}

fn without_login() -> ottla_client::config::Properties {
    properties(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", &store("ca.pem")),
        ("default.api.timeout.ms", "30000"),
    ])
}

/// A node whose first user was made with its directories.
fn formatted() -> Node {
    let dir = tempfile::tempdir().expect("a directory");
    let secure = [
        ("authorizer.class.name", "standard"),
        ("super.users", "User:admin"),
        ("delegation.token.secret.key", "a secret of the cluster"),
    ];
    let configuration = configuration(dir.path(), &secure);
    let file = write_properties(&dir.path().join("server.properties"), &configuration);
    let user = "SCRAM-SHA-512=[name=admin,password=admin-secret]";
    fine(&["storage", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", &file, "--add-scram", user], "");
    Node::start_in(dir, configuration)
}

#[test]
fn every_tool_comes_in_with_a_password() {
    let node = formatted();
    let servers = format!("localhost:{}", node.port("SASL_SSL"));
    let admin = client_file(node.dir.path(), "admin", "admin-secret");
    let alice = client_file(node.dir.path(), "alice", "alice-secret");
    // `tool` may have a command behind it.
    let with = |tool: &str, who: &str, more: &[&str], input: &str| {
        let common = ["--bootstrap-server", &servers, "--command-config", who];
        let tool: Vec<&str> = tool.split(' ').collect();
        ottla(&[tool.as_slice(), &common, more].concat(), input)
    };
    let fine = |tool: &str, who: &str, more: &[&str], input: &str| {
        let (text, is_fine) = with(tool, who, more, input);
        assert!(is_fine, "{tool} {more:?}: {text}");
        text
    };
    let password = "SCRAM-SHA-512=[password=alice-secret]";
    let user = ["--alter", "--entity-type", "users", "--entity-name", "alice", "--add-config", password];
    fine("configs", &admin, &user, "");
    let told = fine("configs", &admin, &["--describe", "--entity-type", "users"], "");
    assert!(told.contains("alice") && told.contains("SCRAM-SHA-512") && !told.contains("secret"), "{told}");
    fine("topics", &admin, &["--create", "--topic", "orders"], "");
    let (text, _) = with("topics", &alice, &["--describe", "--topic", "orders"], "");
    assert!(!text.contains("PartitionCount"), "alice may not look yet: {text}");
    let allow = [
        "--add",
        "--allow-principal",
        "User:alice",
        "--topic",
        "orders",
        "--producer",
        "--consumer",
        "--group",
        "readers",
    ];
    fine("acls", &admin, &allow, "");
    assert!(fine("acls", &admin, &["--list"], "").contains("User:alice"));
    fine("console-producer", &alice, &["--topic", "orders"], "one\ntwo\n");
    let read = ["--topic", "orders", "--group", "readers", "--from-beginning", "--max-messages", "2"];
    let (text, is_fine) = with("console-consumer", &alice, &read, "");
    assert!(is_fine && text.contains("one") && text.contains("two"), "{text}");
    let text = fine("top", &admin, &["--once", "--interval", "0.5"], "");
    assert!(text.contains("orders"), "{text}");
    let text = fine("why lag", &admin, &["--group", "readers", "--interval", "0"], "");
    assert!(text.contains("readers"), "{text}");
    fine("broker-api-versions", &admin, &[], "");
    let text = fine("delegation-tokens", &alice, &["--create", "--max-life-time-period", "-1"], "");
    let rows = text.lines().skip_while(|line| !line.starts_with("TOKENID")).skip(1);
    let row = rows.into_iter().find(|line| !line.is_empty()).expect("a token");
    let token: Vec<&str> = row.split_whitespace().collect();
    let login = jaas(SCRAM, token[0], token[1]).replace(';', " tokenauth=\"true\";");
    let as_alice = client_file_with(node.dir.path(), "token", &login);
    // The node may need a moment to follow its own metadata.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (text, _) = with("get-offsets", &as_alice, &["--topic", "orders"], "");
        if text.contains("orders:0:2") {
            break;
        }
        assert!(Instant::now() < deadline, "the token does not act for alice: {text}");
    }
    let (text, is_fine) = with("topics", &client_file(node.dir.path(), "alice", "wrong"), &["--list"], "");
    let told = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512";
    assert!(!is_fine && text.contains(told), "{text}");
    node.server.shutdown();
}

#[test]
fn tools_log_in_by_a_jaas_file() {
    let node = formatted();
    let servers = format!("localhost:{}", node.port("SASL_SSL"));
    let settings = write_properties(&node.dir.path().join("nobody.properties"), &without_login());
    let list = ["topics", "--bootstrap-server", &servers, "--command-config", &settings, "--list"];
    let (text, is_fine) = ottla(&list, "");
    assert!(!is_fine && text.contains("sasl.jaas.config is not set"), "{text}");
    let file = node.dir.path().join("jaas.conf");
    let options = format!("-Xmx1G -Djava.security.auth.login.config={}", file.display());
    let write = |password: &str| {
        let section = format!("KafkaClient {{ {} }};", jaas(SCRAM, "admin", password));
        std::fs::write(&file, section).expect("a disk");
    };
    write("admin-secret");
    let (text, is_fine) = ottla_with(&list, "", &options);
    assert!(is_fine, "{text}");
    write("wrong");
    let (text, is_fine) = ottla_with(&list, "", &options);
    assert!(!is_fine && text.contains("Authentication failed") && !text.contains("wrong"), "{text}");
    node.server.shutdown();
}
