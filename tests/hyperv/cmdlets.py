# SPDX-License-Identifier: Apache-2.0
"""
What the cmdlets do to the site. The tables say from which states a step is described: [D] by Microsoft, [P] from field
practice; anything else is not described, and must not be sent.
"""
import base64
import datetime
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
    ("Import-VMInitialReplication", "Replica", "WaitingForInitialReplication"): "D",
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


def ms(text):
    """An instant as it is sent, UTC; nothing: long ago."""
    if not text:
        return 0
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


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
        return [{"_type": "VMProcessor", "_vm": vm["id"], "Maximum": vm["cpu_max"], "RelativeWeight": vm["cpu_weight"],
                 "EnableHostResourceProtection": vm["protected"]}
                for vm in self.vms_of(a)]

    def get_vmhost(self, _):
        return [{"_type": "VMHost", "FullyQualifiedDomainName": self.host["fqdn"], "VirtualHardDiskPath": self.host["path"],
                 "LogicalProcessorCount": self.host["cpus"], "MemoryCapacity": self.host["memory"],
                 "SupportedVmVersions": ["5.0", "8.0"]}]

    def get_vmswitch(self, _):
        return [{"_type": "VMSwitch", "Name": n, "SwitchType": t, "EmbeddedTeamingEnabled": n == "External"}
                for n, t in (("External", "External"), ("Test", "Private"))]

    def teams(self):
        return self.host.setdefault("teams", {"External": {"algorithm": "Dynamic", "members": ["Adapter 1", "Adapter 2"]}})

    def get_vmswitchteam(self, a):
        if a.get("Name") and a["Name"] not in self.teams():
            raise Failure("ObjectNotFound", "ObjectNotFound", message="no such switch")
        return [{"_type": "VMSwitchTeam", "Name": n, "TeamingMode": "SwitchIndependent",
                 "LoadBalancingAlgorithm": t["algorithm"], "NetAdapterInterfaceDescription": t["members"]}
                for n, t in self.teams().items() if a.get("Name") in (None, n)]

    def new_vmswitch(self, a):
        if not a.get("EnableEmbeddedTeaming"):
            raise Undocumented("a switch without a team is never made")
        if a["Name"] in self.teams():
            raise Failure("OperationFailed", "ResourceExists", message="this switch is there")
        self.teams()[a["Name"]] = {"algorithm": "Dynamic", "members": a["NetAdapterName"]}

    def set_vmswitchteam(self, a):
        team = self.teams()[a["Name"][0]]
        team["algorithm"] = a.get("LoadBalancingAlgorithm", team["algorithm"])
        team["members"] = a.get("NetAdapterName", team["members"])

    def get_netadapter(self, _):
        return [{"_type": "NetAdapter", "InterfaceDescription": n, "Status": s}
                for n, s in (("Adapter 1", "Up"), ("Adapter 2", self.host.get("card", "Up")), ("Adapter 3", "Up"))]

    def update_vmversion(self, a):
        for vm in self.vms_of(a):
            if vm["state"] != "Off":
                raise invalid("the virtual machine is not off")
            vm["version"] = "8.0"

    # ---- clusters and storage ----

    def in_cluster(self):
        if not self.host.get("cluster"):
            raise Failure("ClusterNotRunning", "ConnectionError", 0x80070713, "this host is in no cluster")
        return self.host["cluster"]

    def get_cluster(self, _):
        c = self.in_cluster()
        return [{"_type": "Cluster", "Name": c["name"], "Domain": c["domain"]}]

    def get_clusternode(self, _):
        return [{"_type": "ClusterNode", "Name": n, "State": "Down" if self.site.hosts[n]["down"] else "Up"}
                for n in self.in_cluster()["nodes"]]

    def get_clusterfaultdomain(self, _):
        return [{"_type": "FaultDomain", "Name": d["name"], "Type": d["type"], "ParentName": d["parent"],
                 "Location": d["location"]} for d in self.in_cluster()["domains"]]

    def get_clustergroup(self, _):
        return [{"_type": "ClusterGroup", "Name": g["name"], "GroupType": g["type"], "State": g["state"]}
                for g in self.in_cluster()["groups"].values()]

    def get_clusterresource(self, a):
        return [{"_type": "ClusterResource", "_resource": n, "Name": n} for n in self.in_cluster()["resources"]
                if n in a.get("Name", [n])]

    def add_clustergroup(self, a):
        name = a["Name"][0]
        if len(name) > 15:
            raise Failure("InvalidParameter", "InvalidArgument", message="a name has 15 characters at most")
        if name in self.in_cluster()["groups"]:
            raise Failure("OperationFailed", "ResourceExists", message="this group is there")
        self.in_cluster()["groups"][name] = {"name": name, "type": a["GroupType"], "state": "Offline"}

    def add_clusterresource(self, a):
        c = self.in_cluster()
        if a["ResourceType"] not in ("Network Name", "IP Address", "Virtual Machine Replication Broker"):
            raise Failure("ObjectNotFound", "ObjectNotFound", message="no such type of resources")
        if a["Group"] not in c["groups"] or a["Name"] in c["resources"]:
            raise Failure("OperationFailed", "NotSpecified", message="no such group, or the resource is there")
        c["resources"][a["Name"]] = {"type": a["ResourceType"], "group": a["Group"], "on": [], "set": {}}
        return [{"_type": "ClusterResource", "_resource": a["Name"], "Name": a["Name"]}]

    def set_clusterparameter(self, a):
        self.in_cluster()["resources"][as_list(a["InputObject"])[0]["_resource"]]["set"].update(a["Multiple"])

    def add_clusterresourcedependency(self, a):
        of = self.in_cluster()["resources"][a["Resource"]]
        if a["Provider"] in of["on"]:
            raise Failure("OperationFailed", "ResourceExists", message="this dependency is there")
        of["on"].append(a["Provider"])

    def start_clustergroup(self, a):
        c = self.in_cluster()
        own = {r["type"]: (n, r) for n, r in c["resources"].items() if r["group"] == a["Name"]}
        name, address = own.get("Network Name"), own.get("IP Address")
        broker = own.get("Virtual Machine Replication Broker")
        whole = name and address and broker and address[0] in name[1]["on"] and name[0] in broker[1]["on"] \
            and address[1]["set"].get("EnableDhcp") == 1 and name[1]["set"].get("DnsName") == a["Name"]
        if not whole:
            raise Failure("OperationFailed", "NotSpecified", message="a resource of the group did not come online")
        c["groups"][a["Name"]]["state"] = "Online"

    def get_storagepool(self, _):
        if not self.host.get("cluster"):
            return [{"_type": "StoragePool", "FriendlyName": "Primordial", "HealthStatus": "Healthy", "IsPrimordial": True,
                     "Size": 1 << 40, "AllocatedSize": 0}]
        return [{"_type": "StoragePool", "FriendlyName": "S2D", "HealthStatus": self.host.get("storage", "Healthy"),
                 "IsPrimordial": False, "Size": 8 << 40, "AllocatedSize": 2 << 40}]

    def get_virtualdisk(self, _):
        return [{"_type": "VirtualDisk", "FriendlyName": "vol1", "HealthStatus": self.host.get("storage", "Healthy"),
                 "ResiliencySettingName": "Mirror", "Size": 1 << 40}] if self.host.get("cluster") else []

    def get_physicaldisk(self, _):
        health = {"Warning": "Lost Communication"}.get(self.host.get("storage"), "Healthy")
        return [{"_type": "PhysicalDisk", "FriendlyName": f"disk {n}", "SerialNumber": f"S{n}",
                 "HealthStatus": health if n == 2 else "Healthy", "Usage": "Auto-Select", "Size": 2 << 40} for n in range(4)]

    def get_storagejob(self, _):
        return [{"_type": "StorageJob", "Name": "Repair", "JobState": "Running", "PercentComplete": 40}] \
            if self.host.get("storage") else []

    def get_smbmultichannelconnection(self, _):
        return [{"_type": "SmbMultichannelConnection", "ServerName": "files", "ClientIpAddress": f"192.0.2.{n}",
                 "ServerIpAddress": f"198.51.100.{n}", "Selected": True, "Failed": n == 2 and "card" in self.host}
                for n in (1, 2)] if self.host.get("cluster") else []

    def get_childitem(self, a):
        if a.get("LiteralPath") != "Cert:\\LocalMachine\\My":
            found = [m for m in self.host.get("media", {}) if m.rsplit("\\", 1)[0] == a.get("LiteralPath")]
            if not found:
                raise Failure("PathNotFound", "ObjectNotFound")
            return [{"_type": "FileInfo", "Name": m.rsplit("\\", 1)[1]} for m in found]
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
            if "EnableHostResourceProtection" in a:
                if vm["state"] != "Off":
                    raise invalid("the virtual machine is not off")
                vm["protected"] = a["EnableHostResourceProtection"]

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
        if not s["any"] and not self.site.names_of(self.name) & set(h["entries"]):
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
        if a.get("DestinationPath"):
            link["carried"] = True
            folder = f"{a['DestinationPath']}\\{vm['name']}_{vm['id']}"
            self.host.setdefault("media", {})[folder] = {"vm": vm["id"], "content": vm["content"]}
        size = sum(d["size"] for d in vm["disks"]) if not a.get("UseBackup") else 0
        begins = max(self.site.now, ms(a.get("InitialReplicationStartTime")))
        link["done_at"] = begins + int(size / SEED_BYTES_PER_MS / self.site.data["speed"])

    def import_vminitialreplication(self, a):
        vm, _, link = self.link_of(a, "Import-VMInitialReplication")
        described("Import-VMInitialReplication", link)
        copy = self.host.get("media", {}).get(a["Path"])
        if not copy or copy["vm"] != vm["id"]:
            raise Failure("ObjectNotFound", "ObjectNotFound", message="no initial copy of this virtual machine lies there")
        source = self.site.named(link["primary"])
        far = self.site.vm(source, vm["id"])["links"]["Simple"]
        link["content"] = copy["content"]
        far["carried"] = False
        far["done_at"] = self.site.now

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
        if not self.site.names_of(self.name) & set(self.site.hosts[other]["entries"]) or not self.host["server"]["enabled"]:
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
