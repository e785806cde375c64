"""Two clients of other makers ask one simulated BMC; prints what they saw as JSON.

Arguments: the BMC's origin and the file of its CA. The user and the password come by stdin, a line each.
"""

import json
import sys
import time

import redfish
import sushy

origin, ca = sys.argv[1:]
user, password = sys.stdin.read().split()


def by_sushy():
    root = sushy.Sushy(origin, username=user, password=password, verify=ca)
    systems = root.get_system_collection().get_members()
    system = systems[0]
    nics = system.ethernet_interfaces.get_members()
    seen = {
        "version": root.redfish_version,
        "systems": [(each.identity, each.power_state.value, each.uuid) for each in systems],
        "memory_gib": system.memory_summary.size_gib,
        "macs": sorted(nic.mac_address.lower() for nic in nics),
        "managers": [each.manager_type.value for each in root.get_manager_collection().get_members()],
        "allowed": sorted(each.value for each in system.get_allowed_reset_system_values()),
    }
    system.set_system_boot_options(target=sushy.BOOT_SOURCE_TARGET_PXE, enabled=sushy.BOOT_SOURCE_ENABLED_ONCE)
    system.refresh()
    seen["boot"] = [system.boot.target.value, system.boot.enabled.value]
    system.reset_system(sushy.RESET_FORCE_OFF)
    for _ in range(600):
        system.refresh(force=True)
        if system.power_state == sushy.POWER_STATE_OFF:
            break
        time.sleep(0.05)
    seen["power"] = system.power_state.value
    try:
        sushy.Sushy(origin, username=user, password="wrong", verify=ca).get_system_collection()
        seen["wrong"] = "taken"
    except sushy.exceptions.AccessError as error:
        seen["wrong"] = error.status_code
    return seen


def by_redfish():
    client = redfish.redfish_client(base_url=origin, username=user, password=password, cafile=ca)
    client.login(auth="session")
    systems = client.get("/redfish/v1/Systems").dict
    first = client.get(systems["Members"][0]["@odata.id"])
    seen = {"count": systems["Members@odata.count"], "status": first.status, "power": first.dict["PowerState"]}
    client.logout()
    return seen


print(json.dumps({"sushy": by_sushy(), "redfish": by_redfish()}))
