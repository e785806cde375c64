//! The models of machines: the appearance and the quirks of each vendor's BMC.

use std::fmt;
use std::str::FromStr;

use super::quirks::Quirks;
use muster_core::model::Quirk;

/// A model of machine and BMC, based on a real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// Conforms to the standard, without quirks.
    Generic,
    /// Dell PowerEdge with iDRAC9.
    Idrac,
    /// HPE ProLiant with iLO 5 or 6.
    Ilo,
    /// AMI MegaRAC, as in Gigabyte and DGX machines.
    Ami,
    /// HPE Cray EX: several nodes behind one controller.
    Cray,
    /// OpenBMC's bmcweb.
    Openbmc,
    /// Supermicro X10, Redfish 1.0.1.
    Supermicro,
    /// NVIDIA GH200.
    Gh200,
    /// Lenovo ThinkSystem with XCC.
    Lenovo,
}

/// The names in a model's resources.
#[derive(Debug)]
pub struct Words {
    pub vendor: &'static str,
    pub product: &'static str,
    pub redfish: &'static str,
    pub manufacturer: &'static str,
    pub model: &'static str,
    pub system: &'static str,
    pub chassis: &'static str,
    pub manager: &'static str,
    pub manager_model: &'static str,
    pub bios_version: &'static str,
    /// The prefix of an interface's Id, before its number.
    pub nic: &'static str,
    pub cpu: &'static str,
}

macro_rules! words {
    ($vendor:literal $product:literal $redfish:literal $manufacturer:literal $model:literal $system:literal $chassis:literal
     $manager:literal $manager_model:literal $bios:literal $nic:literal $cpu:literal) => {
        Words {
            vendor: $vendor,
            product: $product,
            redfish: $redfish,
            manufacturer: $manufacturer,
            model: $model,
            system: $system,
            chassis: $chassis,
            manager: $manager,
            manager_model: $manager_model,
            bios_version: $bios,
            nic: $nic,
            cpu: $cpu,
        }
    };
}

static GENERIC: Words = words!("Contoso" "Contoso BMC" "1.15.0" "Contoso" "CX 2100" "1" "1" "BMC" "Contoso BMC 2"
    "2.4.1" "" "AMD EPYC 9354 32-Core Processor");
static IDRAC: Words = words!("Dell" "Integrated Dell Remote Access Controller" "1.17.0" "Dell Inc." "PowerEdge R750"
    "System.Embedded.1" "System.Embedded.1" "iDRAC.Embedded.1" "15G Monolithic" "1.12.2" "NIC.Embedded."
    "Intel(R) Xeon(R) Gold 6346 CPU @ 3.10GHz");
static ILO: Words = words!("HPE" "ProLiant DL385 Gen10 Plus v2" "1.13.0" "HPE" "ProLiant DL385 Gen10 Plus v2" "1" "1" "1"
    "iLO 5" "A42 v2.84 (05/17/2023)" "" "AMD EPYC 7543 32-Core Processor");
static AMI: Words = words!("AMI" "AMI Redfish Server" "1.11.0" "GIGABYTE" "R282-Z93" "Self" "Self" "Self" "AST2500" "M12"
    "" "AMD EPYC 7543 32-Core Processor");
static CRAY: Words = words!("HPE Cray" "EX" "1.2.0" "HPE" "HPE EX4252" "Node0" "Enclosure" "BMC" "nC"
    "ex4252.bios-1.3.0" "HPCNet" "AMD EPYC 9654 96-Core Processor");
static OPENBMC: Words = words!("OpenBMC" "OpenBMC" "1.17.0" "IBM" "9105-22A" "system" "chassis" "bmc" "OpenBmc"
    "fw1050.00" "eth" "POWER10");
static SUPERMICRO: Words = words!("Super Micro" "SMC Redfish" "1.0.1" "Supermicro" "Super Server" "1" "1" "1" "ASPEED"
    "3.4" "" "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz");
static GH200: Words = words!("NVIDIA" "GH200" "1.17.0" "NVIDIA" "GH200 P4352" "System_0" "BMC_0" "BMC_0" "AST2600"
    "02.02.03" "eth" "Grace A02");
static LENOVO: Words = words!("Lenovo" "Lenovo XClarity Controller" "1.14.0" "Lenovo" "ThinkSystem SR670 V2" "1" "1" "1"
    "Lenovo XClarity Controller" "U8E126J-1.40" "NIC" "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz");

