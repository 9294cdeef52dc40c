//! `ottla console-consumer`: records are shown on the normal output (Kafka: `ConsoleConsumer`).

use std::time::{Duration, Instant};

use ottla_client::Error;
use ottla_client::record::ConsumerRecord;

use super::consumer_options::OPTIONS;
use super::formatter::Formatter;
use super::log_line::log_error;
use super::sink::Source;
use crate::tool::{Group, Syntax, Tool};
use crate::{Failure, Io, errln};

/// Java's class, by which its log names itself.
pub const CLASS: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// One wait of the client, at most: Java waits for ever, which here is again and again.
const POLL: Duration = Duration::from_secs(3600);

/// The tool.
pub static TOOL: Tool = Tool {
    name: "console-consumer",
    script: "kafka-console-consumer",
    group: Group::Records,
    about: "This tool reads records of topics and shows them on the standard output.",
    examples: "ottla console-consumer --bootstrap-server localhost:9092 --topic quickstart --from-beginning\n\
               ottla console-consumer --bootstrap-server localhost:9092 --topic t --partition 0 --offset 5 \
               --max-messages 1",
    syntax: Syntax::Options(&OPTIONS),
    run: super::clients::run_consumer,
};

/// How much is shown, and what becomes of what can't be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many records; none for no end.
    pub max_messages: Option<u64>,
    /// Leave out what can't be shown.
    pub skip_on_error: bool,
}

/// Records of a source, one at a time.
#[derive(Debug)]
pub struct Records<S> {
    source: S,
    batch: std::vec::IntoIter<ConsumerRecord>,
    timeout: Option<Duration>,
}

impl<S: Source> Records<S> {
    /// Of this source; `timeout` is how long to wait for one.
    pub fn new(source: S, timeout: Option<Duration>) -> Self {
        Self { source, batch: Vec::new().into_iter(), timeout }
    }

    /// The next record.
    ///
    /// # Errors
    /// When there was none for the time, or the source fails.
    pub async fn next(&mut self) -> ottla_client::Result<ConsumerRecord> {
        let start = Instant::now();
        loop {
            if let Some(record) = self.batch.next() {
                return Ok(record);
            }
            self.batch = self.source.poll(self.timeout.unwrap_or(POLL).min(POLL)).await?.into_iter();
            if self.batch.as_slice().is_empty() && self.timeout.is_some_and(|most| start.elapsed() >= most) {
                return Err(Error::Timeout(String::new()));
            }
        }
    }

    /// The source, to tell it something.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Source, and the records that were not asked for.
    pub fn into_parts(self) -> (S, Vec<ConsumerRecord>) {
        (self.source, self.batch.collect())
    }
}

/// Shows records until there are enough, none comes, nobody reads, or `stop` ends. How many were shown is told
/// on the error output in any case.
///
/// # Errors
/// When a record can't be shown.
pub async fn consume<S: Source>(
    records: &mut Records<S>,
    formatter: &Formatter,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
    io: &mut Io,
) -> Result<(), Failure> {
    let mut stop = std::pin::pin!(stop);
    let mut count = 0;
    let mut shown = Vec::new();
    let result = loop {
        if bounds.max_messages.is_some_and(|max| count >= max) {
            break Ok(());
        }
        let next = tokio::select! {
            biased;
            () = &mut stop => break Ok(()),
            next = records.next() => next,
        };
        let record = match next {
            Ok(record) => record,
            Err(Error::Wakeup) => break Ok(()),
            Err(why) => {
                log_error(io, CLASS, "Error processing message, terminating consumer process: ", &cause(why));
                break Ok(());
            }
        };
        count += 1;
        // The tool builds a record of its own for the formatter, without these.
        let record = ConsumerRecord { leader_epoch: None, delivery_count: None, ..record };
        shown.clear();
        let written = formatter.write(&record, &mut shown);
        io.write(&shown);
        if let Err(why) = written {
            let text = match bounds.skip_on_error {
                true => "Error processing message, skipping this message: ",
                false => "Unknown error when running consumer: ",
            };
            log_error(io, CLASS, text, &why);
            if !bounds.skip_on_error {
                break Err(Failure::Exit(1));
            }
        }
        if is_gone(records, io) {
            break Ok(());
        }
    };
    errln!(io, "Processed a total of {count} messages");
    result
}

/// Whether nobody reads the output any more. It is looked at when no record waits: then, too, what was written
/// is made visible.
pub fn is_gone<S>(records: &Records<S>, io: &mut Io) -> bool {
    if records.batch.as_slice().is_empty() {
        io.flush();
    }
    if io.is_broken() {
        errln!(io, "Unable to write to standard out, closing consumer.");
    }
    io.is_broken()
}

/// An exception as a log shows it; the one of a time-out has no message.
pub fn cause(why: Error) -> String {
    let text = Failure::from(why).with_class();
    text.trim_end_matches(": ").to_owned()
}

#[cfg(test)]
#[path = "consumer_test.rs"]
mod tests;
