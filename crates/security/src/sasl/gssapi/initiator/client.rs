//! The client's side of GSSAPI in SASL (RFC 4752): Kerberos' tokens, then the choice among the server's security layers: none.
//!
//! ```text
//! AP-REQ ──► AP-REP ──► (empty) ──► offer ──► choice ──► (empty): done
//! ```

use super::context::{self, Agreed, Initiated};
use super::credential::Credential;
use super::failure::Failure;

/// No security layer: what is offered, and what is chosen.
const NO_LAYER: u8 = 1;

/// One exchange. Its `Debug` form shows no key.
#[derive(Debug)]
pub struct GssapiClient {
    /// Whom the client would like to act for: itself.
    user: String,
    state: State,
}

enum State {
    Initial {
        ticket: Box<Credential>,
        now_ms: i64,
        random: String,
    },
    /// The ticket is shown.
    Shown(Initiated),
    Agreed(Agreed),
    /// The choice is sent; an empty token must come.
    Chosen,
    Ended {
        is_complete: bool,
    },
}

impl GssapiClient {
    /// An exchange with a ticket for the server. `random` is a text that nobody can guess, used once.
    pub fn new(ticket: Credential, now_ms: i64, random: String) -> Self {
        let user = ticket.client.to_string();
        Self { user, state: State::Initial { ticket: Box::new(ticket), now_ms, random } }
    }

    /// The token that answers a server's; the first is given for an empty one.
    ///
    /// # Errors
    /// When the server refuses, or is not the service that the ticket is for. The exchange has ended then.
    pub fn evaluate(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Failure> {
        let (next, answer) = match std::mem::replace(&mut self.state, State::Ended { is_complete: false }) {
            State::Initial { ticket, now_ms, random } => {
                let (token, initiated) = context::initiate(&ticket, now_ms, &random)?;
                (State::Shown(initiated), token)
            }
            State::Shown(initiated) => (State::Agreed(initiated.answered(challenge)?), Vec::new()),
            State::Agreed(agreed) => (State::Chosen, self.choose(&agreed, challenge)?),
            State::Chosen if challenge.is_empty() => (State::Ended { is_complete: true }, Vec::new()),
            State::Chosen | State::Ended { .. } => return Err(Failure::OutOfOrder),
        };
        self.state = next;
        Ok(answer)
    }

    /// Whether the server has taken the client.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Ended { is_complete: true })
    }

    fn choose(&self, agreed: &Agreed, offer: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut room = Vec::new();
        let (layers, _) = agreed.key.unwrap_by_acceptor(offer, &mut room).map_err(|_| Failure::Wrapped)?;
        match layers {
            [layers, _, _, _] if layers & NO_LAYER != 0 => {}
            [_, _, _, _] => return Err(Failure::SecurityLayer),
            _ => return Err(Failure::Wrapped),
        }
        // Without a layer there is no size of its messages.
        let choice = [&[NO_LAYER, 0, 0, 0], self.user.as_bytes()].concat();
        agreed.key.wrap_by_initiator(&choice, agreed.send_sequence.into()).ok_or(Failure::Key)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Initial { .. } => "Initial",
            State::Shown(_) => "Shown",
            State::Agreed(_) => "Agreed",
            State::Chosen => "Chosen",
            State::Ended { .. } => "Ended",
        })
    }
}
