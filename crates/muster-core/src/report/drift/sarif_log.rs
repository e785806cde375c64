//! The part of SARIF 2.1.0 that is written (OASIS, sarif-v2.1.0-errata01); names and shapes are the standard's.

use serde::Serialize;
use std::collections::BTreeMap;

/// A log file (section 3.13).
#[derive(Serialize)]
pub struct Log {
    #[serde(rename = "$schema")]
    pub schema: &'static str,
    pub version: &'static str,
    pub runs: [Run; 1],
}

/// A run of a tool (section 3.14).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub tool: Tool,
    pub automation_details: AutomationDetails,
    pub invocations: [Invocation; 1],
    pub original_uri_base_ids: BTreeMap<&'static str, BaseLocation>,
    pub column_kind: &'static str,
    pub results: Vec<Finding>,
}

/// A tool (section 3.18).
#[derive(Serialize)]
pub struct Tool {
    pub driver: Driver,
}

/// A component of a tool (section 3.19).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Driver {
    pub name: &'static str,
    pub semantic_version: &'static str,
    pub rules: Vec<Rule>,
}

/// A reporting descriptor (section 3.49).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub id: String,
    pub name: String,
    pub short_description: Message,
    pub full_description: Message,
    pub help: Message,
}

/// What groups the runs that supersede each other (section 3.17).
#[derive(Serialize)]
pub struct AutomationDetails {
    pub id: String,
}

/// How the tool ran (section 3.20).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    pub execution_successful: bool,
    pub end_time_utc: String,
    pub tool_execution_notifications: Vec<Notification>,
}

/// A word of the tool about its run (section 3.58).
#[derive(Serialize)]
pub struct Notification {
    pub level: &'static str,
    pub message: Message,
    pub locations: Vec<Location>,
}

/// An artifact location that has no address of its own (section 3.4).
#[derive(Serialize)]
pub struct BaseLocation {
    pub description: Message,
}

/// A message (section 3.11).
#[derive(Serialize)]
pub struct Message {
    pub text: String,
}

/// A result (section 3.27).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub rule_id: String,
    pub rule_index: usize,
    pub level: &'static str,
    pub message: Message,
    pub locations: [Location; 1],
    pub partial_fingerprints: BTreeMap<&'static str, String>,
    /// Empty where nothing is excused: the standard wants it on all results or none (section 3.27.23).
    pub suppressions: Vec<Suppression>,
}

/// Why a result does not count (section 3.35).
#[derive(Serialize)]
pub struct Suppression {
    pub kind: &'static str,
    pub status: &'static str,
    pub justification: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// A location (section 3.28).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    pub physical_location: PhysicalLocation,
}

/// A physical location (section 3.29).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalLocation {
    pub artifact_location: ArtifactLocation,
    pub region: Region,
}

/// A file (section 3.4).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactLocation {
    pub uri: String,
    pub uri_base_id: &'static str,
}

/// A part of a file (section 3.30); the end column is exclusive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Region {
    pub start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
}
