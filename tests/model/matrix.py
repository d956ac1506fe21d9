# SPDX-License-Identifier: Apache-2.0
"""Searches the model of the failover protocol (failover.pml) with Spin, one row of the matrix after the other, and
prints TAP. A row of the protocol must be searched to its end without an error; a mutant must fail by the very property
it breaks; and what the rows of the protocol never reach must be nothing but what is named here.
    python3 tests/model/matrix.py [--long] [NAME…]     --long: all rows, up to 4 GB of memory each"""
import os
import re
import subprocess
import sys
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
Row = namedtuple("Row", "name options cheap hashed", defaults=(True, False))
Mutant = namedtuple("Mutant", "name options breaks")

# What a search may find. The first two are assertions of the model, the last is its property of liveness.
TWO = r"assertion violated.*\(vm\[0\]&&vm\[1\]\)"
LOST = r"assertion violated.*\(disk\[0\]&disk\[1\]\)==disk\[0\]"
STUCK = r"acceptance cycle"

# The protocol as it is. hashed: states are kept as 64-bit hashes (HC4), else in full.
ROWS = (
    Row("attest, break-glass, 2 faults", "ATTEST BG F=2 M=1 W=0 UNPLANNEDONLY"),
    Row("attest, restored server, 2 faults", "ATTEST ROLLBACK F=2 M=1 W=0 UNPLANNEDONLY"),
    Row("attest, unplanned, 2 faults", "ATTEST F=2 M=1 W=1 UNPLANNEDONLY"),
    Row("attest, planned, 1 fault", "ATTEST F=1 M=1 W=1 PLANNEDONLY", cheap=False),
    Row("attest, break-glass, 3 faults", "ATTEST BG F=3 M=1 W=0 UNPLANNEDONLY", cheap=False),
    Row("attest, abort and second try, 2 faults", "ATTEST F=2 M=1 W=0 TWICE PLANNEDONLY", False, True),
    Row("lease, restored server, 1 fault", "LEASE ROLLBACK F=1 M=1 W=0 UNPLANNEDONLY"),
    Row("lease, unplanned, 2 faults", "LEASE F=2 M=1 W=0 UNPLANNEDONLY"),
    Row("lease, slow clock, 2 faults", "LEASE DRIFT F=2 M=2 W=0 UNPLANNEDONLY", cheap=False),
    Row("lease of two ticks, 1 fault", "LEASE L=2 F=1 M=1 W=0 UNPLANNEDONLY"),
    Row("lease, break-glass, 2 faults", "LEASE BG F=2 M=1 W=0 UNPLANNEDONLY", True, True),
    Row("lease, planned, 1 fault", "LEASE F=1 M=1 W=0 PLANNEDONLY", True, True),
    Row("lease, planned, second try, a write", "LEASE F=0 M=1 W=1 TWICE PLANNEDONLY"),
    Row("lease, both kinds, slow clock, 2 faults", "LEASE DRIFT F=2 M=2 W=0", False, True),
    Row("attest, unplanned: every ticket ends", "ATTEST F=1 M=1 W=0 UNPLANNEDONLY LIVE CUST"),
    Row("lease, unplanned: every ticket ends", "LEASE F=0 M=1 W=0 UNPLANNEDONLY LIVE CUST"),
    Row("attest, planned: every ticket ends", "ATTEST F=0 M=1 W=0 PLANNEDONLY LIVE CUST"),
    Row("wrong attestation: two that run end", "ATTEST LIAR F=1 M=1 W=0 UNPLANNEDONLY LIVEDUAL"),
)

# The protocol with one rule left out.
MUTANTS = (
    Mutant("no margin", "LEASE F=2 M=0 W=0 UNPLANNEDONLY", TWO),
    Mutant("no margin for a slow clock", "LEASE DRIFT F=2 M=1 W=0 UNPLANNEDONLY", TWO),
    Mutant("lease counted from receipt", "LEASE F=2 M=1 W=0 UNPLANNEDONLY MUT_RECEIPT", TWO),
    Mutant("own grants not waited out", "LEASE F=2 M=1 W=0 UNPLANNEDONLY MUT_NOWAIT", TWO),
    Mutant("the peer's grants not waited out", "LEASE F=2 M=1 W=0 UNPLANNEDONLY MUT_NOPEERWAIT", TWO),
    Mutant("autostart, lease", "LEASE F=2 M=1 W=0 UNPLANNEDONLY MUT_AUTOSTART", TWO),
    Mutant("autostart, attest", "ATTEST F=2 M=1 W=0 UNPLANNEDONLY MUT_AUTOSTART", TWO),
    Mutant("old sequence numbers accepted", "ATTEST F=2 M=1 W=0 TWICE PLANNEDONLY MUT_NOSEQ", TWO),
    Mutant("no final sync", "LEASE F=1 M=1 W=1 PLANNEDONLY MUT_NOSYNC", LOST),
    Mutant("a reply under the next number", "LEASE F=1 M=1 W=1 PLANNEDONLY MUT_STALEREPLY", LOST),
    Mutant("abort after the commit", "ATTEST F=1 M=1 W=0 PLANNEDONLY MUT_ABORTLATE", TWO),
    Mutant("hold forgotten at the agent's crash", "ATTEST F=2 M=1 W=0 PLANNEDONLY MUT_NOJOURNAL", TWO),
    Mutant("start after a boot on one word", "ATTEST BG F=3 M=1 W=0 UNPLANNEDONLY MUT_CPONLY", TWO),
    Mutant("a restored server trusts its rows", "ATTEST ROLLBACK F=2 M=1 W=0 UNPLANNEDONLY MUT_NORECOV", TWO),
    Mutant("acknowledged before the commit", "ATTEST F=1 M=1 W=0 UNPLANNEDONLY LIVE CUST MUT_ACKFIRST", STUCK),
    Mutant("steps without timeouts", "ATTEST F=0 M=1 W=0 PLANNEDONLY LIVE CUST MUT_NOTIMEOUT", STUCK),
)

