# SPDX-License-Identifier: Apache-2.0
"""
Plays powershell.exe with invoke.ps1 for all hosts of a site: the same line in, the same lines out. The agent starts the
stub (stub.c), which comes here by a socket. Each call is taken through the binder first; what that refuses is written
down as a violation, because it could not have run. A test speaks by the same socket, with "!" in place of a host.
usage: powershell.py SOCKET        ends when its standard input does
"""
import base64
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import binder  # pylint: disable=wrong-import-position
import cmdlets  # pylint: disable=wrong-import-position
import hyperv_site  # pylint: disable=wrong-import-position

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../agent/drivers/hyperv/invoke.ps1")
WORDS = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "RemoteSigned", "-File"]
TYPES = {name: members for module in ("Hyper-V", "FailoverClusters") for name, members in binder.load("types.json")[module].items()}
ENUMS = binder.load("enums.json")["ps"]["Hyper-V"]
# of .NET and of CIM's own schema, which the data does not hold
TYPES["X509Certificate2"] = {"Thumbprint": "String", "Subject": "String", "NotBefore": "DateTime", "NotAfter": "DateTime",
                             "HasPrivateKey": "Boolean", "EnhancedKeyUsageList": "EnhancedKeyUsageRepresentation[]",
                             "DnsNameList": "DnsNameRepresentation[]"}
TYPES["EnhancedKeyUsageRepresentation"] = {"ObjectId": "String"}
TYPES["DnsNameRepresentation"] = {"Unicode": "String"}
TYPES["Win32_OperatingSystem"] = {"Caption": "String", "Version": "String", "LastBootUpTime": "DateTime",
                                  "FreePhysicalMemory": "UInt64"}
# of WMI classes of storage, SMB and network cards, as Microsoft documents them; the data does not hold these
TYPES["FaultDomain"] = {"Name": "String", "Type": "FaultDomainType", "ParentName": "String", "Location": "String"}
TYPES["StoragePool"] = {"FriendlyName": "String", "HealthStatus": "String", "IsPrimordial": "Boolean", "Size": "UInt64",
                        "AllocatedSize": "UInt64"}
TYPES["VirtualDisk"] = {"FriendlyName": "String", "HealthStatus": "String", "ResiliencySettingName": "String", "Size": "UInt64"}
TYPES["PhysicalDisk"] = {"FriendlyName": "String", "SerialNumber": "String", "HealthStatus": "String", "Usage": "String",
                         "Size": "UInt64"}
TYPES["StorageJob"] = {"Name": "String", "JobState": "String", "PercentComplete": "UInt16"}
TYPES["SmbMultichannelConnection"] = {"ServerName": "String", "ClientIpAddress": "String", "ServerIpAddress": "String",
                                      "Selected": "Boolean", "Failed": "Boolean"}
TYPES["NetAdapter"] = {"InterfaceDescription": "String", "Status": "String"}
TYPES["FileInfo"] = {"Name": "String"}
WMI = binder.load("wmi.json")
TYPES["Msvm_VirtualSystemSettingData"] = WMI["classes"]["Msvm_VirtualSystemSettingData"]["props"]
TYPES["GetVirtualSystemThumbnailImage"] = {"ReturnValue": "UInt32", "ImageData": "Byte[]"}
TYPES["Msvm_ComputerSystem"] = WMI["classes"]["Msvm_ComputerSystem"]["props"]
NEVER = 24 * 3600.0
GERMAN = "Der Vorgang ist fehlgeschlagen: »%s«. Überprüfen Sie den Zustand."


def allowed():
    with open(SCRIPT, encoding="utf-8") as f:
        return set(re.findall(r"^    '([A-Z][A-Za-z]+-[A-Za-z]+)'$", f.read(), re.M))


ALLOWED = allowed()


def check_method(a):
    """A method of WMI, and its arguments, must be in the data, and on the script's own list."""
    kind = a["Query"].removeprefix("select * from ")
    if a.get("Namespace") != WMI["namespace"]:
        raise binder.Refused(f"{a['MethodName']} is in {WMI['namespace']}")
    known = WMI["methods"].get(kind, {}).get(a["MethodName"])
    with open(SCRIPT, encoding="utf-8") as f:
        if f"    '{a['MethodName']}'\n" not in f.read():
            raise binder.Refused(f"{a['MethodName']} is not on the list of invoke.ps1")
    if not known:
        raise binder.Refused(f"{kind} has no method {a['MethodName']}")
    if {one["n"] for one in known["in"]} != set(a["Arguments"]):
        raise binder.Refused(f"{a['MethodName']} does not take {sorted(a['Arguments'])}")


def check_path(kind, path):
    """A path of properties must exist in the data."""
    for name in path.split("."):
        members = TYPES.get(kind)
        if members is None:
            raise binder.Refused(f"{kind} is not in the data, and {path} is asked of it")
        if name not in members:
            raise binder.Refused(f"{kind} has no property {name}")
        kind = re.sub(r"^(?:IList|List|IReadOnlyList)<(.*)>$", r"\1", members[name]).removesuffix("?").removesuffix("[]")
    return kind


