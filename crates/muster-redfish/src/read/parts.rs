//! Parses processors, memory modules and drives.

use serde_json::Value;

use super::words::{count, fact, flag, id, is_absent, number, told};
use muster_core::model::Arch;
use muster_core::observed::{Drive, Memory, Processor};

/// The kind of a Processor resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadProcessor {
    Cpu(Processor),
    /// A GPU, or a processor that the service calls an accelerator.
    Gpu(Processor),
    /// Other accelerators: FPGAs, DSPs, DPUs.
    Other(Processor),
    /// An empty socket, or a core or thread of a processor.
    Nothing,
}

/// Parses one Processor.
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
        arch: arch(value),
    };

    match told(value, "ProcessorType").unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "cpu" => ReadProcessor::Cpu(part),
        "gpu" | "accelerator" => ReadProcessor::Gpu(part),
        "core" | "thread" => ReadProcessor::Nothing,
        _ => ReadProcessor::Other(part),
    }
}

/// Returns the architecture of a processor (DSP0268, Processor): its instruction set, else its
/// architecture property.
///
/// ARM servers run 64-bit kernels even if they support others; x86 has been 64-bit since long
/// before Redfish.
fn arch(value: &Value) -> Option<Box<str>> {
    let named = fact(value, "InstructionSet").or_else(|| fact(value, "ProcessorArchitecture"))?;
    let known = match named.to_ascii_lowercase().as_str() {
        "x86-64" | "x86" | "x86_64" => Arch::X86_64,
        "arm-a64" | "arm" | "aarch64" | "arm64" => Arch::Aarch64,
        "oem" => return None,
        _ => return Some(named),
    };
    Some(known.as_str().into())
}

/// Words in the names of GPUs and similar devices only, without the digits at their ends.
const GPU_WORDS: [&str; 8] = ["gpu", "gaudi", "instinct", "tesla", "quadro", "radeon", "rtx", "geforce"];

/// Models of GPUs, as a word of the device's model or name.
const GPU_MODELS: [&str; 31] = [
    "v100", "a100", "a30", "a40", "a10", "a16", "h100", "h200", "h800", "h20", "gh200", "b100", "b200", "b300",
    "gb200", "gb300", "l4", "l40", "l40s", "t4", "p100", "mi100", "mi210", "mi250", "mi250x", "mi300a", "mi300x",
    "mi325x", "mi350x", "mi355x", "pvc",
];

/// Words of devices that are related to GPUs but are not GPUs.
const NOT_GPUS: [&str; 12] = [
    "board",
    "baseboard",
    "tray",
    "riser",
    "switch",
    "nvswitch",
    "bridge",
    "retimer",
    "nic",
    "connectx",
    "bluefield",
    "cable",
];

/// Returns whether a PCIe device is a GPU, if that can be determined.
///
/// `functions` are its PCIeFunctions, as far as they were read: their class decides (PCI Code and
/// ID Assignment: 0302h is a 3D controller, 12h a processing accelerator). A BMC's own VGA is a
/// display controller too.
pub fn is_gpu(device: &Value, functions: &[Value]) -> Option<bool> {
    if is_absent(device) {
        return Some(false);
    }
    let by_class = functions.iter().chain([device]).find_map(class);
    let texts = ["Id", "Name", "Model", "Description", "DeviceType", "Manufacturer"];

    let words: Vec<String> = texts
        .iter()
        .filter_map(|key| told(device, key))
        .flat_map(|text| {
            text.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();

    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let is_named = words.iter().any(|word| GPU_WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())))
        || has(&GPU_MODELS);

    match by_class {
        Some(Class::Accelerator) => Some(true),
        Some(Class::Other) => Some(false),
        Some(Class::Display) => Some(!has(&["aspeed", "matrox", "ast2500", "ast2600", "g200eh", "g200"])),
        None if has(&NOT_GPUS) => Some(false),
        None if is_named => Some(true),
        None => None,
    }
}

/// Returns whether a PCIe device may be a GPU by its manufacturer, so that its functions are worth
/// reading.
pub fn may_be_gpu(device: &Value) -> bool {
    let maker = told(device, "Manufacturer").unwrap_or_default().to_ascii_lowercase();
    ["nvidia", "amd", "advanced micro", "intel", "habana"].iter().any(|name| maker.contains(name))
}

enum Class {
    Accelerator,
    Display,
    Other,
}

