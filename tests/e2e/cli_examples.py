#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Types examples of `understudy help --examples` into a shell, with UD_TEST_LONG all of them. A stand-in for the server judges each request against the
specification and answers with something that fits it. Prints TAP."""
import collections
import concurrent.futures
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["UD_SOURCE_DIR"], "tests", "support"))
import openapi  # noqa: E402

PROGRAMS = os.environ["UD_BINARY_DIR"]
SPECIFICATION = openapi.Specification(os.path.join(os.environ["UD_SOURCE_DIR"], "api", "openapi.json"))
# so that what is waited for has ended
ENDED = ("succeeded", "solved", "protected", "replicating")
ME = {"object": "user", "email": "ops@example.net", "roles": [{"role": "operator"}]}
SITE = {"object": "site", "name": "Oslo", "code": "osl", "kind": "provider_dc", "time_zone": "Europe/Oslo"}
# it needs a record that was really sealed: demo_seed_test.sh verifies those
ELSEWHERE = {"understudy verify evidence.json"}
# what belongs to signing in, which auth login does; passwords and second factors are no flags
NO_COMMAND = {"device-requests.approve", "device-requests.create", "device-requests.deny", "device-requests.fetch",
              "device-requests.show", "invitations.accept", "me.password", "me.step-up", "me.totp.create", "me.totp.delete",
              "me.totp.verify", "sessions.create", "sessions.delete", "version"}
# rows of lists that alone tell the version of a part
PARTS = {"comments": "tco", "watchers": "twa", "links": "tln", "time-entries": "tte"}
OWN_QUERY = {"limit", "cursor", "q", "fields", "sort", "expand", "count", "dry_run", "wait"}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.wrong = collections.defaultdict(list)  # sentences by token: each line has one of its own
        self.seen = set()  # operation ids


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def complain(self, sentence):
        with self.server.lock:
            self.server.wrong[self.headers.get("Authorization")].append(f"{self.command} {self.path}: {sentence}")

    def judge(self, operation, query, body):
        parameters = {p["name"]: p for p in operation.get("parameters", []) if "name" in p}
        for name in query:
            if name not in parameters and name not in OWN_QUERY:
                self.complain(f"there is no parameter {name}")
        for name, p in parameters.items():
            if p.get("required") and p["in"] == "header" and name not in self.headers:
                self.complain(f"the header {name} is missing")
            if p.get("required") and p["in"] == "query" and name not in query:
                self.complain(f"the parameter {name} is missing")
        if "428" in operation["responses"] and "If-Match" not in self.headers:
            self.complain("the header If-Match is missing")
        self.judge_body(operation, body)

    def judge_body(self, operation, body):
        content = operation.get("requestBody", {}).get("content", {})
        media = self.headers.get("Content-Type")
        if not body:
            if operation.get("requestBody", {}).get("required"):
                self.complain("the body is missing")
        elif media not in content and "*/*" not in content:
            self.complain(f"a body of {media}, not of {list(content)}")
        elif media in content and "json" in media:
            for sentence in SPECIFICATION.errors(json.loads(body), content[media]["schema"]):
                self.complain(sentence)

    def answer_of(self, operation, path, query):
        status, media, schema = SPECIFICATION.answer(operation)
        if media is None:
            return status, "text/plain", b""
        if media == "text/event-stream":
            return status, media, b'id: 1\ndata: {"type":"ticket.created"}\n\n'
        if "json" not in media:
            return status, media, b"as it is\n"
        value = ME if path == "/v1/me" else SPECIFICATION.sample(schema, ENDED)
        if isinstance(value, dict) and "has_more" in value:
            value["object"] = "list"
            part = PARTS.get(path.split("/")[-1])
            for row in value["data"] if part else ():
                row["id"] = part + openapi.ID
            for row in value["data"]:
                for key in ("name", "code", "number", "email", "prefix", "address") if "q" in query else ():
                    if key in row:
                        row[key] = query["q"][0]
        return status, media, json.dumps(value).encode()

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = SPECIFICATION.find(self.command, url.path)
        if operation is None:
            self.complain("there is no such call")
            status, media, text = 404, "application/problem+json", b'{"title":"Not found","status":404}'
        else:
            with self.server.lock:
                self.server.seen.add(operation["operationId"])
            self.judge(operation, query, body)
            status, media, text = self.answer_of(operation, url.path, query)
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(text)))
        self.send_header("ETag", '"v1"')
        self.end_headers()
        if status != 204:
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve


def run(server, number, line):
    """Type a line in a folder with the files it speaks of; what is wrong with it."""
    token = f"udp_{number}"
    with tempfile.TemporaryDirectory(prefix="understudy-example.") as folder:
        os.mkdir(os.path.join(folder, "things"))
        for name, text in {"token.txt": token, "trace.txt": "trace", "hosts.csv": "name,hypervisor\nosl-a,kvm\n",
                           "things/site.json": json.dumps(SITE)}.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text + "\n")
        environment = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "XDG_CONFIG_HOME": folder, "UNDERSTUDY_TOKEN": token,
                       "UNDERSTUDY_URL": f"http://127.0.0.1:{server.server_address[1]}"}
        done = subprocess.run(["sh", "-c", line], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120, check=False)
    wrong = server.wrong[f"Bearer {token}"]
    if done.returncode != 0:
        wrong.append(f"it ended with {done.returncode}: {done.stderr.strip()}")
    return wrong


def main():
    lines = subprocess.run([os.path.join(PROGRAMS, "understudy"), "help", "--examples"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    lines = [line for line in lines if line not in ELSEWHERE]
    long = bool(os.environ.get("UD_TEST_LONG"))
    if not long:  # each fifth, and all of the commands that are written by hand, which stand at the end
        lines = lines[:-30:5] + lines[-30:]
    server, bad = Server(), 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for number, (line, wrong) in enumerate(zip(lines, pool.map(lambda n: run(server, n, lines[n]), range(len(lines)))), 1):
            bad += bool(wrong)
            print(f"{'not ok' if wrong else 'ok'} {number} - {line}")
            for sentence in wrong:
                print(f"# {sentence}")
    missing = {o["operationId"] for _, _, path, o in SPECIFICATION.operations if path.startswith("/v1/")} - server.seen
    whole = missing == NO_COMMAND if long else missing >= NO_COMMAND
    bad += not whole
    print(f"{'ok' if whole else 'not ok'} {len(lines) + 1} - every call of the specification is a command, but for those of signing in")
    print(f"# {len(server.seen)} calls" + (f"; no command for {' '.join(sorted(missing))}" if long else ""))
    print(f"1..{len(lines) + 1}")
    return 1 if bad else 0


sys.exit(main())
