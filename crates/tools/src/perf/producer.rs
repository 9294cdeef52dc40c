//! `ottla producer-perf-test`: how fast records are written (Kafka: `ProducerPerformance`).

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use ottla_client::record::ProducerRecord;
use ottla_protocol::Str;

use super::latencies::Latencies;
use super::payload::SplittableRandom;
use super::producer_options::COMMAND;
pub use super::producer_options::PerfOptions;
use super::throttler::Throttler;
use crate::console::sink::{Runs, Sink, Transactions};
use crate::progress::Progress;
use crate::tool::{Group, Syntax, Tool};
use crate::{Failure, Io, errln, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "producer-perf-test",
    script: "kafka-producer-perf-test",
    group: Group::Performance,
    about: "Measures how fast records are written.",
    examples: "ottla producer-perf-test --bootstrap-server localhost:9092 --topic t --num-records 1000000 \
               --record-size 1000 --throughput -1 --command-property acks=1",
    syntax: Syntax::Commands(&COMMAND),
    run: crate::console::clients::run_producer_perf,
};

/// Records without acknowledgement that were sent in the same millisecond.
struct InFlight<S: Runs> {
    fate: Fate<S>,
    sent_ms: i64,
    records: u32,
    bytes: usize,
    counts_as_steady: bool,
}

/// What is waited for.
enum Fate<S: Runs> {
    /// Records that most likely end together.
    Run(S::Run),
    /// One of those that did not.
    One(S::Delivery),
}

/// How records ended that were waited for together.
type End<S> = Result<ottla_client::Result<()>, Vec<<S as Sink>::Delivery>>;

impl<S: Runs> Future for Fate<S> {
    /// Acknowledged, refused, or each to be waited for by itself.
    type Output = End<S>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Fate::Run(run) => Pin::new(run).poll(context).map_ok(|_| Ok(())),
            Fate::One(one) => Pin::new(one).poll(context).map(|place| Ok(place.map(|_| ()))),
        }
    }
}

/// Numbers of a run.
struct Run<S: Runs> {
    all: Latencies,
    steady: Option<Latencies>,
    in_flight: VecDeque<InFlight<S>>,
    progress: Progress,
    /// When was last looked for what is acknowledged, and for whom to tell, ms.
    looked_ms: i64,
}

impl<S: Runs> Run<S> {
    fn new(options: &PerfOptions, start_ms: i64) -> Self {
        Self {
            all: Latencies::new(options.records, options.interval_ms, false, start_ms),
            steady: None,
            in_flight: VecDeque::new(),
            progress: Progress::new("Sending"),
            looked_ms: start_ms,
        }
    }

    /// Whether a millisecond has begun since this was last asked. Latencies are counted in whole ones, so that to look more
    /// often for what is acknowledged would cost much, and tell nothing.
    fn is_time_to_look(&mut self, now_ms: i64) -> bool {
        std::mem::replace(&mut self.looked_ms, now_ms) != now_ms
    }

    /// Waits for one more record from now on.
    fn add(&mut self, mut delivery: S::Delivery, sent_ms: i64, bytes: usize) {
        let counts_as_steady = self.steady.is_some();
        if let Some(last) = self.in_flight.back_mut()
            && last.sent_ms == sent_ms
            && last.counts_as_steady == counts_as_steady
            && let Fate::Run(run) = &mut last.fate
        {
            match S::join(run, delivery) {
                None => {
                    last.records += 1;
                    last.bytes += bytes;
                    return;
                }
                Some(apart) => delivery = apart,
            }
        }
        let fate = Fate::Run(S::run(delivery));
        self.in_flight.push_back(InFlight { fate, sent_ms, records: 1, bytes, counts_as_steady });
    }

    /// Counts those at the head that are acknowledged. The clock is looked at only when there are any: it costs as much
    /// as a good part of a send.
    fn count_finished(&mut self, now_ms: impl Fn() -> i64, io: &mut Io) {
        let mut context = Context::from_waker(Waker::noop());
        let mut now = None;
        while let Some(first) = self.in_flight.front_mut() {
            let Poll::Ready(end) = Pin::new(&mut first.fate).poll(&mut context) else { return };
            if let Some(done) = self.in_flight.pop_front() {
                self.count(&done, end, *now.get_or_insert_with(&now_ms), io);
            }
        }
    }

