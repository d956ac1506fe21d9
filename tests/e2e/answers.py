# SPDX-License-Identifier: Apache-2.0
"""Every GET of the specification that answers JSON, called on a server that has something of each kind, and some POSTs: what
comes back has the members that the specification names, and those alone. Prints TAP lines from a number on.
usage: answers.py OPENAPI URL FIRST < token"""
import http.client
import json
import os
import re
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import openapi  # noqa: E402

EACH = 2  # objects of a kind that are looked at
PARAMETERS = {"search": "?q=lon"}
LEFT_OUT = {"events.stream"}
BODIES = {
    "evidence.verify": {},
    "recovery-plans.validate": {},
    "ip-blocks.split": {"prefix_length": 30},
}
# written from more than one row: their shapes stand apart from their rows, so each must have been compared
WANTED = """customers.features vms.limits vms.topology vms.metrics hosts.metrics topology recovery-plans.versions
recovery-plans.readiness recovery-plans.validate failovers.steps failovers.timeline evidence.signing-keys evidence.bundle
evidence.verify ip-blocks.map ip-blocks.split ip-addresses.history tickets.history tickets.viewers me.show me.sessions.list
me.tokens.list operations.result settings.backup search openapi healthz readyz version audit-records.verify events.list""".split()


class Caller:
    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        self.headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)

    def call(self, method, path, body=None):
        """(status, JSON or None); waits while it is told to."""
        while True:
            self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.status != 429:
                break
            time.sleep(int(answer.headers.get("Retry-After", "1")))
        return answer.status, json.loads(text) if "json" in answer.headers.get("Content-Type", "") else None


class Walk:
    def __init__(self, document, caller):
        self.specification = openapi.Specification(document)
        self.caller = caller
        self.compared, self.wrong, self.lists = set(), [], {}

    def ids(self, collection):
        """Some ids of a collection, or none when there is no such list."""
        if collection not in self.lists:
            operation = self.specification.find("GET", collection)
            data = self.caller.call("GET", collection)[1] if operation else None
            rows = (data or {}).get("data") or []
            self.lists[collection] = [row["id"] for row in rows if isinstance(row, dict) and row.get("id")][:EACH]
        return self.lists[collection]

    def places(self, path):
        """A path with its parameters filled in, in some ways."""
        at = path.find("{")
        if at < 0:
            return [path]
        end = path.index("}", at)
        collection = path[:at].rstrip("/")
        return [p for one in self.ids(collection) for p in self.places(path[:at] + one + path[end + 1:])]

    def make(self):
        """What the demo has none of: a block that nothing was taken from, and what an operation made."""
        site, customer = self.ids("/v1/sites")[0], self.ids("/v1/customers")[0]
        block = self.caller.call("POST", "/v1/ip-blocks", {"prefix": "198.51.100.0/28", "kind": "public", "site_id": site})
        export = self.caller.call("POST", f"/v1/customers/{customer}/export", {})
        if block[0] != 201 or export[0] != 202:
            sys.exit(f"a block: {block}; an export: {export}")
        self.lists["/v1/ip-blocks"] = [block[1]["id"]] + self.ids("/v1/ip-blocks")
        self.lists["/v1/operations"] = [export[1]["id"]] + self.ids("/v1/operations")
        for _ in range(12):
            if self.caller.call("GET", f"/v1/operations/{export[1]['id']}?wait=25")[1]["ended_at"]:
                break

    def compare(self, operation, method, path, body=None):
        status, answer = self.caller.call(method, path, body)
        wanted, media, schema = self.specification.answer(operation)
        if media != "application/json" or status >= 300:
            return status
        if method == "POST" and status != wanted:
            schema = operation["responses"][str(status)]["content"][media]["schema"]
        self.compared.add(operation["operationId"])
        for sentence in self.specification.errors(answer, schema)[:3]:
            self.wrong.append(f"{method} {path}: {sentence}")
        return status

    def walk(self):
        for _, method, path, operation in self.specification.operations:
            name = operation["operationId"]
            if name in LEFT_OUT or (method != "GET" and name not in BODIES):
                continue
            for place in self.places(path):
                self.compare(operation, method, place + PARAMETERS.get(name, ""), BODIES.get(name))


def main():
    document, url, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    walk = Walk(document, Caller(url, sys.stdin.read().strip()))
    walk.make()
    walk.walk()
    missing = sorted(set(WANTED) - walk.compared)
    for i, (words, wrong) in enumerate((
            (f"{len(walk.compared)} answers are as the specification says", walk.wrong),
            ("each kind of answer was looked at", missing))):
        print(f"{'not ' if wrong else ''}ok {first + i} - {words}")
        for sentence in wrong[:40]:
            print("#", sentence)
    print("# not looked at:", *sorted(
        o["operationId"] for _, m, _, o in walk.specification.operations
        if m == "GET" and o["operationId"] not in walk.compared), file=sys.stderr)
    sys.exit(bool(walk.wrong or missing))


main()
