# SPDX-License-Identifier: Apache-2.0
"""
What the cmdlets do to the site. The tables say from which states a step is described: [D] by Microsoft, [P] from field
practice; anything else is not described, and must not be sent.
"""
import base64
import time
import uuid

from hyperv_site import SEED_BYTES_PER_MS, Failure, Undocumented, invalid

# cmdlet, mode, state -> described? What is refused is in the functions.
DESCRIBED = {
    ("Start-VMFailover -Prepare", "Primary", "Replicating"): "D",
    ("Start-VMFailover", "Replica", "Replicating"): "D",
    ("Start-VMFailover", "Replica", "Error"): "P",
    ("Start-VMFailover", "Replica", "WaitingForStartResynchronize"): "P",
    ("Start-VMFailover", "ExtendedReplica", "Replicating"): "D",
    ("Start-VMFailover -AsTest", "Replica", "Replicating"): "D",
    ("Start-VMFailover -AsTest", "ExtendedReplica", "Replicating"): "D",
    ("Complete-VMFailover", "Replica", "FailedOverWaitingCompletion"): "D",
    ("Complete-VMFailover", "ExtendedReplica", "FailedOverWaitingCompletion"): "D",
    ("Stop-VMFailover", "Primary", "PreparedForFailover"): "D",
    ("Stop-VMFailover", "Replica", "FailedOverWaitingCompletion"): "D",
    ("Stop-VMFailover", "ExtendedReplica", "FailedOverWaitingCompletion"): "D",
    ("Stop-VMFailover test", "Replica", "*"): "D",
    ("Stop-VMFailover test", "ExtendedReplica", "*"): "D",
    ("Set-VMReplication -AsReplica", "Primary", "Error"): "P",
    ("Set-VMReplication -AsReplica", "Primary", "WaitingForStartResynchronize"): "P",
    ("Set-VMReplication -AsReplica", "Primary", "Replicating"): "D",
    ("Set-VMReplication -Reverse", "Replica", "FailedOverWaitingCompletion"): "P",
    ("Set-VMReplication -Reverse", "Replica", "FailedOver"): "D",
    ("Set-VMReplication -Reverse", "ExtendedReplica", "FailedOver"): "D",
    ("Set-VMReplication", "Primary", "Replicating"): "D",
    ("Set-VMReplication", "Primary", "Suspended"): "D",
    ("Set-VMReplication", "Replica", "Replicating"): "D",
    ("Start-VMInitialReplication", "Primary", "ReadyForInitialReplication"): "D",
    ("Start-VMInitialReplication", "Replica", "ReadyForInitialReplication"): "D",
    ("Suspend-VMReplication", "Primary", "Replicating"): "D",
    ("Suspend-VMReplication", "Replica", "Replicating"): "D",
    ("Resume-VMReplication", "Primary", "Suspended"): "D",
    ("Resume-VMReplication", "Primary", "Error"): "P",
    ("Resume-VMReplication", "Replica", "Suspended"): "D",
    ("Resume-VMReplication -Resynchronize", "Primary", "WaitingForStartResynchronize"): "D",
    ("Resume-VMReplication -Resynchronize", "Primary", "Replicating"): "D",
    ("Resume-VMReplication -Resynchronize", "Primary", "Error"): "P",
    ("Remove-VMReplication", "Primary", "*"): "D",
    ("Remove-VMReplication", "Replica", "*"): "D",
    ("Remove-VMReplication", "ExtendedReplica", "*"): "D",
}


def described(what, link):
    for state in (link["state"], "*"):
        if (what, link["mode"], state) in DESCRIBED:
            return
    raise Undocumented(f"{what} in mode {link['mode']}, state {link['state']}")