impl Model {
    /// Every model.
    pub const ALL: [Self; 9] = [
        Self::Generic,
        Self::Idrac,
        Self::Ilo,
        Self::Ami,
        Self::Cray,
        Self::Openbmc,
        Self::Supermicro,
        Self::Gh200,
        Self::Lenovo,
    ];

    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Idrac => "idrac",
            Self::Ilo => "ilo",
            Self::Ami => "ami",
            Self::Cray => "cray",
            Self::Openbmc => "openbmc",
            Self::Supermicro => "supermicro",
            Self::Gh200 => "gh200",
            Self::Lenovo => "lenovo",
        }
    }

    /// Returns the quirks of the model.
    #[must_use]
    pub const fn quirks(self) -> Quirks {
        use Quirk as Q;
        Quirks::of(match self {
            Self::Generic | Self::Openbmc => &[],
            Self::Idrac => &[Q::TagInSku, Q::HostUsbNic, Q::EnumDisplayNames, Q::FewSessions],
            Self::Ilo => &[Q::TrailingSlash, Q::WrongCase, Q::NoIdentityEncoding],
            Self::Ami => {
                &[Q::BootSettingsResource, Q::ResetByActionInfo, Q::DeadMembers, Q::ExpandDropsFields, Q::DuplicateNics]
            }
            Self::Cray => &[Q::NoBootOverride, Q::EmptyMac, Q::EmptyUuid, Q::ResetByActionInfo],
            Self::Supermicro => &[Q::PlaceholderIdentity, Q::SchemalessTargets, Q::Unlicensed],
            Self::Gh200 => &[Q::NoEthernetInterfaces, Q::MacsInBootOptions, Q::BaseboardSystem],
            Self::Lenovo => &[Q::MacsUnderAdapters, Q::HostUsbNic],
        })
    }

    pub(super) const fn words(self) -> &'static Words {
        match self {
            Self::Generic => &GENERIC,
            Self::Idrac => &IDRAC,
            Self::Ilo => &ILO,
            Self::Ami => &AMI,
            Self::Cray => &CRAY,
            Self::Openbmc => &OPENBMC,
            Self::Supermicro => &SUPERMICRO,
            Self::Gh200 => &GH200,
            Self::Lenovo => &LENOVO,
        }
    }

    /// Returns whether a PATCH must carry If-Match (stmcginnis/gofish#171,
    /// community.general#11261).
    pub(super) const fn wants_if_match(self) -> bool {
        matches!(self, Self::Ami | Self::Lenovo)
    }

    /// Returns whether its ETags are weak.
    pub(super) const fn weak_etags(self) -> bool {
        matches!(self, Self::Cray | Self::Ilo)
    }

    /// Returns whether interfaces report their permanent address (absent on the HPE and Gigabyte
    /// mockups).
    pub(super) const fn tells_permanent_mac(self) -> bool {
        !matches!(self, Self::Ilo | Self::Ami)
    }

    /// Returns whether it supports `$expand`.
    pub(super) const fn expands(self) -> bool {
        !matches!(self, Self::Cray | Self::Supermicro)
    }

    /// Returns an interface's Id.
    pub(super) fn nic_id(self, number: usize) -> String {
        let words = self.words();
        match self {
            Self::Idrac => format!("{}{}-{}-1", words.nic, 1 + (number - 1) / 2, 1 + (number - 1) % 2),
            Self::Cray | Self::Openbmc | Self::Gh200 => format!("{}{}", words.nic, number - 1),
            Self::Generic | Self::Ilo | Self::Ami | Self::Supermicro | Self::Lenovo => format!("{}{number}", words.nic),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The shares of the models in a fleet, as weights: `generic=70,ilo=30`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix(Vec<(Model, u32)>);

/// The error for text that is not a mix of models.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no model with a weight, such as `generic=70`; models are generic, idrac, ilo, ami, cray, openbmc, supermicro, gh200, lenovo"
)]
pub struct MixError(String);

impl Mix {
    /// Selects a model by a number.
    #[must_use]
    pub fn choose(&self, number: u64) -> Model {
        let all: u64 = self.0.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = number % all;
        for (model, weight) in &self.0 {
            match at.checked_sub(u64::from(*weight)) {
                Some(rest) => at = rest,
                None => return *model,
            }
        }
        unreachable!("the remainder is below the sum of the weights")
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self(vec![(Model::Generic, 1)])
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut all = Vec::new();
        for part in text.split(',') {
            let error = || MixError(part.to_owned());
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let model = Model::ALL.into_iter().find(|model| model.name() == name.trim()).ok_or_else(error)?;
            all.push((model, weight.trim().parse().map_err(|_| error())?));
        }
        if all.iter().all(|(_, weight)| *weight == 0) {
            return Err(MixError(text.to_owned()));
        }
        Ok(Self(all))
    }
}