# Words of the model's lines that no row comes to. A command of an older epoch has an older number, too, and is
# dropped for that.
NEVER = ("refused: older epoch",)


def run(command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def search(options, hashed):
    """What Spin's verifier says of the model with these options."""
    live = "LIVE" in options
    with tempfile.TemporaryDirectory(prefix="understudy-model-") as folder:
        model = os.path.join(HERE, "failover.pml")
        kind = ["-DNFAIR=5"] if live else ["-DSAFETY"]
        for step in (["spin", "-a", *("-D" + o for o in options.split()), model],
                     ["gcc", "-O2", "-w", "-DHC4" if hashed else "-DCOLLAPSE", *kind, "-o", "pan", "pan.c"]):
            code, out = run(step, folder)
            if code:
                return f"{step[0]} failed: {out}"
        return run(["./pan", "-m4000000", "-w22", *(["-a", "-f"] if live else [])], folder)[1]


def states(report):
    m = re.search(r"([\d.e+]+) states, stored", report)
    return int(float(m[1])) if m else 0


def unreached(report):
    """(process, line, statement) of the model that the search did not come to."""
    process, found = None, set()
    for line in report.split("\n"):
        m = re.match(r"unreached in (?:proctype |claim )?(\w+)", line)
        process = m[1] if m else process
        m = re.match(r"\s+\S*failover\.pml:(\d+), state \d+, \"(.*)\"$", line)
        if m and m[2] != "-end-":
            found.add((process, int(m[1]), m[2]))
    return found


def surprises(never):
    """Lines for what no row came to, and for what is named in NEVER and was come to."""
    with open(os.path.join(HERE, "failover.pml"), encoding="utf-8") as f:
        lines = f.read().split("\n")
    named = {(p, n, t): w for p, n, t in never for w in NEVER if w in lines[n - 1]}
    yield from (f"line {n} of {p} is never reached: {t}" for p, n, t in sorted(never - named.keys()))
    yield from (f"reached after all: {w}" for w in NEVER if w not in named.values())


def whole(report):
    """What keeps the search of the protocol from being a proof, or None."""
    for trouble in (r"errors: [1-9].*", r"max search depth too small.*", r"Search not completed.*", r"out of memory.*",
                    r"\w+ failed: .*"):
        m = re.search(trouble, report, re.S if "failed" in trouble else 0)
        if m:
            detail = re.search(r"assertion violated.*|acceptance cycle.*", report)
            return m[0] + (": " + detail[0] if detail else "")
    return None if re.search(r"errors: 0$", report, re.M) else "no result:\n" + report


def caught(mutant, report):
    """Why the mutant is not caught by what it breaks, or None."""
    if re.search(mutant.breaks, report) and re.search(r"errors: [1-9]", report):
        return None
    return f"wanted {mutant.breaks}, got:\n" + "\n".join(report.split("\n")[:12])


class Report:
    """TAP."""

    def __init__(self, count):
        print(f"1..{count}", flush=True)
        self.number, self.good = 0, True

    def case(self, name, wrong, detail=""):
        self.number += 1
        self.good = self.good and not wrong
        if wrong:
            print("# " + wrong.replace("\n", "\n# "))
        print(f"{'not ok' if wrong else 'ok'} {self.number} - {name}{detail}", flush=True)


def main(args):
    every = "--long" in args or bool(os.environ.get("UD_TEST_LONG"))
    names = [a for a in args if a != "--long"]
    rows = [r for r in ROWS if (r.name in names if names else every or r.cheap)]
    mutants = [m for m in MUTANTS if not names or m.name in names]
    whole_set = not names
    report = Report(len(rows) + len(mutants) + whole_set)
    never, total = None, 0
    # the biggest rows take gigabytes: one of them at a time
    with ThreadPoolExecutor(1 if every else os.cpu_count() or 1) as pool:
        for row, out in zip(rows, pool.map(lambda r: search(r.options, r.hashed), rows)):
            total += states(out)
            never = unreached(out) if never is None else never & unreached(out)
            report.case(row.name, whole(out), f" ({states(out)} states)")
        for mutant, out in zip(mutants, pool.map(lambda m: search(m.options, False), mutants)):
            report.case("mutant: " + mutant.name, caught(mutant, out), f" ({states(out)} states)")
    if whole_set:
        report.case("the protocol's rows reach all of the model", "\n".join(surprises(never)) or None)
    print(f"# {total} states of the protocol searched")
    return 0 if report.good else 1


sys.exit(main(sys.argv[1:]))