    fn count(&mut self, done: &InFlight<S>, end: End<S>, now_ms: i64, io: &mut Io) {
        match end {
            Ok(Ok(())) => {
                let latency = now_ms - done.sent_ms;
                self.all.record(done.records, latency, done.bytes, now_ms, io);
                if let Some(steady) = self.steady.as_mut().filter(|_| done.counts_as_steady) {
                    steady.record(done.records, latency, done.bytes, now_ms, io);
                }
            }
            Ok(Err(why)) => errln!(io, "{}", Failure::from(why).with_class()),
            Err(apart) => {
                // The bytes of each are not known any more; their sum stays right.
                let each = done.bytes.checked_div(apart.len()).unwrap_or(0);
                let rest = done.bytes.checked_rem(apart.len()).unwrap_or(0);
                for (at, delivery) in apart.into_iter().enumerate().rev() {
                    self.in_flight.push_front(InFlight {
                        fate: Fate::One(delivery),
                        records: 1,
                        bytes: if at == 0 { each + rest } else { each },
                        ..*done
                    });
                }
            }
        }
    }
}

/// Writes the records and prints reports; `now_ms` is the clock.
///
/// # Errors
/// When a record can't be handed over, or a transaction fails.
pub async fn measure<S: Runs + Transactions>(
    sink: &mut S,
    options: &PerfOptions,
    now_ms: impl Fn() -> i64,
    io: &mut Io,
) -> Result<(), Failure> {
    let warmup = options.warmup_records;
    if warmup > 0 {
        outln!(
            io,
            "Warmup first {warmup} records. Steady state results will print after the complete test summary."
        );
    }
    let start_ms = now_ms();
    let topic = Str::from(options.topic.as_str());
    let mut run = Run::new(options, start_ms);
    let mut random = SplittableRandom::new(0);
    let mut throttler = Throttler::new(options.throughput, start_ms);
    // When the transaction that is open began.
    let mut begun_ms = None;
    for number in 0..options.records {
        if options.transaction_ms.is_some() && begun_ms.is_none() {
            sink.begin().await?;
            begun_ms = Some(now_ms());
        }
        let value = options.payload.next(number, &mut random);
        let sent_ms = now_ms();
        if warmup > 0 && number == warmup {
            run.steady = Some(Latencies::new(options.records - warmup, options.interval_ms, true, sent_ms));
            run.all.silence();
        }
        let bytes = value.len();
        let record = ProducerRecord {
            topic: topic.clone(),
            value: Some(value),
            // The client would look at the same clock once more.
            timestamp_ms: Some(sent_ms),
            ..Default::default()
        };
        match sink.send(record).await {
            Ok(delivery) => run.add(delivery, sent_ms, bytes),
            // A record that is refused at once: Java's producer tells its callback, too.
            Err(why) => errln!(io, "{}", Failure::from(why).with_class()),
        }
        if options.transaction_ms.zip(begun_ms).is_some_and(|(most, begun)| most <= sent_ms - begun) {
            sink.commit().await?;
            begun_ms = None;
        }
        if run.is_time_to_look(sent_ms) {
            run.count_finished(&now_ms, io);
            run.progress.at(io, number.unsigned_abs(), options.records.unsigned_abs());
        }
        if let Some(wait) = throttler.wait(number, sent_ms) {
            tokio::time::sleep(wait).await;
            run.count_finished(&now_ms, io);
        }
    }
    if begun_ms.is_some() {
        sink.commit().await?;
    }
    finish(sink, run, now_ms, io).await
}

