//! The server's side of GSSAPI in SASL (RFC 4752): Kerberos' tokens, then an offer and a choice of security layers, of which there is one:
//! none.
//!
//! ```text
//! AP-REQ ──► AP-REP ──► (empty) ──► offer ──► choice ──► done     with mutual authentication (librdkafka)
//! AP-REQ ─────────────────────────► offer ──► choice ──► done     without (Java)
//! ```

use super::acceptor::{self, Context};
use super::refusal::Refusal;
use super::service::KerberosService;
use crate::sasl::Step;

/// The offer: no security layer, and so no size of its messages.
const OFFER: [u8; 4] = [NO_LAYER, 0, 0, 0];
const NO_LAYER: u8 = 1;

/// One exchange.
#[derive(Debug, Default)]
pub struct GssapiServer {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Initial,
    /// The answer is sent; an empty token must come.
    Answered(Context),
    /// The offer is sent.
    Offered(Context),
    Ended,
}

impl GssapiServer {
    /// Takes a message; `random` is a text that nobody can guess, new for each message.
    ///
    /// # Errors
    /// Why the client is not known. The exchange has ended then.
    pub fn evaluate(
        &mut self,
        message: &[u8],
        service: &KerberosService,
        now_ms: i64,
        random: &str,
    ) -> Result<Step, Refusal> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Initial => {
                let mut context = acceptor::accept(message, service, now_ms, random)?;
                // Whoever is no user hears of it now, not after two more messages.
                service.user(&context.client)?;
                match context.answer.take() {
                    Some(answer) => {
                        self.state = State::Answered(context);
                        Ok(Step::Challenge(answer))
                    }
                    None => self.offer(context),
                }
            }
            State::Answered(context) if message.is_empty() => self.offer(context),
            State::Offered(context) => {
                check_choice(&context, message)?;
                // A ticket's end is not a session's, as in Kafka, whose library does not tell it.
                Ok(Step::Done {
                    user: service.user(&context.client)?,
                    response: Vec::new(),
                    expires_ms: None,
                })
            }
            State::Answered(_) | State::Ended => Err(Refusal::OutOfOrder),
        }
    }

    fn offer(&mut self, context: Context) -> Result<Step, Refusal> {
        let offer = context.key.wrap(&OFFER, context.send_sequence.into()).ok_or(Refusal::Key)?;
        self.state = State::Offered(context);
        Ok(Step::Challenge(offer))
    }
}

/// The layer that the client has chosen. The name behind it, whom it would like to act for, is not looked at, as in Kafka.
fn check_choice(context: &Context, message: &[u8]) -> Result<(), Refusal> {
    let mut room = Vec::new();
    let (choice, sequence) = context.key.unwrap(message, &mut room).map_err(|_| Refusal::Wrapped)?;
    if context.receive_sequence.is_some_and(|expected| u64::from(expected) != sequence) {
        return Err(Refusal::OutOfOrder);
    }
    match choice {
        [NO_LAYER, _, _, _, ..] => Ok(()),
        [_, _, _, _, ..] => Err(Refusal::SecurityLayer),
        _ => Err(Refusal::Wrapped),
    }
}

#[cfg(test)]
#[path = "gssapi_test.rs"]
mod gssapi_test;
