# SPDX-License-Identifier: Apache-2.0
"""
What `understudy-agent selftest` compares a host with: one line of JSON for each cmdlet of the scripts' list, each
enumeration the driver reads by name, and each kind of object it reads. check.py sees to it that the file is this.
usage: names.py        prints it; write it to agent/drivers/hyperv/names.txt
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import binder  # pylint: disable=wrong-import-position
import powershell  # pylint: disable=wrong-import-position

ENUMERATIONS = ["VMState", "VMReplicationState", "VMReplicationHealthState", "VMReplicationMode", "VMReplicationRelationshipType",
                "SnapshotType", "CheckpointType", "StartAction", "ReplicationAuthenticationType",
                "RecoveryPointType", "VMSwitchType", "VMSwitchTeamingMode"]
OBJECTS = ["VMHost", "VirtualMachine", "VMSwitch", "VMReplicationServer", "VMReplication", "VMReplicationHealth"]


def parameters(cmdlet):
    """Those that 2016 documents; of PowerShell's own cmdlets those that we use stand in the same table."""
    return sorted(n for n, p in binder.CMDLETS[cmdlet]["p"].items()
                  if p.get("src") != "module" and p.get("since", "0") <= "2016" and "2016" not in p.get("absent", []))


def line(kind, name, names):
    return json.dumps({"kind": kind, "name": name, "names": names}, separators=(",", ":"))


def text():
    out = [line("cmdlet", c, parameters(c)) for c in sorted(powershell.ALLOWED)]
    out += [line("enum", e, sorted(powershell.ENUMS[e])) for e in ENUMERATIONS if e in powershell.ENUMS]
    out += [line("object", o, sorted(powershell.TYPES[o])) for o in OBJECTS]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
