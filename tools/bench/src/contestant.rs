//! Brokers to measure: started on free ports, with the same properties, and gone at the end.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use crate::guard::Guard;
use crate::secure::Ports;
use crate::stats::Random;
use crate::{kafka_dist, secure, topic};

const CLUSTER_ID: &str = "T3R0bGEtQmVuY2hDbHVzdA";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// As `kafka-server-start.sh` starts it.
const KAFKA_JVM: [&str; 8] = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// What kind of broker.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The release build of this repository.
    Ottla,
    /// Another build, named by OTTLA_BEFORE: what a change has brought.
    Before,
    /// Apache Kafka 4.3.1 from Maven Central.
    Kafka,
    /// A sink that does only what no broker can leave out; it takes records and gives none.
    Floor,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Ottla => "Ottla",
            Kind::Before => "before",
            Kind::Kafka => "Kafka",
            Kind::Floor => "floor",
        })
    }
}

/// A folder for all data of a run, which is removed at the end, and what it takes to start brokers.
pub struct Workplace {
    folder: PathBuf,
    ottla: PathBuf,
    properties: Vec<String>,
    class_path: OnceCell<String>,
    started: Cell<u32>,
    guard: Guard,
}

impl Workplace {
    /// A new folder in `dir`, or among the system's temporary files.
    pub fn new(dir: Option<PathBuf>, ottla: Option<PathBuf>, properties: Vec<String>) -> Result<Self> {
        let folder =
            dir.unwrap_or_else(std::env::temp_dir).join(format!("ottla-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let ottla = ottla.or_else(|| std::env::var_os("OTTLA_BIN").map(PathBuf::from)).unwrap_or_else(beside);
        let (class_path, started, guard) = (OnceCell::new(), Cell::new(0), Guard::start(&folder)?);
        Ok(Self { folder, ottla, properties, class_path, started, guard })
    }

    /// Where everything is that is removed at the end.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The Ottla binary.
    pub fn ottla(&self) -> &Path {
        &self.ottla
    }

    /// Class path of Apache Kafka's broker and tools.
    pub fn class_path(&self) -> Result<&str> {
        if self.class_path.get().is_none() {
            let found = kafka_dist::class_path()?;
            return Ok(self.class_path.get_or_init(|| found));
        }
        Ok(self.class_path.get().map_or("", String::as_str))
    }

    /// Starts a broker on an empty data folder, and returns once it has answered Metadata.
    pub fn start(&self, kind: Kind, name: &'static str) -> Result<Broker<'_>> {
        self.start_with(kind, name, None, "")
    }

    /// Likewise, with further listeners, a user who may log in, and more lines for server.properties.
    pub fn start_secure(&self, kind: Kind, name: &'static str, more: &str) -> Result<Broker<'_>> {
        let ports = Ports { ssl: free_port()?, sasl_ssl: free_port()?, sasl: free_port()? };
        let broker = self.start_with(kind, name, Some(ports), more)?;
        secure::create_user(broker.port)?;
        Ok(broker)
    }

    fn start_with(
        &self,
        kind: Kind,
        name: &'static str,
        secure: Option<Ports>,
        more: &str,
    ) -> Result<Broker<'_>> {
        let number = self.started.replace(self.started.get() + 1);
        let folder = self.folder.join(format!("{number}-{name}"));
        fs::create_dir_all(&folder)?;
        let (port, controller_port) = (free_port()?, free_port()?);
        let config = folder.join("server.properties");
        let mut properties = self.server_properties(&folder, port, controller_port, secure);
        if let Some(ports) = secure {
            properties += &ports.properties(&folder)?;
        }
        fs::write(&config, properties + more)?;
        if kind == Kind::Kafka {
            format_storage(self.class_path()?, &folder, &config)?;
        }
        let mut broker = self.start_in(kind, folder, port)?;
        broker.secure = secure;
        Ok(broker)
    }

    /// Starts a broker in a folder that was prepared, or in which one ran before.
    fn start_in(&self, kind: Kind, folder: PathBuf, port: u16) -> Result<Broker<'_>> {
        let config = folder.join("server.properties");
        let mut command = self.command(kind, &folder, &config, port)?;
        let log = File::options().create(true).append(true).open(folder.join("process.log"))?;
        command.current_dir(&folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {kind}"))?;
        let mut broker =
            Broker { place: self, kind, folder, port, secure: None, child, began, start: Duration::ZERO };
        self.guard.watch(broker.pid())?;
        broker.wait_until_it_serves()?;
        Ok(broker)
    }

    fn server_properties(
        &self,
        folder: &Path,
        port: u16,
        controller_port: u16,
        secure: Option<Ports>,
    ) -> String {
        let data = folder.join("data");
        let (listeners, protocols) = match secure {
            None => (String::new(), ""),
            Some(Ports { ssl, sasl_ssl, sasl }) => (
                format!(
                    ",SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl_ssl},SASL_PLAINTEXT://127.0.0.1:{sasl}"
                ),
                ",SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
            ),
        };
        let mut text = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{listeners}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listeners}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n\
             log.dirs={}\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data.display()
        );
        for line in &self.properties {
            text += &format!("{line}\n");
        }
        text
    }

    fn command(&self, kind: Kind, folder: &Path, config: &Path, port: u16) -> Result<Command> {
        match kind {
            Kind::Ottla | Kind::Before => {
                let before = || std::env::var_os("OTTLA_BEFORE").map(PathBuf::from);
                let binary = match kind {
                    Kind::Before => before().context("OTTLA_BEFORE must name another build of Ottla")?,
                    _ => self.ottla.clone(),
                };
                ensure!(binary.is_file(), "no Ottla binary at {}", binary.display());
                let mut command = Command::new(binary);
                command.arg("server").arg("--config").arg(config);
                Ok(command)
            }
            Kind::Kafka => {
                let class_path = self.class_path()?;
                let mut command = Command::new("java");
                command.args(KAFKA_JVM).args(["-cp", class_path, "kafka.Kafka"]).arg(config);
                Ok(command)
            }
            Kind::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--be-floor", &port.to_string()]).arg(folder.join("sink"));
                Ok(command)
            }
        }
    }
}

