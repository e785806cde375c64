//! Sends one request through the gate, and repeats it after a transient failure.

use std::io::{self, Read as _};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Method, StatusCode};
use url::Url;

use super::answer::Answer;
use super::login::{Pass, TOKEN};
use super::{Inner, address, fault, http};
use muster_core::model::Quirk;
use muster_core::observed::{Failure, FailureKind};
use muster_core::pace::{End, Kind};

/// The number of repeats of one GET; a third failure of the same kind adds no information.
const AGAIN: u32 = 2;

/// A first reply that takes longer after a pause is slow; healthy services take under a second.
const SLOW: Duration = Duration::from_secs(5);

/// A request that can be sent repeatedly.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub method: Method,
    pub url: &'a Url,
    pub pass: &'a Pass,
    pub body: Option<Vec<u8>>,
}

impl Inner {
    /// Reads a URL, and repeats that after a transient failure.
    pub(super) async fn ask(&self, url: &Url, pass: &Pass) -> Result<Answer, Failure> {
        let mut again = 0;
        let mut is_fresh = false;
        loop {
            let request = Request { method: Method::GET, url, pass, body: None };
            let result = self.once(request, is_fresh).await;
            let may_pass = match &result {
                Ok(answer) => is_passing(answer.status),
                Err(failure) => failure.kind == FailureKind::Broken,
            };
            if !may_pass || again >= AGAIN || !self.takes_retry() {
                return result;
            }
            again += 1;
            is_fresh = result.is_err();
        }
    }

    /// Sends a request once and reads the complete reply.
    pub(super) async fn once(&self, request: Request<'_>, is_fresh: bool) -> Result<Answer, Failure> {
        let kind = if request.method == Method::GET { Kind::Read } else { Kind::Write };
        let is_fresh = is_fresh || self.habits().fresh;

        // Only the first request of a client is known to have a connection of its own.
        let may_be_idle = !is_fresh && self.has_answered.load(Relaxed);
        let permit = self.grounds.gate.enter(self.bmc, kind).await?;
        let began = tokio::time::Instant::now();
        let result = self.send(request, is_fresh).await;
        if may_be_idle {
            self.pooled.fetch_add(1, Relaxed);
        }

        match &result {
            Ok(answer) => {
                if !self.has_answered.swap(true, Relaxed) && began.elapsed() > SLOW {
                    self.note(Quirk::SlowFirstAnswer);
                }
                let busy = End::Busy { after: answer.retry_after };
                permit.end(if is_passing(answer.status) { busy } else { End::Answered }, None);
            }
            Err(failure) => {
                let end = match failure.kind {
                    FailureKind::Broken if may_be_idle => {
                        self.broke();
                        End::Unknown
                    }
                    FailureKind::Refused | FailureKind::Unreachable | FailureKind::TimedOut | FailureKind::Broken => {
                        End::Dead
                    }
                    _ => End::Answered,
                };
                permit.end(end, Some(failure.kind).filter(|_| end == End::Dead));
            }
        }

        result
    }

    /// Counts a connection that broke on reuse; if many do, every request gets its own.
    fn broke(&self) {
        let (broken, pooled) = (self.broken.fetch_add(1, Relaxed) + 1, self.pooled.load(Relaxed));
        if broken >= 2 && broken * 4 >= pooled {
            self.note(Quirk::NoKeepAlive);
            self.grounds.learn(self.bmc, |habits| habits.fresh = true);
        }
    }

