# SPDX-License-Identifier: Apache-2.0
"""Sizes of our C: function length, cyclomatic complexity, file length. Printed for people to judge, not
enforced. Usage: sizes.py FILE…  Functions and their ends come from ctags."""
import json
import re
import statistics
import subprocess
import sys

BRANCH = re.compile(r"\b(?:if|for|while|case)\b|&&|\|\||\?")
NOISE = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.S)


def functions(paths):
    out = subprocess.run(["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f", "-f", "-", *paths],
                         check=True, capture_output=True, text=True).stdout
    lines = {p: open(p, encoding="utf-8").read().split("\n") for p in paths}
    for row in map(json.loads, out.splitlines()):
        if "end" not in row:
            continue
        body = "\n".join(lines[row["path"]][row["line"] - 1:row["end"]])
        yield row["end"] - row["line"] + 1, 1 + len(BRANCH.findall(NOISE.sub("", body))), \
            f"{row['path']}:{row['line']} {row['name']}"


def show(title, pairs):
    values = sorted(v for v, _ in pairs)
    p95 = values[min(len(values) - 1, int(len(values) * 0.95))]
    print(f"{title}: median {statistics.median(values):g}, 95th {p95}, most {values[-1]}")
    for value, where in sorted(pairs, reverse=True)[:10]:
        print(f"    {value:5d}  {where}")


def main(paths):
    found = list(functions(paths))
    show(f"function length, {len(found)} functions", [(n, w) for n, _, w in found])
    show("complexity", [(c, w) for _, c, w in found])
    show(f"file length, {len(paths)} files", [(open(p, encoding="utf-8").read().count("\n"), p) for p in paths])


main(sys.argv[1:])
