//! The parameters of a query string, percent-decoded.

use std::str::FromStr;

use chrono::DateTime;
use chrono_tz::Tz;
use store::event::Timestamp;
use url::form_urlencoded;

use super::ApiError;

/// The parameters of a request. Each must be taken by name, so that one nobody knows is an error.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Those of a query string. Bytes that are no UTF-8 become U+FFFD.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        Self { pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect() }
    }

    /// All values of a parameter, in order.
    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        self.pairs.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect()
    }

    /// The value of a parameter, which may be given once.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.take_all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(ApiError::bad_request(format_args!("the parameter {name:?} is given more than once"))),
        }
    }

    /// The parameter's value as `parse` reads it, or `default`.
    pub(super) fn take_parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        default: T,
    ) -> Result<T, ApiError> {
        let Some(value) = self.take(name)? else { return Ok(default) };
        parse(&value).ok_or_else(|| {
            ApiError::bad_request(format_args!("the parameter {name:?} is {value:?}, not {expected}"))
        })
    }

    /// `zone`, an IANA time zone.
    pub(super) fn zone(&mut self, default: Tz) -> Result<Tz, ApiError> {
        self.take_parsed("zone", "a time zone such as Europe/Berlin", |zone| Tz::from_str(zone).ok(), default)
    }

    /// `format`: whether an object is wanted in place of a text.
    pub(super) fn is_json(&mut self) -> Result<bool, ApiError> {
        let parse = |format: &str| match format {
            "json" => Some(true),
            "text" => Some(false),
            _ => None,
        };
        self.take_parsed("format", "json or text", parse, true)
    }

    /// A moment in RFC 3339.
    pub(super) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let parse = |time: &str| {
            let time = DateTime::parse_from_rfc3339(time).ok()?;
            Some(Some(Timestamp::from_micros(time.timestamp_micros())))
        };
        self.take_parsed(name, "a time such as 2026-11-22T18:30:00Z", parse, None)
    }

    /// No parameter may be left.
    pub(super) fn end(self) -> Result<(), ApiError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(ApiError::bad_request(format_args!("there is no parameter {name:?} here")))
            }
        }
    }
}
