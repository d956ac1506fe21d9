# SPDX-License-Identifier: Apache-2.0
"""
A Hyper-V site in a box: hosts, VMs and their relationships, which calls take turns with. Transitions
are those of the published texts and of field practice; what none of them describes is written down as a violation and
fails the test. Time is the machine's, or runs ahead of it; copies take time by size.
"""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import uuid

MIB = 1 << 20
SEED_BYTES_PER_MS = 1 << 20  # how fast a first copy goes


class Failure(Exception):
    """What a cmdlet says when it cannot."""

    def __init__(self, name, category="NotSpecified", hresult=0x80004005, message=None):
        super().__init__(name)
        self.name, self.category, self.hresult, self.message = name, category, hresult, message


class Undocumented(Exception):
    """Nobody has described what happens here."""


def invalid(message):
    return Failure("InvalidState", "InvalidOperation", 0x80048003, message)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Site:
    """The world, while it is held."""

    def __init__(self, data):
        self.data = data
        self.hosts = data["hosts"]
        self.now = int(time.time() * 1000) + data["offset"]

    # ---- finding ----

    def vm(self, host, vm_id):
        return self.hosts[host]["vms"].get(vm_id)

    def broker_of(self, name):
        """The name of the host's cluster's broker, when that is online."""
        cluster = self.hosts[name].get("cluster")
        group = cluster and next((g for g in cluster["groups"].values() if g["type"] == "VMReplicaBroker"), None)
        return f"{group['name']}.{cluster['domain']}" if group and group["state"] == "Online" else None

    def names_of(self, name):
        return {self.hosts[name]["fqdn"], self.broker_of(name)}

    def named(self, fqdn):
        for name, h in self.hosts.items():
            if (self.broker_of(name) or "").lower() == (fqdn or "-").lower() and not h["down"]:
                return name
        for name, h in self.hosts.items():
            if h["fqdn"].lower() == (fqdn or "").lower():
                return name
        return None

    def linked(self, a, b):
        return b and not self.hosts[b]["down"] and not self.hosts[a]["down"] and sorted([a, b]) not in self.data["cut"]

    def violation(self, text):
        self.data["violations"].append(text)

    # ---- VMs ----

    def power(self, vm, state):
        runs = state in ("Running", "Paused")
        if runs and not vm.get("pid"):
            sleeper = subprocess.Popen(["sleep", "1000000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
            vm["pid"] = sleeper.pid
            vm["since"] = self.now
        if not runs and vm.get("pid"):
            with contextlib.suppress(OSError):
                os.kill(vm["pid"], signal.SIGKILL)
            vm["pid"] = 0
        vm["state"] = state

    def new_vm(self, host, vm_id, name, like=None):
        folder = self.hosts[host]["path"]
        vm = {
            "id": vm_id, "name": name, "state": "Off", "generation": 2, "version": "8.0", "start": "Nothing",
            "cpus": 2, "memory": 1024 * MIB, "checkpoint": "Production", "pid": 0, "since": 0, "content": 0,
            "heartbeat": True, "deaf": False, "quiesces": True, "snapshots": [], "links": {}, "hbas": 0,
            "files": {}, "protected": False, "says": "", "status": 0, "cpu_max": 100, "cpu_weight": 100,
            "disks": [{"controller": "SCSI", "number": 0, "location": i, "path": f"{folder}\\{name}-{i}.vhdx",
                       "disk_number": None, "shared": False, "size": 1024 * MIB, "file": 64 * MIB, "iops": 0}
                      for i in range(2)],
            "nics": [{"id": f"Microsoft:{vm_id.upper()}\\{uuid.uuid4()}", "mac": f"00155D0000{len(self.hosts[host]['vms']):02X}",
                      "name": "Network Adapter", "switch": "External", "test_switch": None}],
        }
        if like:
            for key in ("generation", "version", "cpus", "memory", "content"):
                vm[key] = like[key]
            vm["nics"] = json.loads(json.dumps(like["nics"]))
        self.hosts[host]["vms"][vm_id] = vm
        return vm

    # ---- time ----

    def tick(self):
        for name, h in self.hosts.items():
            if h["down"]:
                continue
            for vm in list(h["vms"].values()):
                if vm.get("pid") and not alive(vm["pid"]):
                    vm["pid"] = 0
                    self.power(vm, "Off")
                for kind, link in vm["links"].items():
                    if link["mode"] == "Primary" or kind == "Extended":
                        self.run(name, vm, link)

    def partner(self, vm, link):
        """The other end's host, VM and link, where it is reached."""
        host = self.named(link["replica"])
        other = self.vm(host, vm["id"]) if host else None
        return host, other, other["links"].get("Simple") if other else None

    def reached(self, name, link):
        host = self.named(link["replica"])
        if not host or not self.linked(name, host):
            return False
        h = self.hosts[host]
        if not h["server"]["enabled"] or h["full"]:
            return False
        return link["auth"] != "Certificate" or (self.certificate_ok(name) and self.certificate_ok(host))

    def certificate_ok(self, host):
        return any(c["until"] > self.now for c in self.hosts[host]["certificates"])

    def run(self, name, vm, link):
        state = link["state"]
        if state in ("InitialReplicationInProgress", "Resynchronizing"):
            self.run_copy(name, vm, link)
        elif state in ("Replicating", "Error") and link.get("due"):
            self.run_cycles(name, vm, link)

    def run_copy(self, name, vm, link):
        host, other, far = self.partner(vm, link)
        if not far or not self.reached(name, link) or self.now < link["done_at"]:
            return
        if self.data["hold_seed"] or link.get("carried"):
            return
        again = link["state"] == "Resynchronizing"
        link["state"] = far["state"] = "Replicating"
        link["health"] = far["health"] = "Normal"
        if again:
            other["snapshots"] = []
        self.delta(vm, link, other, far)

    def period(self, link):
        return max(1, int(link["freq"] * 1000 / self.data["speed"]))

    def run_cycles(self, name, vm, link):
        _, other, far = self.partner(vm, link)
        good = far and self.reached(name, link) and far["state"] == "Replicating"
        while link["due"] <= self.now:
            link["due"] += self.period(link)
            if not good:
                link["missed"] += 1
            elif link["due"] > self.now:
                self.delta(vm, link, other, far)
        if not good and link["missed"]:
            link["state"], link["health"] = "Error", "Critical"
        elif good:
            link["state"], link["health"] = "Replicating", "Normal"

    def delta(self, vm, link, other, far):
        """What was written goes over; an old state stays as a recovery point."""
        source = link.get("content", vm["content"]) if link["mode"] != "Primary" else vm["content"]
        link["last"] = far["last"] = self.now
        link["due"] = self.now + self.period(link)
        link["done"] += 1
        far["done"] += 1
        if link["history"] and link["done"] % 2 == 1:
            app = bool(link["vss"]) and link["done"] % 4 == 1
            other["snapshots"].insert(0, {
                "id": str(uuid.uuid4()), "name": f"{vm['name']} - ({self.now})", "at": self.now, "state": "Off",
                "type": "AppConsistentReplica" if app else "Replica", "content": source})
            keep = [s for s in other["snapshots"] if s["type"] in ("Replica", "AppConsistentReplica")]
            for s in keep[link["history"]:]:
                other["snapshots"].remove(s)
        far["content"] = source
        onward = other["links"].get("Extended")
        if onward:
            onward["content"] = source


def empty():
    return {"offset": 0, "release": "2016", "speed": 1.0, "language": "en", "hosts": {}, "cut": [], "faults": [],
            "violations": [], "log": [], "hold_seed": False, "near": False, "names": {}}


class World:
    """The site between calls: one at a time."""

    def __init__(self):
        self.data = empty()
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def held(self):
        with self.lock:
            site = Site(self.data)
            site.tick()
            yield site


# ---- what a test does to it ----


def do_host(site, name):
    day = 86400000
    site.hosts[name] = {
        "fqdn": f"{name}.example.test", "cpus": 8, "memory": 65536 * MIB, "path": f"D:\\{name}", "down": False,
        "full": False, "boot": site.now, "vms": {}, "entries": [], "firewall": [],
        "server": {"enabled": False, "auth": "Kerberos", "https": 443, "http": 80, "thumbprint": "", "any": False},
        "certificates": [{"thumbprint": uuid.uuid4().hex.upper(), "name": f"{name}.example.test",
                          "from": site.now - day, "until": site.now + 365 * day, "key": True,
                          "uses": ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]}]}


def do_vm(site, host, vm_id, name):
    site.new_vm(host, vm_id, name)


def do_write(site, host, vm_id, n="1"):
    site.vm(host, vm_id)["content"] += int(n)


def do_content(site, host, vm_id):
    return site.vm(host, vm_id)["content"]


def do_power(site, host, vm_id, state):
    site.power(site.vm(host, vm_id), state)


def do_state(site, host, vm_id):
    vm = site.vm(host, vm_id)
    return f"{vm['state']} " + " ".join(f"{k}:{x['mode']}:{x['state']}" for k, x in sorted(vm["links"].items())) if vm else "none"


def do_seen(site, vm_id):
    """For each host: R when the VM runs, t when a test's copy is there."""
    def of(h):
        vm = h["vms"].get(vm_id)
        return ("R" if vm and vm["state"] == "Running" else "-") + ("t" if vm and any(
            x["test"] for x in vm["links"].values()) else "-")
    return "".join(of(h) for h in site.hosts.values())


def do_last_cycle(site, vm_id, ago_ms):
    """The last cycle of its first relationship was so long ago."""
    for h in site.hosts.values():
        link = h["vms"].get(vm_id, {"links": {}})["links"].get("Simple")
        if link:
            link["last"] = site.now - int(ago_ms)


def do_set(site, host, vm_id, key, value):
    """Anything of a VM, by its key; value is JSON."""
    site.vm(host, vm_id)[key] = json.loads(value)


def do_link_set(site, host, vm_id, key, value):
    site.vm(host, vm_id)["links"]["Simple"][key] = json.loads(value)


def do_disk(site, host, vm_id, n, key, value):
    site.vm(host, vm_id)["disks"][int(n)][key] = json.loads(value)


def do_host_set(site, host, key, value):
    site.hosts[host][key] = json.loads(value)


def do_world(site, key, value):
    site.data[key] = json.loads(value)


def do_advance(site, seconds):
    site.data["offset"] += int(float(seconds) * 1000)
    site.now += int(float(seconds) * 1000)
    site.tick()


def do_cut(site, a, b):
    site.data["cut"].append(sorted([a, b]))


def do_mend(site, a, b):
    site.data["cut"].remove(sorted([a, b]))


def do_expire(site, host):
    for c in site.hosts[host]["certificates"]:
        c["until"] = int(time.time() * 1000) - 1000  # for hosts that are behind the site, too


def do_cluster(site, name, *hosts):
    """Hosts are nodes of one cluster from now on: what replicas are let in by is the cluster's."""
    first = site.hosts[hosts[0]]
    cluster = {"name": name, "domain": "example.test", "mode": 2, "level": 1, "nodes": list(hosts), "groups": {},
               "resources": {}, "domains": [{"name": "london", "type": "Site", "parent": None, "location": "London"}]}
    cluster["domains"] += [{"name": h, "type": "Node", "parent": "london", "location": ""} for h in hosts]
    for h in hosts:
        site.hosts[h].update(cluster=cluster, server=first["server"], entries=first["entries"])


def do_certificate(site, host, name):
    """One more certificate, of this name."""
    own = site.hosts[host]["certificates"]
    own.append({**own[0], "thumbprint": uuid.uuid4().hex.upper(), "name": name})


def do_forget(site, host, vm_id):
    """A person removes a VM that nobody needs any more."""
    site.power(site.hosts[host]["vms"].pop(vm_id), "Off")


def do_server(site, host):
    return site.hosts[host]["server"]["auth"]


def do_carry(site, a, b):
    """The files that one host has written for others are brought to the other."""
    site.hosts[b].setdefault("media", {}).update(site.hosts[a].get("media", {}))


def do_disk_fails(site, host):
    site.hosts[host]["storage"] = "Warning"


def do_card_fails(site, host):
    site.hosts[host]["card"] = "Disconnected"


def do_renew(site, host):
    """A person has put a certificate in that is good for a year."""
    for c in site.hosts[host]["certificates"]:
        c["until"] = site.now + 365 * 86400000


def do_fault(site, host, cmdlet, kind, times="1", value=""):
    site.data["faults"].append({"host": host, "cmdlet": cmdlet, "kind": kind, "times": int(times), "value": value})


def do_power_loss(site, host):
    """Logs were not closed: copies must be compared."""
    for vm in site.hosts[host]["vms"].values():
        site.power(vm, "Off")
        for link in vm["links"].values():
            if link["mode"] == "Primary" and link["state"] in ("Replicating", "Error"):
                link["state"], link["health"] = "WaitingForStartResynchronize", "Critical"
    site.hosts[host]["down"] = True


def do_clean_stop(site, host):
    for vm in site.hosts[host]["vms"].values():
        if vm["state"] == "Running":
            site.power(vm, "Saved")
        for link in vm["links"].values():
            if link["mode"] == "Primary" and link["state"] == "Replicating":
                link["state"], link["health"] = "Error", "Critical"
                link["due"] = 0
    site.hosts[host]["down"] = True


def do_boot(site, host):
    site.hosts[host]["down"] = False
    site.hosts[host]["boot"] = site.now


def do_violations(site):
    return "\n".join(site.data["violations"])


def do_log(site):
    return "\n".join(site.data["log"])


def do_count(site, cmdlet):
    """How often a cmdlet that changes something was called."""
    return sum(line.split()[1] == cmdlet for line in site.data["log"])


def do_logged(site, line):
    return site.data["log"].count(line)


def do_end(site):
    for h in site.hosts.values():
        for vm in h["vms"].values():
            site.power(vm, "Off")
