# SPDX-License-Identifier: Apache-2.0
"""TAP: the programs of build/windows under wine. See tests/agent/wine_test.sh."""
import glob
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("UD_BINARY_DIR") or f"{SOURCE}/build/gcc"
WINDOWS = f"{SOURCE}/build/windows"
WINE = "/usr/lib/wine/wine64"
DEADLINE = 120  # seconds for one event
LONG = bool(os.environ.get("UD_TEST_LONG"))
ROUNDS = 20 if LONG else 2
OWN = ("leases", "places", "programs")  # tests of Windows' own; those of shared parts run in --long alone
NAME = "Agent Zürich 雪"  # no code page has it


class Story:
    def __init__(self, folder):
        self.folder = folder
        self.server = self.agent = self.somebody = None
        self.token = self.url = self.agents_url = self.pin = self.enrolment = ""
        self.host = self.dir = None
        self.log = open(f"{folder}/log", "ab")
        self.environment = {**os.environ, "XDG_CONFIG_HOME": f"{folder}/config"}
        self.wine = {"PATH": "/usr/bin:/bin", "HOME": folder, "WINEPREFIX": f"{folder}/wine", "WINEDEBUG": "-all",
                     "LC_ALL": "C.UTF-8", "CMOCKA_MESSAGE_OUTPUT": "TAP", **({"UD_TEST_LONG": "1"} if LONG else {})}

    def windows(self, program, *words, timeout=DEADLINE):
        """Run one to its end: (status, what it said)."""
        path = program if "\\" in program or os.path.isabs(program) else f"{WINDOWS}/{program}"
        with tempfile.TemporaryFile(dir=self.folder) as out:  # a pipe would wait for what the program leaves behind
            ran = subprocess.run([WINE, path, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.wine,
                                 timeout=timeout, check=False)
            out.seek(0)
            text = out.read().decode("utf-8", "replace").replace("\r", "")
        self.log.write(f"{program} {words}: {ran.returncode}\n{text}".encode())
        return ran.returncode, text

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method, headers={
            "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def until(self, what, look):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                found = look()
            except (urllib.error.URLError, ConnectionError):
                found = None
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"late: {what}")

    def serve(self):
        self.server = subprocess.Popen([f"{BINARY}/understudyd", "serve", "--config", f"{self.folder}/i/understudyd.conf"],
                                       stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.environment)
        self.until("the server is ready", lambda: self.call("GET", "/v1/sites") is not None)

    def begin_agent(self, program="understudy-agent.exe"):
        path = f"{self.folder}/agent-{time.monotonic_ns()}.log"
        with open(path, "wb") as out:
            self.agent = subprocess.Popen([WINE, f"{WINDOWS}/{program}", "run", "--config", f"{self.dir}/agent.conf"],
                                          stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.wine)
        return path

    def end_agent(self):
        if self.agent:
            self.agent.kill()
            self.agent.wait()
        self.agent = None

    def seen(self):
        """This host's agent, as the server knows it."""
        for a in self.call("GET", "/v1/agents")["data"]:
            if a["host_id"] == self.host and a["state"] == "active":
                return a
        return None

    def connected(self):
        return (a := self.seen()) and a["connected"] and a

    def service(self, name):
        """The state that the service manager tells."""
        _, text = self.windows("C:\\windows\\system32\\sc.exe", "query", name)
        found = re.search(r"STATE\s*:\s*\d+\s+(\w+)", text)
        return found.group(1) if found else None

    def end(self):
        self.end_agent()
        subprocess.run(["/usr/lib/wine/wineserver64", "-k", "-w"], env=self.wine, check=False, timeout=60)
        if self.somebody:
            self.somebody.wait()
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait()


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def free_port():
    return int(run(os.path.join(SOURCE, "tests/support/free_ports")))


def run(*words, **more):
    return subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **more).stdout


def expect(what, have, want):
    if have != want:
        raise AssertionError(f"{what}: {have!r}, not {want!r}")


def expect_in(what, text, want):
    if want not in text:
        raise AssertionError(f"{what}: no {want!r} in {text!r}")


# ---- certificates of a stranger ----