def look_up(value, path):
    for name in path.split("."):
        if value is None:
            return None
        value = [v.get(name) for v in value] if isinstance(value, list) else value.get(name)
    return value


def row(o, wanted):
    out = {}
    for name, path in wanted.items():
        kind = check_path(o["_type"], path)
        value = look_up(o, path)
        if value is None:
            continue
        if kind in ENUMS and value not in ENUMS[kind] and not str(value).isdigit() and "pretend" not in o:
            raise binder.Refused(f"the site itself answers {value!r} for a {kind}")
        out[name] = value
    return out


def arguments(call, done):
    """As splatting would give them; None: about objects of which there are none."""
    out = {}
    for one in call["parameters"]:
        kind = one["type"]
        if kind == "optional":
            continue
        if kind in ("ref", "each") and not done[one["of"]]:
            return None
        if kind == "ref":
            out[one["name"]] = done[one["of"]]
        elif kind == "each":
            out[one["name"]] = [look_up(o, one["property"]) for o in done[one["of"]]]
        elif kind == "table":
            out[one["name"]] = arguments({"parameters": one["value"]}, done)
            if out[one["name"]] is None:
                return None
        elif kind == "element":
            found = [o for o in done[one["of"]] if str(look_up(o, one["property"])) == one["value"]]
            if len(found) != 1:
                raise hyperv_site.Failure("RuntimeException", "OperationStopped")
            out[one["name"]] = found[0]
        else:
            out[one["name"]] = one["value"]
    return out


class Died(Exception):
    """The process ends without a word."""


class Batch:
    """What one process is asked."""

    def __init__(self, world, name):
        self.world, self.name, self.lines = world, name, []
        self.late = 0  # ms that it takes in a world whose clock the test moves

    def pass_time(self, seconds):
        """Let time go by; a call that takes an hour never comes back."""
        if not self.world.data["near"]:
            time.sleep(seconds)
            return
        self.late += int(seconds * 1000)
        if seconds >= NEVER:
            raise Died()

    def say(self, **line):
        self.lines.append(json.dumps(line))

    def fault(self, site, cmdlet):
        """A fault that is due for this call."""
        for f in site.data["faults"]:
            if f["host"] == self.name and f["cmdlet"] == cmdlet and f["times"] != 0:
                f["times"] -= 1
                return f
        return None

    def call(self, call, done):
        """One call; its objects. A fault may end the process before or after."""
        with self.world.held() as site:
            fault = self.fault(site, call["cmdlet"])
        if fault and fault["kind"] == "hang":
            self.pass_time(NEVER)
        if fault and fault["kind"] == "slow":
            self.pass_time(float(fault["value"]))
        if fault and fault["kind"] == "die":
            raise Died()
        if fault and fault["kind"] == "error":
            raise hyperv_site.Failure(fault["value"], "NotSpecified", 0x80004005, "as the test wants it")
        with self.world.held() as site:
            objects = self.do(site, call, done)
        if fault and fault["kind"] == "die_after":
            raise Died()
        if fault and fault["kind"] == "hang_after":
            self.pass_time(NEVER)
        if fault and fault["kind"] == "answer":
            for o in objects:
                o.update(json.loads(fault["value"]), pretend=True)
        return objects

    def do(self, site, call, done):
        cmdlet = call["cmdlet"]
        try:
            if cmdlet not in ALLOWED:
                raise binder.Refused(f"{cmdlet} is not on the list of invoke.ps1")
            binder.bind(call, done, site.data["release"])
            a = arguments(call, done)
            if cmdlet == "Invoke-CimMethod" and a is not None:
                check_method(a)
            if not cmdlet.startswith(("Get-", "Measure-")):
                words = " ".join(f"-{k}" for k in a or {} if k not in ("VM", "Confirm"))
                site.data["log"].append(f"{self.name} {cmdlet} {words}".rstrip())
            return [] if a is None else cmdlets.method(cmdlets.Host(site, self.name), cmdlet)(a) or []
        except (binder.Refused, hyperv_site.Undocumented) as e:
            site.violation(f"{self.name}: {cmdlet}: {e}")
            raise hyperv_site.Failure("Violation", message=f"could not run on Windows: {e}") from e

    def run(self, request, language):
        done = []
        for number, call in enumerate(request["calls"]):
            optional = any(p["type"] == "optional" for p in call["parameters"])
            objects = []
            try:
                objects = self.call(call, done)
            except hyperv_site.Failure as e:
                if not optional or e.name == "Violation":
                    words = e.message or e.name
                    self.say(end=True, ok=False, step=number, module="2.0.0.0", id=e.name, category=e.category,
                             hresult=e.hresult, message=GERMAN % words if language == "de" else words)
                    return
            done.append(objects)
            for o in objects:
                if call["wanted"]:
                    self.say(call=number, row=row(o, call["wanted"]))
        self.say(end=True, ok=True, module="2.0.0.0")


