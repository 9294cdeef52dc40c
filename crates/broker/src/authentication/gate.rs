//! What a connection with SASL may send, and when (`SaslServerAuthenticator`, KIP-43, KIP-152, KIP-368).

use std::rc::Rc;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_net::{Answer, ConnectionContext, Reply, ResponseFrame};
use ottla_protocol::messages::{
    ApiVersionsRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use ottla_protocol::{ApiKey, ErrorCode, Message, Request, Str};
use ottla_security::sasl::session::{Expects, Failure, Progress};
use ottla_security::sasl::{Mechanism, scram};
use ottla_security::{Principal, x509};

use super::counts::Login;
use super::oauth::BearerTokens;
use super::{SaslListener, Users, out_of_place};
use crate::broker::Broker;
use crate::clock::now_ms;
use crate::context::with_session;
use crate::handlers::api_versions;
use crate::wire::{self, FrameStart};

/// Why a connection ends whose listener is gone.
const NO_USERS: &str = "the listener knows no users";

/// Looks at a frame of a connection whose listener asks for SASL. `None`: it is to be handled as any request.
///
/// # Errors
/// Why the connection must close: something came that may not come now.
pub(crate) fn gate(
    broker: &Arc<Broker>,
    connection: &Rc<ConnectionContext>,
    frame: &Bytes,
) -> Result<Option<Reply>, String> {
    let listeners = broker.authentication.listeners.load();
    let Some(listener) = listeners.get(connection.listener_name()) else {
        return Err(NO_USERS.to_owned());
    };
    let gate = Gate { broker, connection, listener };
    match with_session(connection, |session| session.expects()) {
        Expects::Anything => gate.known(frame),
        Expects::Nothing => Err("a request came after authentication has failed".to_owned()),
        Expects::Token => gate.bare_token(frame).map(Some),
        expects => gate.unknown(frame, expects),
    }
}

/// Finds out, once for a connection with TLS and without SASL, whose certificate the client has shown.
///
/// # Errors
/// Why the connection must close: there is no user for such a name.
pub(crate) fn certificate(broker: &Broker, connection: &ConnectionContext) -> Result<(), String> {
    if crate::context::is_known(connection) {
        return Ok(());
    }
    let principal = match connection.peer_certificate() {
        None => Principal::anonymous(),
        Some(der) => {
            let name = x509::subject(der).ok_or("its certificate has no name that can be read")?;
            let mappings = broker.authentication.mappings.load();
            let user = match mappings.get(connection.listener_name()) {
                Some(mapping) => mapping.user(&name),
                None => Some(name.clone()),
            };
            let user = user.ok_or_else(|| {
                format!("no rule of ssl.principal.mapping.rules fits its certificate's name {name:?}")
            })?;
            Principal::user(user.as_str())
        }
    };
    crate::context::set_principal(connection, principal);
    Ok(())
}

struct Gate<'a> {
    broker: &'a Arc<Broker>,
    connection: &'a Rc<ConnectionContext>,
    listener: &'a SaslListener,
}