def vm_object(site, host, vm):
    runs = vm["state"] in ("Running", "Paused")
    link = vm["links"].get("Simple")
    wrong = "WaitingForInitialReplication" if link and link["state"] == "Replicating" else "Disabled"
    beat = ("OkApplicationsHealthy" if vm["heartbeat"] else "NoContact") if vm["state"] == "Running" else None
    return {"_type": "VirtualMachine", "_vm": vm["id"], "Id": vm["id"], "Name": vm["name"], "State": vm["state"],
            "Version": vm["version"], "Generation": vm["generation"], "ProcessorCount": vm["cpus"],
            "MemoryStartup": vm["memory"], "MemoryAssigned": vm["memory"] if runs else 0,
            "CPUUsage": 3 if vm["state"] == "Running" else 0, "AutomaticStartAction": vm["start"], "Heartbeat": beat,
            "Uptime": site.now - vm["since"] + 1 if runs else 0, "IsClustered": False, "CheckpointType": vm["checkpoint"],
            # what some releases say here is wrong
            "ReplicationState": wrong, "CreationTime": iso(site.hosts[host]["boot"])}


def iso(ms):
    if not ms:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def link_object(vm, kind, link):
    test = link.get("test")
    return {"_type": "VMReplication", "_vm": vm["id"], "_kind": kind, "VMId": vm["id"], "VMName": vm["name"],
            "ReplicationState": link["state"], "ReplicationHealth": link["health"], "ReplicationMode": link["mode"],
            "ReplicationRelationshipType": kind, "PrimaryServerName": link["primary"],
            "ReplicaServerName": link["replica"], "TestVirtualMachine": {"_type": "VirtualMachine", "Id": test} if test else None,
            "CertificateThumbprint": link["thumbprint"], "LastReplicationTime": iso(link["last"]),
            "ReplicationFrequencySec": link["freq"], "RecoveryHistory": link["history"]}


