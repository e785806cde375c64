//! Processors, memory modules and drives.

use serde_json::Value;

use super::words::{count, fact, flag, id, is_absent, number, told};
use crate::observed::{Drive, Memory, Processor};

/// What a Processor resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadProcessor {
    Cpu(Processor),
    /// A GPU, or what a service calls an accelerator.
    Gpu(Processor),
    /// Other accelerators: FPGAs, DSPs, DPUs.
    Other(Processor),
    /// An empty socket, or a core or thread of a processor.
    Nothing,
}

/// Reads one Processor.
pub fn processor(value: &Value, uri: &str) -> ReadProcessor {
    if is_absent(value) {
        return ReadProcessor::Nothing;
    }
    let part = Processor {
        id: id(value, uri),
        manufacturer: fact(value, "Manufacturer"),
        model: fact(value, "Model"),
        cores: count(value, "TotalCores"),
        threads: count(value, "TotalThreads"),
    };
    match told(value, "ProcessorType").unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "cpu" => ReadProcessor::Cpu(part),
        "gpu" | "accelerator" => ReadProcessor::Gpu(part),
        "core" | "thread" => ReadProcessor::Nothing,
        _ => ReadProcessor::Other(part),
    }
}

/// Reads one memory module; nothing where the slot is empty.
pub fn memory(value: &Value, uri: &str) -> Option<Memory> {
    let mib = number(value, "CapacityMiB");
    if is_absent(value) || mib == Some(0) {
        return None;
    }
    Some(Memory { id: id(value, uri), mib, part_number: fact(value, "PartNumber") })
}

/// Reads one drive; nothing where the bay is empty or another device than a drive sits in it.
pub fn drive(value: &Value, uri: &str) -> Option<Drive> {
    if is_absent(value) {
        return None;
    }
    let (bytes, media) = (number(value, "CapacityBytes").filter(|bytes| *bytes > 0), fact(value, "MediaType"));
    Some(Drive { id: id(value, uri), model: fact(value, "Model"), bytes, media })
}

/// Reads one of the Devices of a SimpleStorage, which have no Id; devices without a size are no drives.
pub fn device(value: &Value, number: usize) -> Option<Drive> {
    let bytes = self::number(value, "CapacityBytes").filter(|bytes| *bytes > 0);
    if is_absent(value) || bytes.is_none() || flag(value, "Removable") == Some(true) {
        return None;
    }
    let id = fact(value, "Name").unwrap_or_else(|| number.to_string().into());
    Some(Drive { id, model: fact(value, "Model"), bytes, media: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_processor_is_what_its_type_says() {
        let read = |value: Value| processor(&value, "/p/1");
        assert!(matches!(read(json!({})), ReadProcessor::Cpu(_)));
        assert!(matches!(read(json!({ "ProcessorType": "GPU" })), ReadProcessor::Gpu(_)));
        assert!(matches!(read(json!({ "ProcessorType": "FPGA" })), ReadProcessor::Other(_)));
        assert_eq!(read(json!({ "ProcessorType": "CPU", "Status": { "State": "Absent" } })), ReadProcessor::Nothing);
        let ReadProcessor::Cpu(cpu) = read(json!({ "Id": 1, "TotalCores": "64", "Model": "EPYC   " })) else {
            panic!()
        };
        assert_eq!((&*cpu.id, cpu.cores, cpu.model.as_deref()), ("1", Some(64), Some("EPYC")));
    }

    #[test]
    fn empty_slots_and_bays_are_nothing() {
        assert_eq!(memory(&json!({ "Status": { "State": "Absent" } }), "/m"), None);
        assert_eq!(memory(&json!({ "CapacityMiB": 0 }), "/m"), None);
        assert!(memory(&json!({ "CapacityMiB": "32768" }), "/m").is_some());
        assert_eq!(drive(&json!({ "Status": { "State": "Absent" } }), "/d"), None);
        assert_eq!(device(&json!({ "Name": "Bay 0" }), 0), None);
    }
}