/// Waits for what is on its way, and prints the summaries.
async fn finish<S: Runs>(
    sink: &mut S,
    mut run: Run<S>,
    now_ms: impl Fn() -> i64,
    io: &mut Io,
) -> Result<(), Failure> {
    sink.flush().await?;
    while let Some(mut done) = run.in_flight.pop_front() {
        let end = (&mut done.fate).await;
        run.count(&done, end, now_ms(), io);
    }
    sink.close().await?;
    run.progress.clear(io);
    run.all.print_total(now_ms(), io);
    if let Some(mut steady) = run.steady {
        steady.print_total(now_ms(), io);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Captured;
    use std::cell::Cell;

    type Delivery = std::future::Ready<ottla_client::Result<(i32, i64)>>;

    #[derive(Default)]
    struct FakeSink {
        calls: Vec<String>,
    }

    impl Sink for FakeSink {
        type Delivery = Delivery;

        async fn send(&mut self, record: ProducerRecord) -> ottla_client::Result<Self::Delivery> {
            assert!(record.timestamp_ms.is_some(), "the clock is looked at once");
            let value = String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned();
            let refused = ottla_client::Error::Illegal(format!("refused {value}"));
            let delivery = if value.ends_with('5') { Err(refused) } else { Ok((0, 0)) };
            self.calls.push(value);
            Ok(std::future::ready(delivery))
        }

        async fn flush(&mut self) -> ottla_client::Result<()> {
            self.calls.push("flush".to_owned());
            Ok(())
        }

        async fn close(&mut self) -> ottla_client::Result<()> {
            self.calls.push("close".to_owned());
            Ok(())
        }
    }

    /// Records that end together, unless there is a bad one among them.
    struct FakeRun(Vec<Delivery>);

    impl Future for FakeRun {
        type Output = Result<u32, Vec<Delivery>>;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            let all = std::mem::take(&mut self.0);
            let is_good = |one: &Delivery| one.clone().into_inner().is_ok();
            Poll::Ready(if all.iter().all(is_good) { Ok(all.len() as u32) } else { Err(all) })
        }
    }

    impl Runs for FakeSink {
        type Run = FakeRun;

        fn run(first: Delivery) -> FakeRun {
            FakeRun(vec![first])
        }

        fn join(run: &mut FakeRun, next: Delivery) -> Option<Delivery> {
            run.0.push(next);
            None
        }
    }

    impl Transactions for FakeSink {
        async fn begin(&mut self) -> ottla_client::Result<()> {
            self.calls.push("begin".to_owned());
            Ok(())
        }

        async fn commit(&mut self) -> ottla_client::Result<()> {
            self.calls.push("commit".to_owned());
            Ok(())
        }
    }

    fn run(more: &str) -> (Vec<String>, String) {
        let (calls, out, _) = run_by(1, more);
        (calls, out)
    }

    fn read(more: &str) -> (PerfOptions, (Io, Captured)) {
        let (mut io, captured) = Io::captured("");
        let line = format!("--topic t --throughput -1 --payload-monotonic --bootstrap-server a:1 {more}");
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = PerfOptions::read(&TOOL, &mut io, &arguments, "id").expect("options");
        (options, (io, captured))
    }

    /// With a clock that goes on by a ms each `looks` looks: what was called, and what was printed and complained of.
    fn run_by(looks: i64, more: &str) -> (Vec<String>, String, String) {
        let (options, (mut io, captured)) = read(more);
        let clock = Cell::new(0);
        let now = || {
            clock.set(clock.get() + 1);
            clock.get() / looks
        };
        let mut sink = FakeSink::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        runtime.block_on(measure(&mut sink, &options, now, &mut io)).expect("measures");
        io.flush();
        (sink.calls, captured.out(), captured.err())
    }

    #[test]
    fn records_are_counted() {
        let (calls, out) = run("--num-records 3");
        assert_eq!(calls, ["0", "1", "2", "flush", "close"]);
        assert!(out.starts_with("3 records sent, ") && out.ends_with(" ms 99.9th.\n"), "{out}");
    }

    #[test]
    fn records_of_the_same_time_end_together_unless_one_is_refused() {
        let (mut io, captured) = Io::captured("");
        let (options, _) = read("--num-records 9");
        let mut run: Run<FakeSink> = Run::new(&options, 0);
        let refused = || Err(ottla_client::Error::Illegal("refused".to_owned()));
        for (at, sent_ms) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (6, 3)] {
            let delivery = if at == 5 { refused() } else { Ok((0, 0)) };
            run.add(std::future::ready(delivery), sent_ms, 10 + usize::from(at == 6));
        }
        let counts: Vec<u32> = run.in_flight.iter().map(|some| some.records).collect();
        assert_eq!(counts, [3, 1, 3]);
        run.count_finished(|| 5, &mut io);
        assert!(run.in_flight.is_empty());
        run.all.print_total(1005, &mut io);
        io.flush();
        // Latencies of 4, 4, 4, 3, 2 and 2 ms.
        assert!(captured.out().starts_with("6 records sent, "), "{}", captured.out());
        assert!(captured.out().contains(" 3.17 ms avg latency, 4.00 ms max latency,"), "{}", captured.out());
        assert!(captured.err().ends_with("refused\n"), "{}", captured.err());
    }

    #[test]
    fn a_record_that_is_refused_is_told_of() {
        let (calls, out, err) = run_by(1000, "--num-records 7");
        assert_eq!(calls.len(), 9);
        assert!(out.starts_with("6 records sent, "), "{out}");
        assert!(err.ends_with("refused 5\n") && err.lines().count() == 1, "{err}");
    }

    #[test]
    fn transactions_end_when_their_time_is_up() {
        let (calls, _) = run("--num-records 2 --transaction-duration-ms 1");
        assert_eq!(calls, ["begin", "0", "commit", "begin", "1", "commit", "flush", "close"]);
        let (calls, _) = run("--num-records 2 --transactional-id x");
        assert_eq!(calls, ["begin", "0", "1", "commit", "flush", "close"]);
    }

    #[test]
    fn the_steady_state_has_a_line_of_its_own() {
        let (_, out) = run("--num-records 4 --warmup-records 1");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 3, "{out}");
        assert!(lines[0].starts_with("Warmup first 1 records."));
        assert!(lines[1].starts_with("4 records sent"));
        assert!(lines[2].starts_with("3 steady state records sent"));
    }
}