impl Gate<'_> {
    /// A client that is known may do everything until its session is over, and authenticate again before that.
    fn known(&self, frame: &Bytes) -> Result<Option<Reply>, String> {
        let now_ms = now_ms();
        let is_handshake =
            FrameStart::read(frame).is_ok_and(|start| start.api_key == ApiKey::SaslHandshake.code());
        if is_handshake && with_session(self.connection, |session| session.begin_again(now_ms)) {
            return self.handshake(frame).map(Some);
        }
        if with_session(self.connection, |session| session.is_expired(now_ms)) {
            let mechanism = with_session(self.connection, |session| session.known_by());
            self.count(mechanism, Login::Expired);
            return Err("it has not authenticated again within connections.max.reauth.ms".to_owned());
        }
        Ok(None)
    }

    fn unknown(&self, frame: &Bytes, expects: Expects) -> Result<Option<Reply>, String> {
        let api = FrameStart::read(frame)
            .ok()
            .and_then(|start| ApiKey::from_code(start.api_key).map(|api| (api, start)));
        match (api, expects) {
            (Some((ApiKey::ApiVersions, start)), Expects::ApiVersionsOrHandshake) => {
                self.versions(frame, &start).map(|()| None)
            }
            (Some((ApiKey::SaslHandshake, _)), Expects::ApiVersionsOrHandshake | Expects::Handshake) => {
                self.handshake(frame).map(Some)
            }
            (Some((ApiKey::SaslAuthenticate, _)), Expects::Authenticate) => {
                self.authenticate(frame).map(Some)
            }
            (Some((api, start)), Expects::Authenticate) => self.out_of_place(frame, api, &start).map(Some),
            (Some((api, _)), _) => {
                with_session(self.connection, |session| session.fail());
                Err(format!(
                    "it sent {} before it was authenticated; the client needs security.protocol={} and a sasl.mechanism",
                    api.name(),
                    self.connection.security_protocol()
                ))
            }
            (None, _) => {
                Err("it sent no Kafka request before it was authenticated; check what connects to this port"
                    .into())
            }
        }
    }

    /// ApiVersions is answered as any request. Where the answer is an error, the client may ask again.
    fn versions(&self, frame: &Bytes, start: &FrameStart) -> Result<(), String> {
        let (low, high) = crate::apis::versions(ApiKey::ApiVersions);
        if (low..=high).contains(&start.api_version) {
            let (request, head) = read::<ApiVersionsRequest>(frame, ApiKey::ApiVersions)?;
            if api_versions::is_valid(&request, head.api_version) {
                with_session(self.connection, |session| session.versions_told());
            }
        }
        Ok(())
    }

    /// A request in the middle of an exchange ends it, as a failed login.
    fn out_of_place(&self, frame: &Bytes, api: ApiKey, start: &FrameStart) -> Result<Reply, String> {
        let exchange = with_session(self.connection, |session| {
            let exchange = session.exchange();
            session.fail();
            exchange
        });
        let answer = out_of_place::answer(frame, api, start)?;
        let is_again = exchange.is_some_and(|(_, is_again)| is_again);
        let login = if is_again { Login::FailedAgain } else { Login::Failed };
        self.count(exchange.map(|(mechanism, _)| mechanism), login);
        Ok(self.refuse(answer, format!("it sent {} in the middle of a SASL exchange", api.name())))
    }

    fn handshake(&self, frame: &Bytes) -> Result<Reply, String> {
        let (request, head) = read::<SaslHandshakeRequest>(frame, ApiKey::SaslHandshake)?;
        let is_enabled = with_session(self.connection, |session| {
            session.handshake(&request.mechanism, head.api_version, &self.listener.mechanisms)
        });
        let error = if is_enabled { ErrorCode::None } else { ErrorCode::UnsupportedSaslMechanism };
        let response =
            SaslHandshakeResponse { error_code: error.code(), mechanisms: self.listener.names.clone() };
        let frame = encode(ApiKey::SaslHandshake, &head, &response)?;
        if is_enabled {
            return Ok(Reply::Now(frame));
        }
        self.count(None, Login::Failed);
        let name: String = request.mechanism.chars().take(40).collect();
        Ok(self
            .refuse(Some(frame), format!("it asked for the SASL mechanism {name:?}, which is not enabled")))
    }

    fn authenticate(&self, frame: &Bytes) -> Result<Reply, String> {
        let (request, head) = read::<SaslAuthenticateRequest>(frame, ApiKey::SaslAuthenticate)?;
        let message = request.auth_bytes.clone();
        self.once_keys_are_there(message, move |gate| gate.answer(&request.auth_bytes, &head))
    }

    fn answer(&self, token: &[u8], head: &Head) -> Result<Reply, String> {
        let respond = |response| encode(ApiKey::SaslAuthenticate, head, &response);
        match self.token(token)? {
            Ok(Progress::Challenge(token)) => respond(SaslAuthenticateResponse {
                auth_bytes: token.into(),
                error_message: None,
                ..Default::default()
            })
            .map(Reply::Now),
            Ok(Progress::Complete { token, session_lifetime_ms }) => respond(SaslAuthenticateResponse {
                auth_bytes: token.into(),
                error_message: None,
                session_lifetime_ms,
                ..Default::default()
            })
            .map(Reply::Now),
            Err(failure) if failure.is_silent => Ok(self.refuse(None, failure.why)),
            Err(failure) => {
                let frame = respond(SaslAuthenticateResponse {
                    error_code: ErrorCode::SaslAuthenticationFailed.code(),
                    error_message: Some(Str::from(failure.told)),
                    ..Default::default()
                })?;
                Ok(self.refuse(Some(frame), failure.why))
            }
        }
    }

    /// After a handshake of version 0 there are no requests around tokens, and a failure has no answer.
    fn bare_token(&self, frame: &Bytes) -> Result<Reply, String> {
        let token = frame.clone();
        self.once_keys_are_there(frame.clone(), move |gate| gate.bare_answer(&token))
    }

    fn bare_answer(&self, token: &[u8]) -> Result<Reply, String> {
        match self.token(token)? {
            Ok(Progress::Challenge(token) | Progress::Complete { token, .. }) => {
                let size = u32::try_from(token.len()).map_err(|_| "a token without end".to_owned())?;
                let mut head = BytesMut::with_capacity(token.len() + 4);
                head.put_u32(size);
                head.put_slice(&token);
                Ok(Reply::Now(ResponseFrame::new(head)))
            }
            Err(failure) => Ok(self.refuse(None, failure.why)),
        }
    }

    /// Looks at a client's message now, or, where the key is not there that its token is signed with, after the issuer was asked for it.
    /// Only this connection waits.
    fn once_keys_are_there(
        &self,
        message: Bytes,
        answer: impl FnOnce(&Gate<'_>) -> Result<Reply, String> + 'static,
    ) -> Result<Reply, String> {
        let is_oauth = with_session(self.connection, |session| {
            session.exchange().is_some_and(|(it, _)| it == Mechanism::OAuthBearer)
        });
        let oauth = if is_oauth { self.oauth() } else { None };
        let Some(fetched) = oauth.and_then(|oauth| oauth.wanted(&message, now_ms())) else {
            return answer(self);
        };
        let (broker, connection) = (self.broker.clone(), self.connection.clone());
        Ok(Reply::later(async move {
            fetched.await;
            let reply = match broker.authentication.listeners.load().get(connection.listener_name()) {
                Some(listener) => answer(&Gate { broker: &broker, connection: &connection, listener }),
                None => Err(NO_USERS.to_owned()),
            };
            match reply {
                Ok(Reply::Now(frame)) => Answer::Frame(frame),
                Ok(Reply::Later(refusal)) => refusal.await,
                Ok(Reply::None) => Answer::None,
                Ok(Reply::Pause(duration)) => Answer::Pause(duration),
                Ok(Reply::Close(why)) | Err(why) => Answer::Close(why),
            }
        }))
    }

    fn oauth(&self) -> Option<Arc<BearerTokens>> {
        self.broker.authentication.oauth.of(self.connection.listener_name())
    }

    fn token(&self, token: &[u8]) -> Result<Result<Progress, Failure>, String> {
        let mut random = [0; 18];
        getrandom::fill(&mut random).map_err(|why| format!("the system gives no random bytes: {why}"))?;
        let image = self.broker.image();
        let (secret, now_ms) = (&self.broker.authentication.shared.secret, now_ms());
        let tokens = self.broker.authentication.tokens();
        let oauth = self.oauth();
        let users =
            Users { listener: self.listener, image: &image, tokens, oauth: oauth.as_deref(), secret, now_ms };
        let max_reauth_ms = |mechanism| self.listener.max_reauth_ms.get(&mechanism).copied().unwrap_or(0);
        let (exchange, progress, user) = with_session(self.connection, |session| {
            let exchange = session.exchange();
            let progress = session.token(token, &users, &scram::nonce(random), max_reauth_ms, now_ms);
            (exchange, progress, session.user().map(str::to_owned))
        });
        self.count_exchange(exchange, &progress);
        if let (Ok(Progress::Complete { .. }), Some(user)) = (&progress, user) {
            crate::context::set_principal(self.connection, Principal::user(user.as_str()));
            self.connection.set_authenticated();
        }
        Ok(progress)
    }

    fn count_exchange(&self, exchange: Option<(Mechanism, bool)>, progress: &Result<Progress, Failure>) {
        let (mechanism, is_again) =
            exchange.map_or((None, false), |(mechanism, again)| (Some(mechanism), again));
        match (progress, is_again) {
            (Ok(Progress::Challenge(_)), _) => {}
            (Ok(Progress::Complete { .. }), false) => self.count(mechanism, Login::Successful),
            (Ok(Progress::Complete { .. }), true) => self.count(mechanism, Login::SuccessfulAgain),
            (Err(_), false) => self.count(mechanism, Login::Failed),
            (Err(_), true) => self.count(mechanism, Login::FailedAgain),
        }
    }

    fn count(&self, mechanism: Option<Mechanism>, login: Login) {
        self.broker.authentication.counts.add(self.connection.listener_name(), mechanism, login);
    }

    /// The answer to a failed authentication, held back as long as `connection.failed.authentication.delay.ms` says: whoever tries
    /// many passwords has to wait for each.
    fn refuse(&self, frame: Option<ResponseFrame>, why: String) -> Reply {
        let delay = self.broker.authentication.failure_delay;
        Reply::later(async move {
            tokio::time::sleep(delay).await;
            match frame {
                Some(frame) => Answer::Last(frame, why),
                None => Answer::Close(why),
            }
        })
    }
}

/// What an answer needs of its request's header.
struct Head {
    api_version: i16,
    correlation_id: i32,
}

fn read<R: Request>(frame: &Bytes, api: ApiKey) -> Result<(R, Head), String> {
    let broken = |why| format!("a broken {} request: {why}", api.name());
    let start = FrameStart::read(frame).map_err(broken)?;
    let (low, high) = crate::apis::versions(api);
    if !(low..=high).contains(&start.api_version) {
        return Err(format!("{} in version {}, which is not served", api.name(), start.api_version));
    }
    let (header, mut reader) = wire::read_header(frame.clone(), api, start.api_version).map_err(broken)?;
    let request = R::decode(&mut reader, start.api_version).map_err(broken)?;
    Ok((request, Head { api_version: start.api_version, correlation_id: header.correlation_id }))
}

fn encode<M: Message>(api: ApiKey, head: &Head, response: &M) -> Result<ResponseFrame, String> {
    wire::response_frame(api, head.api_version, head.correlation_id, response, Vec::new())
        .map_err(|why| format!("a {} response has no encoding: {why}", api.name()))
}
