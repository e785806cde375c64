//! Reads collections together with their members, if the service offers that and does it correctly.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::walk::{Doc, Members, Walk};
use crate::quirks::{Noted, notice};
use crate::read::words::{MAX_LIST, number};
use muster_core::observed::FailureKind;

impl Walk<'_> {
    /// Requests a collection with its members; returns `None` if the reply is incomplete.
    ///
    /// After one reply that differs from what the service offers, this is not tried again.
    pub(super) async fn expanded(&self, uri: &str) -> Option<Members> {
        let asked = format!("{}?$expand=.($levels=1)", uri.trim_end_matches('/'));
        let members = match self.client.get(&asked).await {
            Ok(body) => self.inlined(body),
            // A dead link says nothing about how the service expands.
            Err(failure) if failure.kind == FailureKind::Missing => return None,
            Err(_) => None,
        };

        let Some(members) = members else {
            self.expands.store(false, Ordering::Relaxed);
            return None;
        };

        // A body that names another resource (NVIDIA BlueField) does not show the URI of its
        // request.
        let place = format!("{}/", uri.trim_end_matches('/').to_ascii_lowercase());
        let is_here = |doc: &Doc| doc.uri.to_ascii_lowercase().starts_with(&place);
        members.found.iter().all(is_here).then_some(members)
    }

    /// Extracts the members of an expanded collection; returns `None` if one is a mere link, or
    /// lacks a required property.
    fn inlined(&self, mut body: Value) -> Option<Members> {
        let Value::Array(list) = body.get_mut("Members")?.take() else { return None };
        let is_link = |member: &Value| member.as_object().is_some_and(|member| member.len() == 1);
        let has_next = || body.as_object().is_some_and(|body| body.keys().any(|key| key.ends_with("nextLink")));
        if list.len() > MAX_LIST || list.iter().any(is_link) || has_next() {
            return None;
        }

        // Every resource has these (DSP0266, section 9.6); a service that leaves them out leaves
        // out more.
        let is_whole = |member: &Value| {
            ["@odata.id", "@odata.type", "Id", "Name"].iter().all(|key| member.get(key).is_some_and(Value::is_string))
        };

        let is_counted = number(&body, "Members@odata.count").is_none_or(|count| count == list.len() as u64);
        if !is_counted || !list.iter().all(is_whole) {
            self.note(Noted::ExpandIncomplete);
            return None;
        }

        let mut members = Members::default();
        let mut known = BTreeSet::new();
        for member in list {
            let uri: Box<str> = member.get("@odata.id")?.as_str()?.into();
            // `/Systems/1` and `/Systems/1/` are one resource.
            if !known.insert(uri.trim_end_matches('/').to_owned()) {
                continue;
            }
            notice(&uri, &member, &mut self.notes().noted);
            members.found.push(Doc { uri, body: Arc::new(member) });
        }

        Some(members)
    }
}
