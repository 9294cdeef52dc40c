//! A token endpoint over HTTP (`HttpJwtRetriever`).

use std::time::Duration;

use ottla_http::{HttpClient, Request};
use ottla_security::jwt::Retries;

use super::assertion::Assertion;
use super::grant::{Grant, token_of};
use super::{RawToken, TokenError, TokenFuture, TokenSource};
use crate::clock::unix_ms;

/// Asks a token endpoint.
#[derive(Debug)]
pub struct HttpSource {
    /// The endpoint.
    pub client: HttpClient,
    /// What it is asked with.
    pub grant: Grant,
    /// What goes with that.
    pub assertion: Option<Assertion>,
    /// `sasl.login.retry.backoff.ms`
    pub backoff_ms: i64,
    /// `sasl.login.retry.backoff.max.ms`: also how long attempts go on.
    pub backoff_max_ms: i64,
}

impl TokenSource for HttpSource {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(self.attempts())
    }
}

impl HttpSource {
    async fn attempts(&self) -> Result<RawToken, TokenError> {
        let assertion = match &self.assertion {
            Some(assertion) => assertion.make().await?,
            None => String::new(),
        };
        let form = self.grant.form(&assertion);
        let mut retries = Retries::new(self.backoff_ms, self.backoff_max_ms, unix_ms());
        loop {
            let why = match self.attempt(form.clone()).await {
                Err(TokenError::Failed(why)) => why,
                decided => return decided,
            };
            let Some(pause_ms) = retries.failed(unix_ms()) else { return Err(TokenError::Failed(why)) };
            tracing::debug!(url = %self.client.url(), why, pause_ms, "a token is asked for again");
            tokio::time::sleep(Duration::from_millis(pause_ms.unsigned_abs())).await;
        }
    }

    async fn attempt(&self, form: String) -> Result<RawToken, TokenError> {
        let mut request = Request::post(form)
            .header("Accept", "application/json")
            .header("Cache-Control", "no-cache")
            .header("Content-Type", "application/x-www-form-urlencoded");
        if let Some(authorization) = self.grant.authorization() {
            request = request.header("Authorization", authorization);
        }
        let answer = self.client.send(request).await.map_err(|why| {
            TokenError::Failed(format!("the token endpoint {} gives no answer: {why}", self.client.url()))
        })?;
        token_of(answer.status, &answer.body)
    }
}
