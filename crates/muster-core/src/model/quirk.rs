//! The oddities of BMCs that bear on reading them, by name.
//!
//! What tells that one applies stands in the redfish room; what one looks like, in the simulate room. They share the names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! quirks {
    ($($variant:ident, $name:literal, $source:literal, $means:literal;)*) => {
        /// One deviation of a BMC from the standard or from the expectations of clients.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Quirk {
            $(#[doc = $means] $variant,)*
        }

        impl Quirk {
            /// Every quirk.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns where it was reported or seen.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$variant => $source),* }
            }

            /// Says what it means, in one sentence.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Self::$variant => $means),* }
            }
        }
    };
}

quirks! {
    BootSettingsResource, "boot-settings-resource", "DMTF/Redfish-Tacklebox#144; sushy use-settingsobject-if-supported",
        "Boot settings are staged in a separate settings resource.";
    CompositeBootOrder, "composite-boot-order", "nv-redfish quirk table (Vera Rubin)",
        "Entries of BootOrder carry the display name behind the reference.";
    NoBootOverride, "no-boot-override", "ibm-openbmc/dev#3277; HPE Cray EX nC mockup",
        "The System has no boot source override at all.";
    NicsVanishInPost, "nics-vanish-in-post", "NVIDIA infra-controller#3365",
        "Interfaces drop out of the inventory while the machine is in POST.";
    NoKeepAlive, "no-keep-alive", "sushy disable-conn-pooling",
        "A second request on one connection fails.";
    NoIdentityEncoding, "no-identity-encoding", "sushy connector (HPE Gen10+)",
        "A request that accepts only plain content is refused with 406.";
    TrailingSlash, "trailing-slash", "MAAS redfish driver; HPE DL385 mockup",
        "Links end in a slash, or the service redirects to a form with one.";
    WrongCase, "wrong-case", "HPE DL385 Gen10+ and DL380a mockups",
        "Links are written in another case than the resource has.";
    ExpandDropsFields, "expand-drops-fields", "nv-redfish quirk table (AMI, DGX H100, GB300)",
        "$expand leaves out required fields, so members are read one by one.";
    FewSessions, "few-sessions", "stmcginnis/gofish#75; bb-Ricardo/check_redfish#89",
        "The pool of sessions is small, and a full one locks everyone out.";
    SessionDeleteRefused, "session-delete-refused", "HewlettPackard/python-ilorest-library#45",
        "Ending a session is answered with 405.";
    SessionDropped, "session-dropped", "bb-Ricardo/check_redfish#90 (iDRAC 7/8)",
        "A session ends in the middle of its life, and the next request is answered with 401.";
    PasswordChange, "password-change", "NVIDIA infra-controller#2764, #2858",
        "Nothing but changing the factory password is allowed.";
    EnumDisplayNames, "enum-display-names", "gofish attribute registry test (iDRAC)",
        "BIOS values read back as display names, not as the registry's values.";
    SecureBootFails, "secure-boot-fails", "ironic redfish-500",
        "SecureBoot answers 500 while it is being configured.";
    Unlicensed, "unlicensed", "bb-Ricardo/check_redfish#74 (Supermicro)",
        "Some resources are answered only with a paid licence.";
    ResetByActionInfo, "reset-by-action-info", "hms-smd Redfish code (AMI)",
        "The allowed reset types are in an ActionInfo resource.";
    EmptyMac, "empty-mac", "sushy skip-empty-mac-address; HPE Cray EX4252 mockup",
        "MAC addresses are empty or a text such as \"Not Available\".";
    EmptyUuid, "empty-uuid", "nv-redfish quirk table; HPE Cray EX4252 mockup",
        "The UUID is empty or missing.";
    NullMembers, "null-members", "nv-redfish quirk table",
        "A collection's Members is null or missing.";
    ObjectExtendedInfo, "object-extended-info", "sushy fix-extended-info-error-handling",
        "The ExtendedInfo of an error is an object, not a list.";
    OddDates, "odd-dates", "nv-redfish quirk table",
        "Dates are impossible, such as 0000-00-00T00:00:00.";
    TagInSku, "tag-in-sku", "ironic idrac-redfish-sku (Dell)",
        "The SKU holds the service tag, and SerialNumber the board's number.";
    NoEthernetInterfaces, "no-ethernet-interfaces", "hms-smd Redfish code (Intel S2600BPB); NVIDIA GH200 mockup",
        "The System reports no Ethernet interfaces.";
    MacsInBootOptions, "macs-in-boot-options", "NVIDIA GH200 mockup",
        "The host's MAC addresses are only in the device paths of boot options.";
    MacsUnderAdapters, "macs-under-adapters", "Lenovo SR670 V2 mockup (XCC 1.40)",
        "The host's MAC addresses are only under the network adapters of the chassis.";
    HostUsbNic, "host-usb-nic", "Lenovo SR670 V2 mockup; IBM, Dell OS passthrough",
        "An interface of the System is the USB link between host and BMC.";
    DuplicateNics, "duplicate-nics", "Gigabyte H262 and DMTF public-rackmount1 mockups",
        "Several interfaces report the same MAC address.";
    WrongOdataId, "wrong-odata-id", "NVIDIA BlueField mockup",
        "A resource's @odata.id names another resource.";
    WrongWhileOff, "wrong-while-off", "hms-smd Redfish code (Foxconn Paradise, BlueField)",
        "Fields are wrong or missing while the host is off.";
    DeadMembers, "dead-members", "nv-redfish quirk table (DGX); Gigabyte H262 mockup",
        "A collection links to members that are not there.";
    BaseboardSystem, "baseboard-system", "NVIDIA DGX H100 and GH200 mockups",
        "A GPU baseboard or a switch tray poses as a System.";
    PlaceholderIdentity, "placeholder-identity", "Supermicro X10 mockup",
        "Serial numbers or SKUs are blanks or \"To be filled by O.E.M.\".";
    SharedSerial, "shared-serial", "HPE Cray EX4252 mockup",
        "Several Systems of one BMC have the same serial number.";
    SchemalessTargets, "schemaless-targets", "Supermicro X10 mockup",
        "Boot targets are not those of the schema.";
    NumbersAsText, "numbers-as-text", "nv-redfish probe",
        "Numbers are written as text.";
    SlowFirstAnswer, "slow-first-answer", "hms-smd Redfish code; sushy-tools with libvirt",
        "The first answer after a pause takes many seconds.";
    InvalidJson, "invalid-json", "MAAS redfish driver",
        "Some answers are no valid JSON.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire_and_each_its_own() {
        let mut names: Vec<&str> = Quirk::ALL.iter().map(|quirk| quirk.name()).collect();
        for quirk in Quirk::ALL {
            assert_eq!(serde_json::to_value(quirk).unwrap(), quirk.name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Quirk::ALL.len());
    }
}
