# SPDX-License-Identifier: Apache-2.0
"""Medians of "figure SERVER NAME VALUE" lines, ratios to the queues, and the targets, as comments."""
import collections
import statistics
import sys

SERVERS = ("ours", "redis", "beanstalkd")
ROWS = (
    ("connect_seconds", "all connected and waiting, s"), ("connect_cpu_us_each", "CPU for each of them, us"),
    ("connect_kib_each", "resident memory for each, KiB"), ("connect_mib", "resident then, MiB"),
    ("idle_cpu_percent", "CPU while all wait, %"), ("storm_seconds", "all hang up at once: back after, s"),
    ("storm_cpu_us_each", "CPU for each of them, us"),
    ("jobs1_p50_us", "job to worker, 1 in flight, p50 us"), ("jobs1_p99_us", "p99 us"),
    ("jobs1_cpu_us_each", "CPU for each job, us"),
    ("jobs64_rate", "jobs a second, 64 in flight"), ("jobs64_p50_us", "p50 us"), ("jobs64_p99_us", "p99 us"),
    ("jobs64_cpu_us_each", "CPU for each job, us"),
    ("beats_rate", "reports a second, 512 in flight"), ("beats_p99_us", "p99 us"), ("beats_cpu_us_each", "CPU for each, us"),
)


def main():
    figures = collections.defaultdict(list)
    for line in sys.stdin:
        word, server, name, value = line.split()
        if word == "figure":
            figures[server, name].append(float(value))
    middle = {k: statistics.median(v) for k, v in figures.items()}
    print(f"#\n# {sys.argv[1]} workers, medians" + " " * 28 + "".join(s.rjust(12) for s in SERVERS))
    for name, text in ROWS:
        cells = [f"{middle[s, name]:.1f}" if (s, name) in middle else "-" for s in SERVERS]
        print("# " + text.ljust(46) + "".join(c.rjust(12) for c in cells))

    def target(text, value, limit, at_most=True):
        met = value <= limit if at_most else value >= limit
        print(f"# target: {text} {'<=' if at_most else '>='} {limit}: {value:.2f}, {'met' if met else 'missed'}")

    def ours(name):
        return middle.get(("ours", name), float("nan"))

    def pairwise(name, server):
        return statistics.median(a / b for a, b in zip(figures["ours", name], figures[server, name]))

    print("#")
    target("KiB for each agent", ours("connect_kib_each"), 16)
    target("MiB in all", ours("connect_mib"), 200)
    target("storm, seconds", ours("storm_seconds"), 10)
    if figures["redis", "jobs1_p50_us"]:
        target("p50 of one job, of Redis", pairwise("jobs1_p50_us", "redis"), 1.6)
        print(f"# p50 of one job, of beanstalkd: {pairwise('jobs1_p50_us', 'beanstalkd'):.2f}")
        print(f"# jobs a second, of Redis {pairwise('jobs64_rate', 'redis'):.2f}, "
              f"of beanstalkd {pairwise('jobs64_rate', 'beanstalkd'):.2f}")
    target("p99 of one job, of its p50", ours("jobs1_p99_us") / ours("jobs1_p50_us"), 2)
    target("jobs a second", ours("jobs64_rate"), 15000, False)
    target("reports a second", ours("beats_rate"), 25000, False)


main()