CA_CONF = """[ca]
default_ca = x
[x]
database = {dir}/index
new_certs_dir = {dir}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """A root of its own, and certificates as wrong as a test wants them."""

    def __init__(self, folder):
        self.dir = folder
        os.makedirs(folder)
        open(f"{folder}/index", "w", encoding="ascii").close()
        with open(f"{folder}/conf", "w", encoding="ascii") as f:
            f.write(CA_CONF.format(dir=folder))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-keyout", f"{folder}/root.key", "-out", f"{folder}/root.pem", "-subj", "/CN=a root", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign")
        self.pin = run("openssl", "x509", "-in", f"{folder}/root.pem", "-noout", "-fingerprint", "-sha256").split("=")[1].strip()

    def issue(self, name, address="127.0.0.1", purpose="serverAuth", years=("20200101", "20490101")):
        """The chain, root included, with its key."""
        path = f"{self.dir}/{name}"
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{path}.key",
            "-out", f"{path}.csr", "-subj", f"/CN={name}")
        with open(f"{path}.ext", "w", encoding="ascii") as f:
            f.write(f"basicConstraints=critical,CA:FALSE\nextendedKeyUsage={purpose}\nsubjectAltName=IP:{address}\n")
        run("openssl", "ca", "-batch", "-notext", "-config", f"{self.dir}/conf", "-cert", f"{self.dir}/root.pem",
            "-keyfile", f"{self.dir}/root.key", "-in", f"{path}.csr", "-out", f"{path}.pem", "-extfile", f"{path}.ext",
            "-startdate", f"{years[0]}000000Z", "-enddate", f"{years[1]}000000Z")
        with open(f"{path}.chain", "w", encoding="ascii") as f:
            f.write(read(f"{path}.pem") + read(f"{self.dir}/root.pem") + read(f"{path}.key"))
        return f"{path}.chain"


class Impostor:
    """A TLS server with such a certificate: counts the bytes that anybody trusts it with, and answers 404."""

    def __init__(self, chain):
        self.heard = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, args=(context,), daemon=True)
        self.thread.start()

    def serve(self, context):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(DEADLINE)
            try:
                with context.wrap_socket(plain, server_side=True) as s:
                    self.heard += len(s.recv(65536))
                    s.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                plain.close()

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


# ---- the story ----


def a_prefix_is_made(s):
    os.makedirs(s.wine["WINEPREFIX"])
    words = {"env": s.wine, "stdin": subprocess.DEVNULL, "stdout": s.log, "stderr": s.log}
    subprocess.run([WINE, "wineboot", "--init"], check=True, timeout=DEADLINE, **words)
    # begun anew: what comes while the first session ends would get a second service manager beside its own
    subprocess.run(["/usr/lib/wine/wineserver64", "-w"], check=True, timeout=DEADLINE, **words)
    # as long as somebody is there, the session and its services go on
    with open(f"{s.folder}/somebody", "wb") as out:
        s.somebody = subprocess.Popen([WINE, f"{WINDOWS}/child.exe", "hold", "somebody"], **{**words, "stdout": out})
    s.until("somebody is there", lambda: "holding" in read(f"{s.folder}/somebody"))
    status, text = s.windows("understudy-agent.exe", "--version")
    expect("status", status, 0)
    print(f"# {text.strip()}")
    status, text = s.windows("understudy-agent.exe", "nonsense")
    expect("status", status, 2)
    expect_in("what it says", text, "there is no command nonsense")


def a_server_is_made(s):
    port, agents = free_port(), free_port()
    with open(f"{s.folder}/password", "w", encoding="ascii") as f:
        f.write("a Fine and long phrase\n")
    run(f"{BINARY}/understudyd", "init", "--dir", f"{s.folder}/i", "--admin-email", "admin@example.net",
        "--admin-password-file", f"{s.folder}/password", "--admin-token-file", f"{s.folder}/token")
    s.agents_url = f"https://127.0.0.1:{agents}"
    with open(f"{s.folder}/i/conf.d/test.conf", "w", encoding="ascii") as f:
        f.write(f"[server]\nlisten=127.0.0.1:{port}\n[agents]\nlisten=127.0.0.1:{agents}\npublic_url={s.agents_url}\n"
                "[auth]\nrequire_mfa=none\n")
    s.token = read(f"{s.folder}/token").strip()
    s.url = f"http://127.0.0.1:{port}"
    s.serve()
    site = s.call("POST", "/v1/sites", {"name": "London", "code": "lon", "kind": "provider_dc",
                                        "time_zone": "Europe/London"})["id"]
    s.host = s.call("POST", "/v1/hosts", {"name": "hv-1", "site_id": site, "hypervisor": "hyperv"})["id"]
    words = s.call("POST", f"/v1/hosts/{s.host}/enroll", {})["command"].split()
    s.pin, s.enrolment = (words[words.index(f) + 1] for f in ("--ca-sha256", "--token"))


def enroll(s, folder, **change):
    words = {"--server": s.agents_url, "--ca-sha256": s.pin, "--token": s.enrolment, "--dir": folder,
             "--hypervisor-uri": "hyperv:", **{f"--{k.replace('_', '-')}": v for k, v in change.items()}}
    return s.windows("understudy-agent.exe", "enroll", *[w for pair in words.items() for w in pair])


def nobody_but_the_pinned_server_gets_the_token(s):
    ours = Authority(f"{s.folder}/authority")
    cases = [("good", {}, "the server answered 404"), ("expired", {"years": ("20200101", "20200201")}, None),
             ("early", {"years": ("20480101", "20490101")}, None), ("other", {"address": "10.0.0.1"}, None),
             ("client", {"purpose": "clientAuth"}, None), ("foreign", {}, None)]
    for name, how, wanted in cases:
        impostor = Impostor(ours.issue(name, **how))
        pin = "0" * 64 if name == "foreign" else ours.pin
        status, text = enroll(s, f"{s.folder}/none", server=f"https://127.0.0.1:{impostor.port}", ca_sha256=pin)
        impostor.end()
        expect(f"{name}: status", status, 1)
        expect_in(name, text, wanted or "is not the server it should be")
        expect(f"{name}: something was said", impostor.heard > 0, wanted is not None)
    status, text = enroll(s, f"{s.folder}/none", ca_sha256="f" * 64)
    expect_in("a wrong pin", text, "is not the server it should be")
    status, text = enroll(s, f"{s.folder}/none", ca_sha256="f" * 63)
    expect_in("half a pin", text, "64 hexadecimal digits")


def an_agent_enrols_into_a_folder_of_any_name(s):
    s.dir = f"{s.folder}/{NAME}"
    status, text = enroll(s, "Z:" + s.dir.replace("/", "\\"))
    expect(f"status ({text})", status, 0)
    expect_in("what it says", text, f"of {s.host}")
    for name in ("identity.pem", "agent.conf"):
        expect(f"{name} for others", os.stat(f"{s.dir}/{name}").st_mode & 0o007, 0)
    status, text = enroll(s, f"{s.folder}/twice")
    expect("a token is good once", status, 1)
    print(f"# the second time: {text.strip()}")


def it_runs_and_the_server_sees_it(s):
    path = s.begin_agent()
    agent = s.until("it is connected", s.connected)
    expect("its version", agent["agent_version"], s.windows("understudy-agent.exe", "--version")[1].strip())
    s.end_agent()
    expect_in("its log", read(path), "event=running")


def a_foreign_root_is_not_believed(s):
    with_file(s, "ca.pem", read(f"{s.folder}/authority/root.pem"), "code=unauthenticated")


def a_foreign_identity_is_not_believed(s):
    authority = Authority(f"{s.folder}/other")
    chain = authority.issue(s.seen()["id"], purpose="clientAuth")
    with_file(s, "identity.pem", read(chain), "server_not_reached")


def with_file(s, name, content, wanted):
    """Run with another file in the folder: never connected, and the log says why. Then with the right one again."""
    right = read(f"{s.dir}/{name}")
    s.until("nobody is connected", lambda: not s.connected())
    before = s.seen()["last_seen_at"]
    with open(f"{s.dir}/{name}", "w", encoding="ascii") as f:
        f.write(content)
    path = s.begin_agent()
    s.until(f"{wanted} is told", lambda: wanted in read(path))
    s.end_agent()
    expect("it was not seen", s.seen()["last_seen_at"], before)
    with open(f"{s.dir}/{name}", "w", encoding="ascii") as f:
        f.write(right)
    s.begin_agent()
    s.until("it is seen again", lambda: s.seen()["last_seen_at"] != before)
    s.end_agent()


def commands_are_done(s):
    """The same program with a hypervisor in memory: what the server says reaches a VM, and its answer the server."""
    conf = read(f"{s.dir}/agent.conf")
    with open(f"{s.dir}/agent.conf", "w", encoding="utf-8") as f:
        f.write(conf.replace("uri=hyperv:", "uri=scripted:wine"))
    s.begin_agent("scripted-agent.exe")
    vm = s.until("its VMs appear", lambda: {v["name"]: v for v in s.call("GET", "/v1/vms")["data"]}.get("web-01"))
    s.until("the host is active", lambda: s.call("GET", f"/v1/hosts/{s.host}")["state"] == "active")
    for _ in range(ROUNDS):
        power(s, vm, "start", "running")
        power(s, vm, "stop", "off")
    # the line is made again, and the next command takes it
    s.server.kill()
    s.server.wait()
    s.serve()
    s.until("it is connected again", s.connected)
    power(s, vm, "start", "running")
    s.end_agent()
    with open(f"{s.dir}/agent.conf", "w", encoding="utf-8") as f:
        f.write(conf)


def ended(s, op):
    op = s.until(f"{op['kind']} ends", lambda: (o := s.call("GET", f"/v1/operations/{op['id']}"))["ended_at"] and o)
    expect(f"{op['kind']} {op['error']}", op["state"], "succeeded")


def power(s, vm, verb, state):
    ended(s, s.call("POST", f"/v1/vms/{vm['id']}/{verb}", {}))
    s.until(f"it is {state}", lambda: s.call("GET", f"/v1/vms/{vm['id']}")["power"] == state)


def it_is_a_service(s):
    config = "Z:" + s.dir.replace("/", "\\") + "\\agent.conf"
    status, text = s.windows("understudy-agent.exe", "service", "install", "--config", config)
    expect(f"status ({text})", status, 0)
    status, text = s.windows("understudy-agent.exe", "service", "install", "--config", config)
    expect_in("twice", text, "already")
    for name in ("understudy-agent", "understudy-guard"):
        expect(f"{name} before", s.service(name), "STOPPED")
        s.windows("C:\\windows\\system32\\net.exe", "start", name)
        s.until(f"{name} runs", lambda n=name: s.service(n) == "RUNNING")
    s.until("the server sees it", s.connected)
    s.until("its log is written", lambda: "event=running" in read(f"{s.dir}/agent.log"))
    expect_in("the guard's log", read(f"{s.dir}/guard.log"), "event=guarding")
    for _ in range(ROUNDS):
        s.windows("C:\\windows\\system32\\net.exe", "stop", "understudy-agent")
        s.until("it stops", lambda: s.service("understudy-agent") == "STOPPED")
        s.windows("C:\\windows\\system32\\net.exe", "start", "understudy-agent")
        s.until("it runs again", lambda: s.service("understudy-agent") == "RUNNING")
    s.until("the server sees it again", s.connected)
    status, text = s.windows("understudy-agent.exe", "service", "remove")
    expect(f"removal ({text})", status, 0)
    for name in ("understudy-agent", "understudy-guard"):
        s.until(f"{name} is gone", lambda n=name: s.service(n) is None)
    status, text = s.windows("understudy-agent.exe", "service", "remove")
    expect_in("removal again", text, "there is no service")
    status, text = s.windows("understudy-agent.exe", "service", "run", "--config", config)
    expect_in("by hand", text, "Windows did not start this as a service")


STORY = [a_prefix_is_made, a_server_is_made, nobody_but_the_pinned_server_gets_the_token,
         an_agent_enrols_into_a_folder_of_any_name, it_runs_and_the_server_sees_it, a_foreign_root_is_not_believed,
         a_foreign_identity_is_not_believed, commands_are_done, it_is_a_service]


class Tap:
    def __init__(self):
        self.n = 0
        self.bad = False

    def say(self, good, name):
        self.n += 1
        self.bad |= not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)


def programs(s, tap):
    """The cases of the test programs, as cases of ours."""
    for path in sorted(glob.glob(f"{WINDOWS}/*_test.exe")):
        name = os.path.basename(path)[:-9]
        if name not in OWN and not LONG:
            continue
        status, text = s.windows(path, timeout=600)
        cases = re.findall(r"^(not )?ok \d+ - (\w+)", text, re.M)
        for wrong, case in cases:
            tap.say(not wrong, f"{name}: {case}")
        if status or not cases:
            tap.say(False, f"{name}: ends with {status}")
        if status:
            print("\n".join(f"# {line}" for line in text.splitlines()))
        else:
            for line in re.findall(r"^# \d.*", text, re.M):
                print(line)


def main():
    folder = tempfile.mkdtemp(prefix="udw-", dir="/tmp")
    s, tap = Story(folder), Tap()
    try:
        for step in STORY:
            name = step.__name__.replace("_", " ")
            try:
                step(s)
                tap.say(True, name)
            except Exception:  # pylint: disable=broad-except
                tap.say(False, name)
                print("\n".join(f"# {line}" for line in traceback.format_exc().splitlines()))
                s.log.flush()
                print("\n".join(f"# {line}" for line in read(f"{folder}/log").splitlines()[-30:]))
                break
        programs(s, tap)
        print(f"1..{tap.n}")
    finally:
        s.end()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if tap.bad else 0


if __name__ == "__main__":
    sys.exit(main())
