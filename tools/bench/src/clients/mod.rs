//! Ottla's client beside others on one broker: `cargo xtask bench --clients librdkafka`.
//!
//! Each slice is one run of a program: `ottla producer-perf-test` and its like, Kafka's own of the same name, or
//! `librdkafka.c`, which does the same with librdkafka. All have Java's defaults but for `batch.size`, and write or read
//! the same number of records. What counts is the rate that the program tells, and what /proc says of its process from
//! its first to its last instruction: a JVM's start is in it.

mod job;
mod librdkafka;
mod program;

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use self::job::Job;
use crate::contestant::{Broker, Kind, Workplace};
use crate::disturbance::Limits;
use crate::effort::Effort;
use crate::metric::Slice;
use crate::perf_tools::java;
use crate::report::Report;
use crate::rotation::{order, pairs};
use crate::topic;

/// Whose client.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Maker {
    /// That of the release build of this repository.
    Ottla,
    /// That of another build, named by OTTLA_BEFORE: what a change has brought.
    Before,
    /// The C client, from Python's wheel of it, or the shared library that OTTLA_LIBRDKAFKA names.
    Librdkafka,
    /// Apache Kafka's own.
    Java,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Maker::Ottla => "Ottla",
            Maker::Before => "before",
            Maker::Librdkafka => "librdkafka",
            Maker::Java => "Java",
        })
    }
}

/// Names of all rows.
pub fn names() -> Vec<String> {
    Job::ALL.iter().map(Job::name).collect()
}

/// Measures the rows that are wanted.
pub fn measure(
    place: &Workplace,
    against: Maker,
    effort: &Effort,
    limits: Limits,
    wants: impl Fn(&str) -> bool,
    report: &mut Report,
) -> Result<()> {
    let broker = place.start(Kind::Ottla, "a")?;
    let programs = Programs { place, librdkafka: OnceCell::new() };
    for job in Job::ALL.iter().filter(|job| wants(&job.name())) {
        eprintln!("{} ...", job.name());
        match rotations(&programs, &broker, *job, against, effort, limits) {
            Ok(found) => report.row(&job.name(), &found.pairs, found.worst),
            Err(why) => report.failed(&job.name(), &why.context(broker.condition())),
        }
    }
    Ok(())
}

/// Every row once with Ottla's client, judging nothing.
pub fn once(place: &Workplace, effort: &Effort) -> Result<Vec<(String, Result<Slice>)>> {
    let broker = place.start(Kind::Ottla, "a")?;
    let programs = Programs { place, librdkafka: OnceCell::new() };
    let one = |job: &Job| {
        let topic = Topic::new(&broker, format!("client-{}", job.name().replace([' ', ','], "-")))?;
        let records = job.prepare(&broker, &topic.name, effort.slice)?;
        job.slice(&programs, &broker, Maker::Ottla, &topic.name, records)
    };
    Ok(Job::ALL.iter().map(|job| (job.name(), one(job))).collect())
}

fn rotations(
    programs: &Programs<'_>,
    broker: &Broker<'_>,
    job: Job,
    against: Maker,
    effort: &Effort,
    limits: Limits,
) -> Result<crate::rotation::Pairs<Slice>> {
    let makers = [Maker::Ottla, against];
    let name = |rotation: usize| format!("client-{}-{rotation}", job.name().replace([' ', ','], "-"));
    let mut topic = Topic::new(broker, name(0))?;
    let mut records = job.prepare(broker, &topic.name, effort.slice)?;
    pairs(effort.rotations, limits, |rotation| {
        if job.writes() && rotation > 0 {
            topic = Topic::new(broker, name(rotation))?;
            records = job.prepare(broker, &topic.name, effort.slice)?;
        }
        let mut pair = [Slice::default(), Slice::default()];
        for i in order(rotation) {
            let slice = job.slice(programs, broker, makers[i], &topic.name, records);
            pair[i] = slice.with_context(|| format!("with the client of {}", makers[i]))?;
        }
        Ok(pair)
    })
}

/// A topic that is deleted when it is dropped.
struct Topic<'a> {
    broker: &'a Broker<'a>,
    name: String,
}

impl<'a> Topic<'a> {
    fn new(broker: &'a Broker<'a>, name: String) -> Result<Self> {
        crate::load::produce::create_writable(broker.port, &name, 1, &[])?;
        Ok(Self { broker, name })
    }
}

impl Drop for Topic<'_> {
    fn drop(&mut self) {
        let _ = topic::delete(self.broker.port, &self.name);
    }
}

/// The programs of all makers.
struct Programs<'a> {
    place: &'a Workplace,
    librdkafka: OnceCell<PathBuf>,
}

impl Programs<'_> {
    /// One of Kafka's tools: its name among ours, or its class among Kafka's.
    fn tool(&self, maker: Maker, name: &str, class: &str) -> Result<Command> {
        let ottla = |binary: PathBuf| {
            ensure!(binary.is_file(), "no Ottla binary at {}", binary.display());
            let mut command = Command::new(binary);
            command.arg(name);
            Ok(command)
        };
        match maker {
            Maker::Before => {
                let binary = std::env::var_os("OTTLA_BEFORE");
                ottla(binary.map(PathBuf::from).context("OTTLA_BEFORE must name another build of Ottla")?)
            }
            Maker::Java => Ok(java(self.place.class_path()?, &format!("org.apache.kafka.tools.{class}"))),
            Maker::Ottla | Maker::Librdkafka => ottla(self.place.ottla().to_owned()),
        }
    }

    /// The program on librdkafka, compiled when it is first asked for.
    fn librdkafka(&self) -> Result<&Path> {
        if let Some(program) = self.librdkafka.get() {
            return Ok(program);
        }
        let program = librdkafka::compile(self.place.folder())?;
        Ok(self.librdkafka.get_or_init(|| program))
    }
}
