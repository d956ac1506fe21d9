# SPDX-License-Identifier: Apache-2.0
"""TAP: two agents on folders of their own, real guests. See hosts_test.sh."""
import base64
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

SOURCE = os.environ.get("UD_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ["UD_BINARY_DIR"]
GUEST = f"{SOURCE}/deploy/guest"
DEADLINE = 120  # seconds for one event; a boot under TCG takes some
STARTS = 200 if os.environ.get("UD_TEST_LONG") else 12
KILLS = 20 if os.environ.get("UD_TEST_LONG") else 3

DOMAIN = """<domain type='{kind}'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>128</memory>
<vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type><kernel>{files}/vmlinuz</kernel>
<initrd>{files}/initrd.img</initrd><cmdline>{words}</cmdline></os><features><acpi/></features>
<cpu mode='{cpu}'/><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disks[0]}'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disks[1]}'/>
<target dev='vdb' bus='virtio'/></disk>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<video><model type='vga' vram='8192'/></video><memballoon model='none'/></devices></domain>
"""


class Host:
    def __init__(self, story, name):
        self.name = name
        self.root = f"{story.folder}/{name}"
        self.dir = f"{story.folder}/{name}-agent"
        self.id = None
        self.process = None
        self.guests = []


class Story:
    def __init__(self, folder):
        self.folder = folder
        self.server = None
        self.token = ""
        self.url = ""
        self.hosts = [Host(self, "lon-a"), Host(self, "lon-b")]
        self.environment = {**os.environ, "XDG_CONFIG_HOME": f"{folder}/config"}
        self.log = open(f"{folder}/log", "ab")

    def program(self, name, *words):
        return subprocess.Popen([f"{BINARY}/{name}", *words], stdin=subprocess.DEVNULL, stdout=self.log,
                                stderr=self.log, env=self.environment)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method, headers={
            "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def command(self, *words):
        """The command line; its output."""
        ran = subprocess.run([f"{BINARY}/understudy", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=self.environment, text=True, timeout=300, check=False)
        if ran.returncode:
            raise AssertionError(f"understudy {' '.join(words)}: {ran.returncode} {ran.stdout} {ran.stderr}")
        return ran.stdout

    def until(self, what, look):
        """Ask until there is an answer; what the API says is the event."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                found = look()
            except urllib.error.URLError:
                found = None
            if found:
                return found
            if self.server.poll() is not None:
                raise AssertionError(f"the server ended ({self.server.returncode}): {what}")
            wait_for_a_change(self)
        raise AssertionError(f"late: {what}")

    def ended(self, op, state="succeeded"):
        """Wait for the end of an operation, which must be this one."""
        op = self.until(f"{op['kind']} ends",
                        lambda: (o := self.call("GET", f"/v1/operations/{op['id']}?wait=10"))["ended_at"] and o)
        if op["state"] != state:
            raise AssertionError(f"{op['kind']} {op['state']}: {op['error']}")

    def vm(self, name):
        for vm in self.call("GET", f"/v1/vms?q={name}")["data"]:
            if vm["name"] == name:
                return vm
        return None

    def power(self, name, power):
        return self.until(f"{name} is {power}", lambda: (v := self.vm(name)) and v["power"] == power and v)

    def shows(self, name, power):
        """An operation has ended: what is shown is what it left."""
        vm = self.vm(name)
        expect(f"power of {name}", vm["power"], power)
        return vm

    def end(self):
        for host in self.hosts:
            for process in (host.process,):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()
            end_guests(host.root)
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait()


def wait_for_a_change(s):
    """The log of events is followed until it says something, or for a moment: not every change is an event."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{s.url}/v1/events/stream", headers={
                "Authorization": f"Bearer {s.token}"}), timeout=0.5) as stream:
            while (line := stream.readline()) and not line.startswith(b"data:"):
                pass
    except OSError:
        pass


def pids(root):
    """Processes of the guests of a folder, by the files that libvirt keeps."""
    folder = f"{root}/run/qemu"
    found = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.endswith(".pid") and name != "driver.pid":
            with open(f"{folder}/{name}", encoding="ascii") as f:
                found[name[:-4]] = int(f.read().strip() or 0)
    return found


def end_guests(root):
    for pid in pids(root).values():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if b"qemu" in f.read():
                    os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def free_port():
    return int(run(os.path.join(SOURCE, "tests/support/free_ports")))


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def expect(what, have, want):
    if have != want:
        raise AssertionError(f"{what}: {have!r}, not {want!r}")


# ---- the story ----


def a_server_is_made(s):
    port, agents = free_port(), free_port()
    with open(f"{s.folder}/password", "w", encoding="ascii") as f:
        f.write("a Fine and long phrase\n")
    run(f"{BINARY}/understudyd", "init", "--dir", f"{s.folder}/i", "--admin-email", "admin@example.net",
        "--admin-password-file", f"{s.folder}/password", "--admin-token-file", f"{s.folder}/token")
    with open(f"{s.folder}/i/conf.d/test.conf", "w", encoding="ascii") as f:
        f.write(f"[server]\nlisten=127.0.0.1:{port}\n[agents]\nlisten=127.0.0.1:{agents}\n"
                f"public_url=https://127.0.0.1:{agents}\n[auth]\nrequire_mfa=none\n")
    with open(f"{s.folder}/token", encoding="ascii") as f:
        s.token = f.read().strip()
    s.url = f"http://127.0.0.1:{port}"
    s.environment |= {"UNDERSTUDY_URL": s.url, "UNDERSTUDY_TOKEN": s.token}
    serve(s)


def serve(s):
    s.server = s.program("understudyd", "serve", "--config", f"{s.folder}/i/understudyd.conf")
    s.until("the server is ready", lambda: s.call("GET", "/v1/sites") is not None)


def it_starts_while_streams_are_opened(s):
    """Who listens comes again the moment the server is back: before all of it is there."""
    over = threading.Event()
    port = int(s.url.rsplit(":", 1)[1])
    words = f"GET /v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {s.token}\r\n\r\n".encode()

    def listen():
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as c:
                    c.sendall(words)
                    c.settimeout(0.2)
                    c.recv(100)
            except OSError:
                pass

    listeners = [threading.Thread(target=listen) for _ in range(4)]
    for one in listeners:
        one.start()
    try:
        for _ in range(STARTS):
            s.server.send_signal(signal.SIGKILL)
            s.server.wait()
            serve(s)
    finally:
        over.set()
        for one in listeners:
            one.join()


def guests_lie_on_the_hosts(s):
    run(f"{GUEST}/build", f"{s.folder}/files")
    accel = run(f"{GUEST}/accel", f"{s.folder}/files/vmlinuz").strip()
    with open(f"{s.folder}/files/cmdline", encoding="ascii") as f:
        words = f.read().strip()
    for i, (host, name) in enumerate([(0, "sql-01"), (0, "web-01"), (1, "app-01")]):
        h = s.hosts[host]
        os.makedirs(f"{h.root}/etc/qemu", exist_ok=True)
        os.makedirs(f"{h.root}/disks", exist_ok=True)
        run(f"{GUEST}/disks", f"{h.root}/disks", name, "32", "32")
        with open(f"{h.root}/etc/qemu/{name}.xml", "w", encoding="ascii") as f:
            f.write(DOMAIN.format(kind="kvm" if accel == "kvm" else "qemu", cpu="host-passthrough" if accel == "kvm"
                                  else "maximum", name=name, uuid=f"7d0c3a52-0000-4000-8000-00000000000{i + 1}",
                                  files=f"{s.folder}/files", words=f"{words} ud.disks=2",
                                  disks=[f"{h.root}/disks/{name}-vd{d}.qcow2" for d in "ab"]))
        h.guests.append(name)
    os.chmod(s.folder, 0o755)  # QEMU runs as a user of its own


def hosts_are_added_as_the_pages_say(s):
    site = json.loads(s.command("site", "create", "--name", "London", "--code", "lon", "--kind", "provider_dc",
                                "--time-zone", "Europe/London", "-o", "json"))["id"]
    for h in s.hosts:
        h.id = json.loads(s.command("host", "create", "--name", h.name, "--site-id", site, "--hypervisor", "kvm",
                                    "-o", "json"))["id"]
        words = json.loads(s.command("host", "enroll", h.id, "-o", "json"))["command"].split()
        expect("the command", words[:2], ["understudy-agent", "enroll"])
        words[words.index("--dir") + 1] = h.dir
        run(f"{BINARY}/understudy-agent", *words[1:], "--hypervisor-uri", f"qemu:///embed?root={h.root}",
            "--replication-listen", f"127.0.0.1:{free_port()}")
        begin_agent(s, h)


def begin_agent(s, h):
    h.process = s.program("understudy-agent", "run", "--config", f"{h.dir}/agent.conf")


def the_guests_appear(s):
    began = time.monotonic()
    for h in s.hosts:
        for name in h.guests:
            vm = s.until(f"{name} appears", lambda n=name: s.vm(n))
            expect(f"host of {name}", vm["host_id"], h.id)
            expect(f"power of {name}", vm["power"], "off")
        s.until(f"{h.name} is active", lambda i=h.id: s.call("GET", f"/v1/hosts/{i}")["state"] == "active")
    print(f"# all there {time.monotonic() - began:.1f} s after the agents were started")


def one_starts_by_the_command_line(s):
    began = time.monotonic()
    s.command("vm", "start", "sql-01", "--wait")
    s.shows("sql-01", "running")
    print(f"# started in {time.monotonic() - began:.1f} s")
    expect("its processes", list(pids(s.hosts[0].root)), ["sql-01"])


def another_by_the_api(s):
    vm = s.vm("app-01")
    op = s.call("POST", f"/v1/vms/{vm['id']}/start", {})
    expect("kind", op["kind"], "vm_start")
    s.ended(op)
    s.shows("app-01", "running")


def one_stops_by_the_command_line(s):
    s.until("it has started so far that it hears", lambda: s.vm("sql-01")["guest_agent"] == "connected")
    s.command("vm", "shutdown", "sql-01", "--timeout-seconds", "60", "--hard", "--wait")
    s.shows("sql-01", "off")
    expect("its processes", pids(s.hosts[0].root), {})


def guests_outlive_their_agent(s):
    h = s.hosts[1]
    before = pids(h.root)["app-01"]
    for _ in range(KILLS):
        h.process.send_signal(signal.SIGKILL)
        h.process.wait()
        expect("the guest runs", alive(before), True)
        begin_agent(s, h)
        # a command reaches the new one, and it knows the guest
        vm = s.vm("app-01")
        op = s.call("POST", f"/v1/vms/{vm['id']}/diagnose", {})
        s.ended(op)
        s.power("app-01", "running")
    expect("the same process", pids(h.root)["app-01"], before)


def a_command_outlives_the_agent(s):
    """Killed at a moment of chance while it starts a guest: started once, and told."""
    h = s.hosts[0]
    for i in range(KILLS):
        vm = s.power("web-01", "off")
        op = s.call("POST", f"/v1/vms/{vm['id']}/start", {})
        threading.Event().wait(0.15 * i % 1)  # the moment itself: before, while and after it starts
        h.process.send_signal(signal.SIGKILL)
        h.process.wait()
        begin_agent(s, h)
        s.ended(op)
        s.power("web-01", "running")
        expect("processes", list(pids(h.root)), ["web-01"])
        s.command("vm", "stop", "web-01", "--wait")


def a_command_outlives_the_server(s):
    vm = s.power("web-01", "off")
    op = s.call("POST", f"/v1/vms/{vm['id']}/start", {})
    s.server.send_signal(signal.SIGKILL)
    s.server.wait()
    serve(s)
    s.ended(op)
    s.power("web-01", "running")
    s.command("vm", "stop", "web-01", "--wait")


def taken(s, replication):
    """Points that the source's cycles made, by its log: the server has no part in it."""
    s.log.flush()
    with open(f"{s.folder}/log", encoding="utf-8", errors="replace") as f:
        return re.findall(rf" event=cycle relation={replication} point=(rpt_\w+)", f.read())


def wait_taken(s, replication, n):
    """Wait for a point by the log, not by the server."""
    end = time.monotonic() + DEADLINE
    while len(now := taken(s, replication)) < n:
        if time.monotonic() > end:
            raise AssertionError(f"late: point {n} of {replication}")
        for h in s.hosts:
            expect(f"{h.name}'s agent", h.process.poll(), None)
        time.sleep(0.05)
    return now


def told(s, replication):
    return [p["id"] for p in s.call("GET", f"/v1/replications/{replication}/recovery-points?limit=200")["data"]]


def replication_outlives_the_server(s):
    """Killed as a point is told, and in the midst of a cycle: cycles go on, and each point is told, once."""
    vm = s.vm("app-01")
    customer = s.call("POST", "/v1/customers", {"name": "Acme", "account_number": "A-1", "time_zone": "UTC"})["id"]
    s.call("POST", "/v1/subscriptions", {"customer_id": customer, "kind": "managed", "add_ons": ["hyperv_replica"]})
    s.command("vm", "edit", "app-01", "--customer-id", customer, "--managed")
    s.ended(s.call("POST", f"/v1/vms/{vm['id']}/replications", {
        "target_host_id": s.hosts[0].id, "schedule_interval_seconds": 5, "recovery_points_kept": 200,
        "rpo_target_seconds": 60, "rto_target_seconds": 120, "waivers": ["same_site"]}))
    replication = s.call("GET", f"/v1/replications?vm_id={vm['id']}")["data"][0]["id"]
    meanwhile, kills = 0, KILLS if os.environ.get("UD_TEST_LONG") else 1
    for i in range(kills):
        before = wait_taken(s, replication, len(taken(s, replication)) + 1)
        if i % 2:  # not as it is told, but when the next one is on its way
            s.until("it is told", lambda n=before[-1]: n in told(s, replication))
        s.server.send_signal(signal.SIGKILL)
        s.server.wait()
        now = wait_taken(s, replication, len(before) + 1)
        meanwhile += len(now) - len(before)
        serve(s)
        s.until("all points are told", lambda n=tuple(now): set(n) <= set(told(s, replication)))
    known = told(s, replication)
    expect("points told twice", [p for p in set(known) if known.count(p) > 1], [])
    expect("points that nobody took", set(known) - set(taken(s, replication)), set())
    r = s.call("GET", f"/v1/replications/{replication}")
    expect("its state, and what is wrong", (r["state"], r["error"]), ("replicating", None))
    events = [e["type"] for e in s.call("GET", f"/v1/events?subject_id={replication}&limit=200")["data"]]
    expect("told of its begin", (events.count("replication.created"), events.count("replication.seeded")), (1, 1))
    print(f"# {kills} kills, {len(known)} points, {meanwhile} of them taken meanwhile")


def finished(s, *words):
    """An operation by the command line, waited for; its output."""
    op = json.loads(s.command(*words, "--wait", "-o", "json"))
    expect(f"{' '.join(words)}: state", op["state"], "succeeded")
    return op["output"] or {}


def b64(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def a_guest_is_worked_on(s):
    """Through its agent, and at its hypervisor: what the driver offers, by the command line."""
    s.command("vm", "edit", "app-01", "--managed")
    s.until("the guest's agent is there", lambda: s.vm("app-01")["guest_agent"] == "connected")
    ran = finished(s, "vm", "run", "app-01", "--program", "/bin/busybox", "--arguments", "uname", "--arguments", "-s")
    expect("the program's end", (ran["exit_status"], ran["output"].strip()), (0, "Linux"))
    finished(s, "vm", "write-file", "app-01", "--path", "/tmp/note", "--content", b64("kept"))
    read = finished(s, "vm", "read-file", "app-01", "--path", "/tmp/note")
    expect("the file", read["content"], b64("kept"))
    finished(s, "vm", "screenshot", "app-01")
    vm = s.vm("app-01")
    picture = urllib.request.Request(f"{s.url}/v1/vms/{vm['id']}/screenshot",
                                     headers={"Authorization": f"Bearer {s.token}"})
    with urllib.request.urlopen(picture, timeout=60) as answer:
        expect("the picture", answer.read(8), b"\x89PNG\r\n\x1a\n")
    expect("the definition's VM", "<name>app-01</name>" in json.dumps(finished(s, "vm", "definition", "app-01")), True)
    bundle = json.dumps(finished(s, "vm", "diagnose", "app-01"))
    expect("the bundle", [w for w in ("qemu", "disk", "vda") if w not in bundle], [])
    # CPU limits are cgroups', and libvirt embedded has none
    finished(s, "vm", "limit", "app-01", "--disk-iops", "500", "--disk-bytes-per-second", "8000000")
    limits = json.loads(s.command("vm", "limits", "app-01", "-o", "json"))
    expect("limits as told", (limits["disk_iops"], limits["disk_bytes_per_second"]), (500, 8000000))
    finished(s, "vm", "limit", "app-01")


def a_guest_agent_that_hangs_holds_nothing_up(s):
    """It is stopped inside the guest for a while: operations end all the same, with what is seen."""
    hang = "(sleep 1; kill -STOP $(pidof qemu-ga); sleep 12; kill -CONT $(pidof qemu-ga)) >/dev/null 2>&1 &"
    finished(s, "vm", "run", "app-01", "--program", "/bin/busybox", "--arguments", "sh",
             "--arguments=-c", "--arguments", hang)
    began, rounds = time.monotonic(), 0
    while time.monotonic() - began < 8:
        finished(s, "vm", "pause", "app-01")
        s.shows("app-01", "paused")
        finished(s, "vm", "resume", "app-01")
        s.shows("app-01", "running")
        rounds += 1
    print(f"# {rounds} rounds with an agent that hangs")
    path, true = f"/v1/vms/{s.vm('app-01')['id']}/run", {"program": "/bin/busybox", "arguments": ["true"]}
    s.until("it answers again", lambda: s.call(
        "GET", f"/v1/operations/{s.call('POST', path, true)['id']}?wait=25")["state"] == "succeeded")


def its_state_is_kept(s):
    """Paused, saved, reset, and put back to a checkpoint of its frozen file systems."""
    finished(s, "vm", "pause", "app-01")
    s.shows("app-01", "paused")
    finished(s, "vm", "resume", "app-01")
    s.shows("app-01", "running")
    taken = finished(s, "vm", "checkpoint", "app-01", "--name", "before", "--kind", "production")
    expect(f"consistency: {taken.get('reason')}", taken["consistency"], "application")
    kept = json.loads(s.command("checkpoint", "list", "app-01", "-o", "json"))["data"]
    expect("checkpoints", [(k["name"], k["kind"]) for k in kept], [("before", "production")])
    finished(s, "checkpoint", "delete", kept[0]["id"], "--yes")
    finished(s, "vm", "save", "app-01")
    s.shows("app-01", "saved")
    finished(s, "vm", "start", "app-01")
    s.shows("app-01", "running")
    finished(s, "vm", "reset", "app-01")


def hosts_tell_of_themselves(s):
    h = s.hosts[1]
    facts = json.loads(s.command("host", "facts", h.id, "-o", "json"))["facts"]
    expect("facts", [k for k in ("cpu_model", "memory_bytes", "versions") if not facts.get(k)], [])
    for part in ("networks", "storage", "teams"):
        expect(part, isinstance(json.loads(s.command("host", part, h.id, "-o", "json"))[part], list), True)
    finished(s, "host", "diagnose", h.id)
    agent = json.loads(s.command("agent", "list", "--host-id", h.id, "-o", "json"))["data"][0]["id"]
    finished(s, "agent", "fetch-logs", agent)
    lines = s.command("agent", "logs", agent)
    expect(f"its log: {lines[:300]}", "event=" in lines, True)
    tree = s.command("topology", "-o", "json")
    expect("the tree", [w for w in ("London", "lon-a", "lon-b", "sql-01", "app-01") if w not in tree], [])
    figures = s.until("two figures", lambda: len(f := s.call("GET", f"/v1/vms/{s.vm('app-01')['id']}/metrics")["data"])
                      > 1 and f)
    at = [datetime.datetime.fromisoformat(f["taken_at"].replace("Z", "+00:00")) for f in figures]
    print("# seconds between figures:", [round((b - a).total_seconds(), 1) for a, b in zip(at, at[1:])])


def a_host_is_drained(s):
    h = s.hosts[1]
    drain = json.loads(s.command("host", "drain", h.id, "-o", "json"))
    expect("what still runs", [step["name"] for step in drain["steps"]], ["app-01"])
    s.command("vm", "stop", "app-01", "--wait")
    vm = s.shows("app-01", "off")
    blocked = {b["op"]: b["reason_code"] for b in vm["blocked_operations"]}
    expect("a start", blocked.get("start"), "host_draining")
    s.command("host", "resume", h.id)
    s.command("vm", "start", "app-01", "--wait")
    s.shows("app-01", "running")


def a_restored_server_hears_its_hosts(s):
    """A copy from before the newest commands: their numbers are not given out again."""
    folder = f"{s.folder}/i"
    run(f"{BINARY}/understudyd", "backup", "--config", f"{folder}/understudyd.conf", "--to", f"{s.folder}/copy")
    for _ in range(2):
        s.command("vm", "start", "web-01", "--wait")
        s.command("vm", "stop", "web-01", "--wait")
    s.server.send_signal(signal.SIGTERM)
    s.server.wait()
    for name in os.listdir(folder):
        if name.startswith("understudy.db"):
            os.unlink(f"{folder}/{name}")
    run(f"{BINARY}/understudyd", "restore", "--from", f"{s.folder}/copy", "--dir", folder)
    began = time.monotonic()
    serve(s)
    first = json.loads(s.command("recovery", "show", "-o", "json"))["state"]
    s.until("all hosts are heard", lambda: s.call("GET", "/v1/recovery")["state"] == "none")
    print(f"# {first}; all hosts were heard {time.monotonic() - began:.1f} s after the server was started")
    s.command("vm", "start", "web-01", "--wait")
    s.power("web-01", "running")
    s.command("vm", "stop", "web-01", "--wait")


STORY = [a_server_is_made, it_starts_while_streams_are_opened, guests_lie_on_the_hosts,
         hosts_are_added_as_the_pages_say, the_guests_appear,
         one_starts_by_the_command_line, another_by_the_api, one_stops_by_the_command_line,
         guests_outlive_their_agent, a_command_outlives_the_agent, a_command_outlives_the_server,
         replication_outlives_the_server,
         a_guest_is_worked_on, a_guest_agent_that_hangs_holds_nothing_up, its_state_is_kept, hosts_tell_of_themselves,
         a_host_is_drained, a_restored_server_hears_its_hosts]


def main():
    folder = tempfile.mkdtemp(prefix="udh-", dir="/tmp")
    story = Story(folder)
    bad = False
    print(f"1..{len(STORY)}")
    try:
        for n, step in enumerate(STORY, 1):
            name = step.__name__.replace("_", " ")
            began = time.monotonic()
            try:
                step(story)
                print(f"# {time.monotonic() - began:.1f} s")
                print(f"ok {n} - {name}", flush=True)
            except Exception as why:  # pylint: disable=broad-except
                bad = True
                story.log.flush()
                with open(f"{folder}/log", encoding="utf-8", errors="replace") as f:
                    log = f.read().splitlines()
                warned = [line.split("event=")[1][:120] for line in log if "level=warning" in line or "level=error" in line]
                # whoever reads a report that was cut has the beginning
                print(f"# {name}, after {time.monotonic() - began:.1f} s: {str(why)[:600]!r}; warned of: {warned[-6:]}")
                for line in traceback.format_exc().splitlines():
                    print(f"# {line}")
                for line in log[-25:]:
                    print(f"# log: {line[:300]}")
                print(f"not ok {n} - {name}", flush=True)
                break
    finally:
        story.end()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