    fn takes_retry(&self) -> bool {
        self.retries.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    async fn send(&self, request: Request<'_>, is_fresh: bool) -> Result<Answer, Failure> {
        let what = format!("{} {}", request.method, address::shown(request.url));
        let failed = |error: reqwest::Error| fault::failure(&what, &error);
        let http = if is_fresh { self.fresh()? } else { &self.http };
        let mut headers = HeaderMap::new();
        if is_fresh {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }

        if self.habits().gzip {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
        }

        match request.pass {
            Pass::None => {}
            Pass::Basic(value) => {
                headers.insert(AUTHORIZATION, value.clone());
            }
            Pass::Session(session) => {
                headers.insert(TOKEN, session.token.clone());
            }
        }

        let most = if request.url.query().is_some_and(|query| query.contains("$expand")) {
            self.grounds.options.max_expanded
        } else {
            self.grounds.options.max_body
        };

        let left = self.bytes.load(Relaxed);
        if left == 0 {
            return Err(Failure::new(FailureKind::TooLarge, format!("{what}: {}", self.all_read())));
        }
        let limit = most.min(left);
        let mut builder = http.request(request.method, request.url.clone()).headers(headers);
        builder = builder.timeout(self.grounds.options.request_timeout);

        if let Some(body) = request.body {
            builder = builder.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        }
        let response = builder.send().await.map_err(failed)?;
        if let Some(time) = response.headers().get(DATE).and_then(|value| http_date(value.to_str().ok()?)) {
            self.clock.store(time, Relaxed);
        }

        let read = whole(response, limit, &what).await;

        // A reply that was too large was read up to its limit.
        let spent = read.as_ref().map_or(limit, |answer| answer.body.len());
        let counts = match &read {
            Ok(_) => true,
            Err(failure) => failure.kind == FailureKind::TooLarge,
        };

        if counts {
            // The closure always returns a value, so this cannot fail.
            let _ = self.bytes.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(spent)));
        }

        if limit < most && matches!(&read, Err(failure) if failure.kind == FailureKind::TooLarge) {
            return Err(Failure::new(FailureKind::TooLarge, format!("{what}: {}", self.all_read())));
        }
        read
    }

    fn all_read(&self) -> String {
        format!("its answers together are larger than {} MiB", self.grounds.options.max_total >> 20)
    }

    fn fresh(&self) -> Result<&reqwest::Client, Failure> {
        if let Some(fresh) = self.fresh.get() {
            return Ok(fresh);
        }
        let made = http(&self.grounds, self.rule, false)?;
        Ok(self.fresh.get_or_init(|| made))
    }
}

/// Parses the date of a reply (RFC 9110, section 5.6.7) into Unix milliseconds; obsolete formats
/// are not supported.
fn http_date(text: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(time.as_millisecond())
}

/// Reads a reply to its end, but not beyond the limit.
async fn whole(mut response: reqwest::Response, limit: usize, what: &str) -> Result<Answer, Failure> {
    let too_large = || {
        let why = format!("{what}: the answer is larger than {} MiB", limit >> 20);
        Err(Failure::new(FailureKind::TooLarge, why))
    };

    let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut answer = Answer {
        status: response.status(),
        location: text(LOCATION.as_str()).map(str::to_owned),
        token: text(TOKEN).map(str::to_owned),
        retry_after: text(RETRY_AFTER.as_str())
            .and_then(|text| text.trim().parse::<u64>().ok())
            .map(|s| s.saturating_mul(1000)),
        body: Vec::new(),
    };

    let is_gzip = text(CONTENT_ENCODING.as_str()).is_some_and(|coding| coding.to_ascii_lowercase().contains("gzip"));
    let told = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if told > limit {
        return too_large();
    }
    answer.body.reserve_exact(told);

    while let Some(chunk) = response.chunk().await.map_err(|error| fault::failure(what, &error))? {
        if answer.body.len() + chunk.len() > limit {
            return too_large();
        }
        answer.body.extend_from_slice(&chunk);
    }

    if is_gzip {
        answer.body = inflated(&answer.body, limit).map_err(|error| {
            Failure::new(FailureKind::Malformed, format!("{what}: the answer is no sound gzip: {error}"))
        })?;
        if answer.body.len() > limit {
            return too_large();
        }
    }

    Ok(answer)
}

/// Decompresses gzip up to one byte more than the limit.
fn inflated(body: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(most).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Returns whether a status may change soon.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