fn class(value: &Value) -> Option<Class> {
    let code = told(value, "ClassCode").map(|code| code.to_ascii_lowercase());
    let code = code.as_deref().map(|code| code.trim_start_matches("0x").trim_end_matches('h'));
    if let Some(code) = code.filter(|code| code.len() >= 4 && code.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Some(match &code[..4] {
            "0302" => Class::Accelerator,
            start if start.starts_with("12") => Class::Accelerator,
            start if start.starts_with("03") => Class::Display,
            _ => Class::Other,
        });
    }

    match told(value, "DeviceClass")?.as_ref() {
        "ProcessingAccelerators" => Some(Class::Accelerator),
        "DisplayController" => Some(Class::Display),
        "UnassignedClass" | "Other" => None,
        _ => Some(Class::Other),
    }
}

/// Parses a PCIe device that is a GPU.
pub fn gpu(value: &Value, uri: &str) -> Processor {
    Processor {
        id: id(value, uri),
        manufacturer: fact(value, "Manufacturer"),
        model: fact(value, "Model"),
        ..Processor::default()
    }
}

/// Parses one memory module; returns `None` for an empty slot.
pub fn memory(value: &Value, uri: &str) -> Option<Memory> {
    let mib = number(value, "CapacityMiB");
    if is_absent(value) || mib == Some(0) {
        return None;
    }
    Some(Memory { id: id(value, uri), mib, part_number: fact(value, "PartNumber") })
}

/// Parses one drive; returns `None` if the bay is empty or holds another device.
pub fn drive(value: &Value, uri: &str) -> Option<Drive> {
    if is_absent(value) {
        return None;
    }
    // HPE's SmartStorage counts in GB or MiB.
    let scaled = |key, factor: u64| number(value, key).and_then(|number| number.checked_mul(factor));
    let bytes = number(value, "CapacityBytes")
        .or_else(|| scaled("CapacityMiB", 1 << 20))
        .or_else(|| scaled("CapacityGB", 1_000_000_000));
    let (bytes, media) = (bytes.filter(|bytes| *bytes > 0), fact(value, "MediaType"));
    Some(Drive { id: id(value, uri), model: fact(value, "Model"), bytes, media })
}

/// Parses one of the Devices of a SimpleStorage, which have no Id; devices without a size are not
/// drives.
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
    fn an_architecture_is_what_the_kernel_calls_it() {
        let arch = |value: Value| super::arch(&value);
        let set = |set: &str, arch: &str| json!({ "InstructionSet": set, "ProcessorArchitecture": arch });
        assert_eq!(arch(set("ARM-A64", "ARM")).as_deref(), Some("aarch64"));
        assert_eq!(arch(set("x86-64", "x86")).as_deref(), Some("x86_64"));
        assert_eq!(arch(json!({ "ProcessorArchitecture": "ARM" })).as_deref(), Some("aarch64"));
        assert_eq!(arch(json!({ "ProcessorArchitecture": "Power", "InstructionSet": null })).as_deref(), Some("Power"));
        assert_eq!(arch(json!({ "ProcessorArchitecture": "OEM" })), None);
    }

    #[test]
    fn a_gpu_is_told_from_what_is_beside_it() {
        let device = |id: &str, maker: &str, model: &str| json!({ "Id": id, "Manufacturer": maker, "Model": model });
        for gpu in [
            device("GPU1", "", "H100 80GB HBM3"),
            device("PCIe_Slot_3", "NVIDIA Corporation", "NVIDIA A100-SXM4-80GB"),
            device("8", "AMD", "Instinct MI300X"),
            json!({ "Id": "DE07A000", "DeviceType": "GPU" }),
        ] {
            assert_eq!(is_gpu(&gpu, &[]), Some(true), "{gpu}");
        }

        for other in [
            device("GPU_Baseboard_1", "NVIDIA", ""),
            device("1", "NVIDIA", "ConnectX-7"),
            json!({ "Id": "GPU2", "Status": { "State": "Absent" } }),
        ] {
            assert_eq!(is_gpu(&other, &[]), Some(false), "{other}");
        }

        let unnamed = device("236-0", "NVIDIA Corporation", "");
        assert_eq!(is_gpu(&unnamed, &[]), None);
        assert_eq!(is_gpu(&unnamed, &[json!({ "ClassCode": "0x030200" })]), Some(true));
        assert_eq!(is_gpu(&unnamed, &[json!({ "DeviceClass": "NetworkController" })]), Some(false));
        let vga = device("3-0", "ASPEED Technology", "ASPEED Graphics Family");

        assert_eq!(is_gpu(&vga, &[json!({ "ClassCode": "0x030000" })]), Some(false));
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
