# SPDX-License-Identifier: Apache-2.0
"""Count test cases. count.py REPORT.xml reads ctest's JUnit report, count.py --tap NAME reads TAP on standard
input; failing cases are shown with their output, and "PASSED FAILED SKIPPED" goes to descriptor 3.

A program that prints a TAP plan counts by case, and once more as failed when it died, ran fewer cases
than planned, or said failure without a failing case; one without a plan counts as one case."""
import os
import re
import sys
import xml.etree.ElementTree as ET

CASE = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*)$")
FRAME = re.compile(r"^\s*#\d+ 0x|^\s*(Ind|D)irect leak of ")
PLAN = re.compile(r"^1\.\.(\d+)\s*$")

FRAMES = 12


def count_tap(name, text, good):
    """(passed, failed, skipped, names of failing cases) of one program's output."""
    passed = failed = skipped = planned = 0
    bad, has_plan = [], False
    for line in map(str.strip, text.splitlines()):
        plan, case = PLAN.match(line), CASE.match(line)
        if plan:
            planned, has_plan = planned + int(plan.group(1)), True
        elif case and re.search(r"#\s*skip", case.group(2), re.I):
            skipped += 1
        elif case and case.group(1):
            failed += 1
            bad.append(case.group(2))
        elif case:
            passed += 1
    if not has_plan:
        return (1, 0, 0, []) if good else (0, 1, 0, [name])
    if passed + failed + skipped < planned or (not good and failed == 0):
        failed += 1
        bad.append("the program ended early or with an error")
    return passed, failed, skipped, bad


def programs(path):
    """(name, output, success, time) of each test in ctest's report."""
    for case in ET.parse(path).getroot().iter("testcase"):
        text = (case.findtext("system-out") or "").strip()
        good = case.get("status") == "run"
        yield case.get("name"), text, good


def report(name, text, bad, most):
    """The cases, and the end of what was printed; of a sanitizer's frames only a few, or a leak that follows from
    a failed case hides why it failed."""
    for case in bad:
        print(f"FAILED {name}: {case}")
    shown, frames = [], 0
    for line in text.splitlines():
        frames += bool(FRAME.match(line))
        if not line.startswith(("ok ", "1..")) and not (FRAME.match(line) and frames > FRAMES):
            shown.append(line)
    shown = shown[-most:]
    print("\n".join("    " + l for l in shown))


def main(args):
    if args[:1] == ["--tap"]:
        text = sys.stdin.read()
        sets = [(args[1], text, True)]
    else:
        sets = list(programs(args[0]))
    totals = [0, 0, 0]
    for name, text, good in sets:
        p, f, s, bad = count_tap(name, text, good)
        totals = [a + b for a, b in zip(totals, (p, f, s))]
        if bad:
            report(name, text, bad, 400 if args[0] == "--tap" else 60)
    sys.stdout.flush()
    os.write(3, ("%d %d %d\n" % tuple(totals)).encode())


main(sys.argv[1:])