def web(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_web(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def play_guest(site, name, asked):
    """guest.ps1: programs and files of a guest that runs."""
    vm = site.vm(name, asked["vm"])
    if not vm or vm["state"] != "Running" or not vm["heartbeat"]:
        return {"ok": False, "message": "the guest does not answer"}
    if not asked["credential"].endswith(".xml"):
        return {"ok": False, "message": "no credential"}
    path = asked["path"]
    if asked["check"] == "read":
        if path not in vm["files"]:
            return {"ok": False, "reason": "not_found", "message": "There is no such file."}
        return {"ok": True, "content": vm["files"][path]}
    if asked["check"] == "write":
        from_web(asked["content"])
        vm["files"][path] = asked["content"]
        return {"ok": True}
    if asked["check"] == "run":
        return {"ok": True, "cut": False, "status": vm["status"], "output": web(vm["says"].encode()), "error": ""}
    return {"ok": False, "message": "There is no such check."}


def play_cluster(site, name, asked):
    """clusterprop.ps1: how a cluster balances its VMs."""
    cluster = site.hosts[name].get("cluster")
    if not cluster:
        return {"ok": False, "message": "this host is in no cluster"}
    for key, values in (("mode", (0, 1, 2)), ("level", (1, 2, 3))):
        if asked.get(key) is not None:
            if asked[key] not in values:
                return {"ok": False, "message": "There is no such value."}
            cluster[key] = asked[key]
    return {"ok": True, "mode": cluster["mode"], "level": cluster["level"]}


def named(site, kind, name, names):
    """A line of selftest.ps1; the test may have names taken out or put in, or all of it (null)."""
    changed = site.data["names"].get(name, [])
    if changed is None:
        return None
    names = [n for n in names if n not in changed] + [n for n in changed if n not in names]
    return {"kind": kind, "name": name, "names": names}


def play_selftest(site, name, asked):
    """selftest.ps1: what the modules are like by the data."""
    import names  # pylint: disable=import-outside-toplevel,cyclic-import
    out = [named(site, "cmdlet", c, names.parameters(c)) for c in asked["cmdlets"]]
    out += [named(site, "enum", e, list(ENUMS[e])) for e in asked["enums"]]
    replicating = any(vm["links"] for vm in site.hosts[name]["vms"].values())
    for kind in names.OBJECTS:
        none = kind in ("VMReplication", "VMReplicationHealth") and not replicating
        out.append(named(site, "none" if none else "object", kind, [] if none else list(TYPES[kind])))
    out.append({"kind": "end", "name": "Hyper-V", "names": ["2.0.0.0"]})
    return [o for o in out if o]


SCRIPTS = {"guest.ps1": play_guest, "clusterprop.ps1": play_cluster, "selftest.ps1": play_selftest}


def play(world, name, words, text):
    """One process of PowerShell; what it writes."""
    script = os.path.basename(words[-1])
    if words[:-1] != WORDS or script not in ("invoke.ps1", *SCRIPTS):
        return f"PowerShell is started as {words}"
    text.decode("ascii")  # whatever the code page
    if script != "invoke.ps1":
        with world.held() as site:
            said = SCRIPTS[script](site, name, json.loads(text))
        return "".join(json.dumps(o) + "\n" for o in cmdlets.as_list(said))
    batch = Batch(world, name)
    try:
        batch.run(json.loads(text), world.data["language"])
    except binder.Refused as e:
        world.data["violations"].append(f"{name}: {e}")
        batch.say(end=True, ok=False, step=0, id="Violation", category="NotSpecified", hresult=0, message=str(e))
    except Died:
        if not batch.late:
            raise
        return f"!late {batch.late}\n"
    return (f"!late {batch.late}\n" if batch.late else "") + "\n".join(batch.lines) + "\n"


def command(world, words):
    """What a test wants of the site."""
    with world.held() as site:
        said = getattr(hyperv_site, f"do_{words[0]}")(site, *words[1:])
    return f"{'' if said is None else said}\n"


def serve(world, peer):
    with peer, peer.makefile("rb") as stream:
        whole = stream.read()
        head, text = whole.split(b"\n", 1)
        name, *words = head.decode().rstrip("\0").split("\0")
        try:
            said = command(world, words) if name == "!" else play(world, name, words, text)
        except Died:
            return
        except Exception as e:  # pylint: disable=broad-except
            world.data["violations"].append(f"the site itself fails: {type(e).__name__}: {e}")
            said = f"ERROR {type(e).__name__}: {e}\n"
        peer.sendall(said.encode())


def main():
    world = hyperv_site.World()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        print("ready", flush=True)

        def accept():
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=serve, args=(world, peer), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()
    with world.held() as site:
        hyperv_site.do_end(site)


if __name__ == "__main__":
    main()