/// What Apache Kafka wants done once before its first start.
fn format_storage(class_path: &str, folder: &Path, config: &Path) -> Result<()> {
    let mut format = Command::new("java");
    format.args(["-Xmx256m", "-cp", class_path, "kafka.tools.StorageTool", "format", "--standalone"]);
    format.args(["-t", CLUSTER_ID, "-c"]).arg(config).current_dir(folder);
    let output = format.output().context("starting java")?;
    ensure!(output.status.success(), "kafka-storage: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Gives back what the files of a folder take.
fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        if metadata.is_dir() {
            empty(&path)?;
        } else if metadata.is_file() && metadata.blocks() > 0 {
            fs::File::options().write(true).open(&path)?.set_len(0)?;
        }
    }
    Ok(())
}

/// The binary that was built together with this program.
fn beside() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("ottla")
}

/// A port on which nobody listens, below the range from which the system takes those of outgoing connections.
fn free_port() -> Result<u16> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
    let mut random = Random::new(now);
    for _ in 0..1_000 {
        let port = 10_000 + random.below(20_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

/// A broker that runs. It is killed when it is dropped.
pub struct Broker<'a> {
    /// Where it came from.
    pub place: &'a Workplace,
    /// What it is.
    pub kind: Kind,
    /// Its port on the loopback interface.
    pub port: u16,
    /// Its listeners that ask who one is, if it has some.
    secure: Option<Ports>,
    /// When it was started.
    pub began: Instant,
    /// From exec to the first answered Metadata.
    pub start: Duration,
    folder: PathBuf,
    child: Child,
}

impl<'a> Broker<'a> {
    /// Id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its listeners that ask who one is.
    pub fn secure(&self) -> Result<Ports> {
        self.secure.context("a broker without TLS")
    }

    /// Where it keeps its logs.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn wait_until_it_serves(&mut self) -> Result<()> {
        while !topic::serves(self.port) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} while starting: {}", self.kind, self.tail());
            }
            if self.began.elapsed() > START_TIMEOUT {
                bail!("{} did not serve within {START_TIMEOUT:?}: {}", self.kind, self.tail());
            }
            thread::sleep(Duration::from_micros(500));
        }
        self.start = self.began.elapsed();
        Ok(())
    }

    /// Asks it to stop, waits until it has, and removes its data.
    pub fn stop(mut self) -> Result<()> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            kill_process(pid, Signal::TERM)?;
        }
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(began.elapsed() < STOP_TIMEOUT, "{} did not stop: {}", self.kind, self.tail());
            thread::sleep(Duration::from_millis(5));
        }
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }

    /// What it is, and whether it still runs: for when something failed.
    pub fn condition(&self) -> String {
        let runs = Path::new("/proc").join(self.pid().to_string()).join("exe").exists();
        let state = if runs { "which runs" } else { "which has ended" };
        format!("on {}, {state} and said last: {}", self.kind, self.tail())
    }

    /// Ends it without asking, and empties its files: with many partitions a stop takes long.
    ///
    /// The files themselves stay until the end of the run. ext4 gives nobody the number of a file that was deleted within the last minutes
    /// (`recently_deleted`), and looks at all of those before it finds a free one: after a hundred thousand deletions each creation takes
    /// milliseconds, and the next broker with thousands of partitions a minute to have them.
    pub fn discard(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        empty(&self.folder)?;
        Ok(())
    }

    /// Kills it as a failing machine would, and starts it again on what it left.
    pub fn kill_and_restart(mut self) -> Result<Broker<'a>> {
        self.child.kill()?;
        self.child.wait()?;
        self.place.start_in(self.kind, self.folder.clone(), self.port)
    }

    fn tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("process.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }
}

impl Drop for Broker<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.place.guard.forget(self.pid());
    }
}