class Host:
    """One host's PowerShell: a method for each cmdlet, (arguments) -> objects."""

    def __init__(self, site, name):
        self.site, self.name, self.host = site, name, site.hosts[name]

    def vms_of(self, a):
        return [self.host["vms"][o["_vm"]] for o in as_list(a.get("VM"))]

    def link_of(self, a, what):
        """By relationship, or by VM with the first relationship."""
        if a.get("VMReplication"):
            o = as_list(a["VMReplication"])[0]
            vm, kind = self.host["vms"][o["_vm"]], o["_kind"]
        else:
            vm, kind = self.vms_of(a)[0], a.get("ReplicationRelationshipType") or "Simple"
        if kind not in vm["links"]:
            raise Failure("ObjectNotFound", "ObjectNotFound", message=f"{what}: no relationship")
        return vm, kind, vm["links"][kind]

    # ---- looking ----

    def get_vm(self, a):
        if "Id" in a:
            vm = self.host["vms"].get(a["Id"])
            if not vm:
                raise Failure("ObjectNotFound", "ObjectNotFound", 0x80131500, "no virtual machine with this id")
            return [vm_object(self.site, self.name, vm)]
        return [vm_object(self.site, self.name, vm) for vm in self.host["vms"].values()]

    def get_vmharddiskdrive(self, a):
        return [{"_type": "HardDiskDrive", "_vm": vm["id"], "_disk": i, "VMId": vm["id"], "Path": d["path"],
                 "ControllerType": d["controller"], "ControllerNumber": d["number"], "ControllerLocation": d["location"],
                 "DiskNumber": d["disk_number"], "MaximumIOPS": d["iops"], "SupportPersistentReservations": d["shared"]}
                for vm in self.vms_of(a) for i, d in enumerate(vm["disks"])]

    def get_vmnetworkadapter(self, a):
        return [{"_type": "VMNetworkAdapter", "_vm": vm["id"], "_nic": i, "VMId": vm["id"], "Id": n["id"],
                 "MacAddress": n["mac"], "SwitchName": n["switch"], "Name": n["name"], "Connected": bool(n["switch"]),
                 "IsLegacy": False, "TestReplicaSwitchName": n["test_switch"],
                 "IPAddresses": ["192.0.2.7"] if vm["state"] == "Running" else []}
                for vm in self.vms_of(a) for i, n in enumerate(vm["nics"])]

    def get_vhd(self, a):
        return [{"_type": "VirtualHardDisk", "Path": d["path"], "VhdFormat": "VHDX", "Size": d["size"], "FileSize": d["file"]}
                for vm_id in as_list(a["VMId"]) for d in self.host["vms"][vm_id]["disks"] if d["disk_number"] is None]

    def get_vmfibrechannelhba(self, a):
        return [{"_type": "VMFibreChannelHba", "VMId": vm["id"]} for vm in self.vms_of(a) for _ in range(vm["hbas"])]

    def get_vmprocessor(self, a):
        return [{"_type": "VMProcessor", "_vm": vm["id"], "Maximum": vm["cpu_max"], "RelativeWeight": vm["cpu_weight"]}
                for vm in self.vms_of(a)]

    def get_vmhost(self, _):
        return [{"_type": "VMHost", "FullyQualifiedDomainName": self.host["fqdn"], "VirtualHardDiskPath": self.host["path"],
                 "LogicalProcessorCount": self.host["cpus"], "MemoryCapacity": self.host["memory"],
                 "SupportedVmVersions": ["5.0", "8.0"]}]

    def get_vmswitch(self, _):
        return [{"_type": "VMSwitch", "Name": n, "SwitchType": t, "EmbeddedTeamingEnabled": n == "External"}
                for n, t in (("External", "External"), ("Test", "Private"))]

    def get_vmswitchteam(self, _):
        return [{"_type": "VMSwitchTeam", "Name": "External", "TeamingMode": "SwitchIndependent",
                 "NetAdapterInterfaceDescription": ["Adapter 1", "Adapter 2"]}]

    def get_childitem(self, a):
        if a.get("LiteralPath") != "Cert:\\LocalMachine\\My":
            raise Failure("PathNotFound", "ObjectNotFound")
        return [{"_type": "X509Certificate2", "Thumbprint": c["thumbprint"], "Subject": f"CN={c['name']}",
                 "NotBefore": iso(c["from"]), "NotAfter": iso(c["until"]), "HasPrivateKey": c["key"],
                 "EnhancedKeyUsageList": [{"ObjectId": u} for u in c["uses"]], "DnsNameList": [{"Unicode": c["name"]}]}
                for c in self.host["certificates"]]

    def get_ciminstance(self, a):
        if a["ClassName"] == "Win32_OperatingSystem":
            return [{"_type": "Win32_OperatingSystem", "Caption": "Microsoft Windows Server 2016 Datacenter",
                     "Version": "10.0.14393", "LastBootUpTime": iso(self.host["boot"]), "FreePhysicalMemory": 8 << 20}]
        if a["ClassName"] == "Msvm_VirtualSystemSettingData":
            wanted = a["Filter"].removeprefix("InstanceID='Microsoft:").removesuffix("'")
            return [{"_type": "Msvm_VirtualSystemSettingData", "_vm": vm["id"], "InstanceID": f"Microsoft:{vm['id'].upper()}"}
                    for vm in self.host["vms"].values() if vm["id"] == wanted]
        wanted = a.get("Filter", "").removeprefix("Name='").removesuffix("'")
        return [{"_type": "Msvm_ComputerSystem", "ProcessID": vm["pid"] or None}
                for vm in self.host["vms"].values() if vm["id"] == wanted]

    def invoke_cimmethod(self, a):
        """The picture of a screen: grey, with a white line."""
        if a["MethodName"] != "GetVirtualSystemThumbnailImage":
            raise Undocumented(a["MethodName"])
        width, height = a["Arguments"]["WidthPixels"], a["Arguments"]["HeightPixels"]
        vm = self.host["vms"][as_list(a["Arguments"]["TargetSystem"])[0]["_vm"]]
        if vm["state"] not in ("Running", "Paused"):
            return [{"_type": "GetVirtualSystemThumbnailImage", "ReturnValue": 32775, "ImageData": None}]
        rows = [(b"\xff\xff" if y == 7 else b"\x10\x84") * width for y in range(height)]
        image = base64.urlsafe_b64encode(b"".join(rows)).decode().rstrip("=")
        return [{"_type": "GetVirtualSystemThumbnailImage", "ReturnValue": 0, "ImageData": image}]

    def get_vmsnapshot(self, a):
        return [{"_type": "VMSnapshot", "_vm": vm["id"], "Id": s["id"], "Name": s["name"], "SnapshotType": s["type"],
                 "State": s["state"], "CreationTime": iso(s["at"])} for vm in self.vms_of(a) for s in vm["snapshots"]]

    def links(self, a):
        vms = self.vms_of(a) if "VM" in a else self.host["vms"].values()
        kind = a.get("ReplicationRelationshipType")
        return [(vm, k, x) for vm in vms for k, x in vm["links"].items() if kind in (None, k)]

    def get_vmreplication(self, a):
        return [link_object(*one) for one in self.links(a)]

    def measure_vmreplication(self, a):
        return [{"_type": "VMReplicationHealth", "VMId": vm["id"], "ReplicationRelationshipType": k,
                 "PendingReplicationSize": 0, "ReplicationErrors": x["missed"], "SuccessfulReplicationCount": x["done"],
                 "MissedReplicationCount": x["missed"],
                 # null when no cycle was completed
                 "AverageReplicationLatency": 800 if x["done"] else None} for vm, k, x in self.links(a)]

    # ---- power ----

    def start_vm(self, a):
        for vm in self.vms_of(a):
            simple = vm["links"].get("Simple")
            if simple and (simple["mode"] in ("Replica", "ExtendedReplica") and not simple["state"].startswith("FailedOver")
                           or simple["state"] == "PreparedForFailover"):
                raise invalid("the virtual machine cannot be started in its replication state")
            if vm["state"] not in ("Off", "Saved"):
                raise invalid("the virtual machine is not off")
            self.site.power(vm, "Running")

    def stop_vm(self, a):
        for vm in self.vms_of(a):
            if vm["state"] in ("Off", "Saved"):
                raise invalid("the virtual machine is off")
            if not a.get("TurnOff") and vm["deaf"]:
                raise Failure("OperationTimeout", "OperationTimeout", 0x800705B4, "the guest does not shut down")
            self.site.power(vm, "Off")

    def from_to(self, a, states, to):
        for vm in self.vms_of(a):
            if vm["state"] not in states:
                raise invalid(f"the virtual machine is {vm['state']}")
            self.site.power(vm, to)

    def save_vm(self, a):
        self.from_to(a, ("Running", "Paused"), "Saved")

    def suspend_vm(self, a):
        self.from_to(a, ("Running",), "Paused")

    def resume_vm(self, a):
        self.from_to(a, ("Paused",), "Running")

    def restart_vm(self, a):
        self.from_to(a, ("Running", "Paused"), "Running")

    def remove_vmsavedstate(self, a):
        self.from_to(a, ("Saved",), "Off")

    def remove_vm(self, a):
        for vm in self.vms_of(a):
            if vm["state"] not in ("Off", "Saved"):
                raise invalid("the virtual machine runs")
            self.site.power(vm, "Off")
            del self.host["vms"][vm["id"]]

    def set_vm(self, a):
        for vm in self.vms_of(a):
            vm["start"] = a.get("AutomaticStartAction", vm["start"])
            vm["checkpoint"] = a.get("CheckpointType", vm["checkpoint"])

    def set_vmprocessor(self, a):
        for vm in self.vms_of(a):
            vm["cpu_max"] = a.get("Maximum", vm["cpu_max"])
            vm["cpu_weight"] = a.get("RelativeWeight", vm["cpu_weight"])

    def set_vmharddiskdrive(self, a):
        for o in as_list(a["VMHardDiskDrive"]):
            self.host["vms"][o["_vm"]]["disks"][o["_disk"]]["iops"] = a["MaximumIOPS"]

    def nic_of(self, a):
        o = as_list(a["VMNetworkAdapter"])[0]
        return self.host["vms"][o["_vm"]]["nics"][o["_nic"]]

    def set_vmnetworkadapter(self, a):
        self.nic_of(a)["test_switch"] = a["TestReplicaSwitchName"]

    def connect_vmnetworkadapter(self, a):
        self.nic_of(a)["switch"] = a["SwitchName"]

    # ---- checkpoints ----

    def checkpoint_vm(self, a):
        for vm in self.vms_of(a):
            production = vm["checkpoint"] in ("Production", "ProductionOnly")
            if vm["checkpoint"] == "ProductionOnly" and not vm["quiesces"]:
                raise Failure("OperationFailed", "NotSpecified", message="the guest cannot take a production checkpoint")
            vm["snapshots"].insert(0, {"id": str(uuid.uuid4()), "name": a["SnapshotName"], "type": "Standard",
                                       "at": self.site.now, "content": vm["content"],
                                       "state": "Off" if production and vm["quiesces"] else vm["state"]})

    def snapshot_of(self, a):
        o = as_list(a["VMSnapshot"])[0]
        vm = self.host["vms"][o["_vm"]]
        return vm, next(s for s in vm["snapshots"] if s["id"] == o["Id"])

    def restore_vmsnapshot(self, a):
        vm, s = self.snapshot_of(a)
        vm["content"] = s["content"]
        self.site.power(vm, "Off")
        link = vm["links"].get("Simple")
        if link and link["mode"] == "Primary":
            link["state"], link["health"] = "WaitingForStartResynchronize", "Critical"

    def remove_vmsnapshot(self, a):
        vm, s = self.snapshot_of(a)
        vm["snapshots"].remove(s)

    # ---- hosts that receive ----

    def get_vmreplicationserver(self, _):
        s = self.host["server"]
        return [{"_type": "VMReplicationServer", "ReplicationEnabled": s["enabled"], "AllowedAuthenticationType": s["auth"],
                 "CertificateThumbprint": s["thumbprint"], "CertificateAuthenticationPort": s["https"],
                 "KerberosAuthenticationPort": s["http"]}]

    def set_vmreplicationserver(self, a):
        s = self.host["server"]
        if a["AllowedAuthenticationType"] != "Kerberos" and not a.get("CertificateThumbprint"):
            raise Failure("InvalidParameter", "InvalidArgument", message="a certificate is needed")
        s.update(enabled=a["ReplicationEnabled"], auth=a["AllowedAuthenticationType"],
                 thumbprint=a.get("CertificateThumbprint", ""), any=a["ReplicationAllowedFromAnyServer"])

    def get_vmreplicationauthorizationentry(self, _):
        return [{"_type": "VMReplicationAuthorizationEntry", "AllowedPrimaryServer": e} for e in self.host["entries"]]

    def new_vmreplicationauthorizationentry(self, a):
        if self.host["server"]["any"]:
            raise invalid("any server is allowed already")
        self.host["entries"].append(a["AllowedPrimaryServer"])

    def enable_netfirewallrule(self, a):
        if a["Name"] not in ("VIRT-HVRHTTPL-In-TCP-NoScope", "VIRT-HVRHTTPSL-In-TCP-NoScope"):
            raise Failure("CmdletizationQuery_NotFound_InstanceID", "ObjectNotFound")
        self.host["firewall"].append(a["Name"])

    def reach(self, a):
        """The other host, if it would take a relationship from here."""
        other = self.site.named(a["ReplicaServerName"])
        if not other or not self.site.linked(self.name, other):
            raise Failure("OperationFailed", "NotSpecified", 0x00002EFD, "the replica server cannot be reached")
        h, s = self.site.hosts[other], self.site.hosts[other]["server"]
        wanted = a["AuthenticationType"]
        if not s["enabled"] or wanted not in s["auth"]:
            raise Failure("OperationFailed", "NotSpecified", 0x00002EFD, "the replica server does not listen")
        if not ("VIRT-HVRHTTPSL-In-TCP-NoScope" if wanted == "Certificate" else "VIRT-HVRHTTPL-In-TCP-NoScope") in h["firewall"]:
            raise Failure("OperationFailed", "NotSpecified", 0x00002EE2, "the replica server does not answer")
        if wanted == "Certificate":
            own = [c for c in self.host["certificates"] if c["thumbprint"] == a.get("CertificateThumbprint")]
            if not own or own[0]["until"] < self.site.now or not self.site.certificate_ok(other):
                raise Failure("OperationFailed", "NotSpecified", 0x800B0101, "a certificate is not valid")
        if not s["any"] and self.host["fqdn"] not in h["entries"]:
            raise Failure("OperationFailed", "PermissionDenied", 0x80070005, "this server may not replicate there")
        return other

    def test_vmreplicationconnection(self, a):
        self.reach(a)
        return [{"_type": "String"}]

    # ---- relationships ----

    def new_link(self, a, mode, other):
        primary, replica = (self.host["fqdn"], a.get("ReplicaServerName")) if other else (None, None)
        return {"mode": mode, "state": "ReadyForInitialReplication", "health": "Normal", "primary": primary,
                "replica": replica, "auth": a.get("AuthenticationType", "Certificate"),
                "thumbprint": a.get("CertificateThumbprint"), "freq": a.get("ReplicationFrequencySec", 300),
                "history": a.get("RecoveryHistory", 0), "vss": a.get("VSSSnapshotFrequencyHour", 0), "last": 0, "due": 0,
                "done": 0, "missed": 0, "content": 0, "test": None, "done_at": 0}

    def enable_vmreplication(self, a):
        vm = self.vms_of(a)[0]
        simple = vm["links"].get("Simple")
        if a.get("AsReplica"):
            if simple:
                raise invalid("replication is enabled already")
            vm["links"]["Simple"] = {**self.new_link(a, "Replica", None), "state": "WaitingForInitialReplication"}
            return
        onward = simple and simple["mode"] == "Replica"
        if simple and not onward or "Extended" in vm["links"]:
            raise invalid("replication is enabled already")
        if any(d["shared"] or d["disk_number"] is not None for d in vm["disks"]
               if d["path"] not in a.get("ExcludedVhdPath", [])) or vm["hbas"]:
            raise Failure("OperationFailed", "NotSpecified", 0x80004005, "this hardware cannot be replicated")
        if onward and (a.get("VSSSnapshotFrequencyHour") or a.get("ExcludedVhdPath")
                       or a["ReplicationFrequencySec"] < max(300, simple["freq"])):
            raise Failure("InvalidParameter", "InvalidArgument", 0x80070057, "not for an extended replica")
        if a.get("VSSSnapshotFrequencyHour") and not a.get("RecoveryHistory"):
            raise Failure("InvalidParameter", "InvalidArgument", 0x80070057, "no history")
        other = self.reach(a)
        far = self.site.vm(other, vm["id"])
        if far and "Simple" not in far["links"]:
            raise Failure("OperationFailed", "ResourceExists", 0x80004005, "a virtual machine with this id is there")
        if not far:
            far = self.site.new_vm(other, vm["id"], vm["name"], like=vm)
        link = self.new_link(a, "Replica" if onward else "Primary", other)
        vm["links"]["Extended" if onward else "Simple"] = link
        far["links"]["Simple"] = {**link, "mode": "ExtendedReplica" if onward else "Replica",
                                  "state": "WaitingForInitialReplication", "health": "Normal"}
        if onward:
            link["content"] = simple["content"]

    def start_vminitialreplication(self, a):
        vm = self.vms_of(a)[0]
        kind = "Extended" if "Extended" in vm["links"] and vm["links"]["Extended"]["state"].startswith("Ready") else "Simple"
        link = vm["links"][kind]
        described("Start-VMInitialReplication", link)
        link["state"] = "InitialReplicationInProgress"
        size = sum(d["size"] for d in vm["disks"]) if not a.get("UseBackup") else 0
        link["done_at"] = self.site.now + int(size / SEED_BYTES_PER_MS / self.site.data["speed"])

    def set_vmreplication(self, a):
        vm, _, link = self.link_of(a, "Set-VMReplication")
        if a.get("AsReplica"):
            return self.as_replica(vm, link)
        if a.get("Reverse"):
            return self.reverse(vm, link, a)
        described("Set-VMReplication", link)
        link["freq"] = a.get("ReplicationFrequencySec", link["freq"])
        link["history"] = a.get("RecoveryHistory", link["history"])
        link["vss"] = 0 if a.get("DisableVSSSnapshotReplication") else a.get("VSSSnapshotFrequencyHour", link["vss"])
        return None

    def as_replica(self, vm, link):
        described("Set-VMReplication -AsReplica", link)
        if vm["state"] != "Off":
            raise invalid("the virtual machine is not off")
        link.update(mode="Replica", state="WaitingForInitialReplication", health="Warning", due=0)

    def reverse(self, vm, link, a):
        described("Set-VMReplication -Reverse", link)
        if "Extended" in vm["links"]:
            raise invalid("there is an extended relationship")
        other = self.reach(a)
        far_vm = self.site.vm(other, vm["id"])
        far = far_vm["links"].get("Simple") if far_vm else None
        planned = far and far["mode"] == "Primary" and far["state"] == "PreparedForFailover"
        taken = far and far["mode"] == "Replica" and far["state"] == "WaitingForInitialReplication"
        if planned and link["state"] != "FailedOverWaitingCompletion":
            raise Undocumented("Set-VMReplication -Reverse of a planned failover that was completed")
        if not planned and not taken:
            raise Undocumented("Set-VMReplication -Reverse while the other side is "
                               f"{far['mode'] + ' ' + far['state'] if far else 'without a relationship'}")
        vm["snapshots"] = []
        link.update(mode="Primary", primary=self.host["fqdn"], replica=a["ReplicaServerName"], auth=a["AuthenticationType"],
                    thumbprint=a.get("CertificateThumbprint"), health="Normal",
                    state="Replicating" if planned else "ReadyForInitialReplication", due=self.site.now if planned else 0)
        far.update(mode="Replica", primary=self.host["fqdn"], replica=a["ReplicaServerName"], health="Normal", last=self.site.now)
        if planned:
            far["state"] = "Replicating"

    def suspend_vmreplication(self, a):
        _, _, link = self.link_of(a, "Suspend-VMReplication")
        described("Suspend-VMReplication", link)
        link.update(state="Suspended", health="Warning")

    def resume_vmreplication(self, a):
        vm, _, link = self.link_of(a, "Resume-VMReplication")
        again = a.get("Resynchronize")
        described("Resume-VMReplication" + (" -Resynchronize" if again else ""), link)
        _, _, far = self.site.partner(vm, link)
        if far and far["state"].startswith("FailedOver"):
            raise invalid("the replica was failed over")
        if again:
            link.update(state="Resynchronizing", health="Warning",
                        done_at=self.site.now + int(sum(d["size"] for d in vm["disks"]) / SEED_BYTES_PER_MS / 2 / self.site.data["speed"]))
        else:
            link.update(state="Replicating", health="Normal", due=self.site.now)

    def remove_vmreplication(self, a):
        vm, kind, link = self.link_of(a, "Remove-VMReplication")
        described("Remove-VMReplication", link)
        if link["test"]:
            raise invalid("a test failover is running")
        if kind == "Simple" and "Extended" in vm["links"]:
            raise invalid("there is an extended relationship")
        del vm["links"][kind]
        vm["snapshots"] = [s for s in vm["snapshots"] if s["type"] == "Standard"]

    # ---- failovers ----

    def start_vmfailover(self, a):
        if a.get("VMRecoverySnapshot"):
            o = as_list(a["VMRecoverySnapshot"])[0]
            vm = self.host["vms"][o["_vm"]]
            content = next(s for s in vm["snapshots"] if s["id"] == o["Id"])["content"]
            link = vm["links"]["Simple"]
        else:
            vm, _, link = self.link_of(a, "Start-VMFailover")
            content = link["content"]
        what = "Start-VMFailover" + (" -Prepare" if a.get("Prepare") else " -AsTest" if a.get("AsTest") else "")
        described(what, link)
        if a.get("Prepare"):
            return self.prepare(vm, link)
        if a.get("AsTest"):
            return self.begin_test(vm, link, content)
        link.update(state="FailedOverWaitingCompletion", health="Warning")
        vm["content"] = content
        return None

    def prepare(self, vm, link):
        if vm["state"] != "Off":
            raise invalid("the virtual machine is not off")
        other, other_vm, far = self.site.partner(vm, link)
        if not far or not self.site.reached(self.name, link):
            raise Failure("OperationFailed", "NotSpecified", 0x00002EFD, "the replica server cannot be reached")
        if self.host["fqdn"] not in self.site.hosts[other]["entries"] or not self.host["server"]["enabled"]:
            raise invalid("this host cannot receive, so nothing could be turned round")
        link["state"] = "PreparedForFailover"
        far.update(content=vm["content"], last=self.site.now)
        other_vm["snapshots"].insert(0, {"id": str(uuid.uuid4()), "name": "synced", "type": "SyncedReplica", "state": "Off",
                                         "at": self.site.now, "content": vm["content"]})
        link["last"] = self.site.now

    def begin_test(self, vm, link, content):
        if link["test"]:
            raise invalid("a test failover is running")
        copy = self.site.new_vm(self.name, str(uuid.uuid4()), f"{vm['name']} - Test", like=vm)
        copy["content"] = content
        for nic in copy["nics"]:
            nic["switch"], nic["test_switch"] = nic["test_switch"], None
        link["test"] = copy["id"]

    def stop_vmfailover(self, a):
        vm, _, link = self.link_of(a, "Stop-VMFailover")
        if link["test"]:
            described("Stop-VMFailover test", link)
            copy = self.host["vms"].pop(link["test"], None)
            if copy:
                self.site.power(copy, "Off")
            link["test"] = None
            return
        described("Stop-VMFailover", link)
        if vm["state"] != "Off":
            raise invalid("the virtual machine is not off")
        if link["mode"] == "Primary":
            far = self.site.partner(vm, link)[2]
            if far and far["state"].startswith("FailedOver"):
                raise Undocumented("Stop-VMFailover on the primary while the replica is failed over")
        link.update(state="Replicating", health="Normal", due=self.site.now)
        vm["snapshots"] = [s for s in vm["snapshots"] if s["type"] != "SyncedReplica"]

    def complete_vmfailover(self, a):
        vm, _, link = self.link_of(a, "Complete-VMFailover")
        described("Complete-VMFailover", link)
        link["state"] = "FailedOver"
        vm["snapshots"] = [s for s in vm["snapshots"] if s["type"] == "Standard"]


def as_list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def method(host, cmdlet):
    found = getattr(host, cmdlet.lower().replace("-", "_"), None)
    if not found:
        raise Undocumented(f"{cmdlet} is not played here")
    return found
