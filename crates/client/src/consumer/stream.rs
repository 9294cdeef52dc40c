//! Records one by one.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::client::Consumer;
use super::records::ConsumerRecords;
use crate::Result;
use crate::record::ConsumerRecord;

/// How long one poll of a stream waits before the next begins; the stream goes on in any case.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

type Polling<'a> = Pin<Box<dyn Future<Output = (&'a mut Consumer, Result<ConsumerRecords>)> + Send + 'a>>;

enum State<'a> {
    Idle(&'a mut Consumer),
    Polling(Polling<'a>),
    /// Only while the state changes.
    Between,
}

/// The records of a consumer, one by one, without an end. An error does not end it either: whether to go on is the
/// application's choice.
///
/// Positions, and with them commits, are those of the polls inside: records of a poll count as processed with the next
/// one. Dropping the stream in the middle of a poll's records drops the rest of them; seek, or use
/// [`Consumer::poll`], where that matters.
pub struct RecordStream<'a> {
    state: State<'a>,
    records: std::vec::IntoIter<ConsumerRecord>,
}

impl Consumer {
    /// The records, one by one.
    pub fn stream(&mut self) -> RecordStream<'_> {
        RecordStream { state: State::Idle(self), records: Vec::new().into_iter() }
    }
}

impl RecordStream<'_> {
    /// The next record.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    pub async fn next(&mut self) -> Result<ConsumerRecord> {
        loop {
            let next = std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await;
            if let Some(record) = next {
                return record;
            }
        }
    }
}

impl Stream for RecordStream<'_> {
    type Item = Result<ConsumerRecord>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(record) = this.records.next() {
                return Poll::Ready(Some(Ok(record)));
            }
            match std::mem::replace(&mut this.state, State::Between) {
                State::Idle(consumer) => {
                    this.state = State::Polling(Box::pin(async move {
                        let result = consumer.poll(POLL_TIMEOUT).await;
                        (consumer, result)
                    }));
                }
                State::Polling(mut polling) => match polling.as_mut().poll(context) {
                    Poll::Pending => {
                        this.state = State::Polling(polling);
                        return Poll::Pending;
                    }
                    Poll::Ready((consumer, result)) => {
                        this.state = State::Idle(consumer);
                        match result {
                            Ok(records) => this.records = records.into_vec().into_iter(),
                            Err(error) => return Poll::Ready(Some(Err(error))),
                        }
                    }
                },
                State::Between => return Poll::Ready(None),
            }
        }
    }
}
