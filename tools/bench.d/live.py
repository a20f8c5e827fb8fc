"""All three stages at once, from a slot with a backlog to the target's rows, against a native subscription."""

from apply import Applying
from results import Series

NAME = "live"
WORKLOADS = ["W1", "W2", "W3", "W4", "W5", "W6"]
PAIRS = 3


def run(bench, workload, pairs):
    applying = Applying(bench, bench.backlog(workload))
    streaming = [workload.subscription] if workload.subscription else []
    ours = Series(NAME, workload.name, "receive, transform, replay", workload.changes)
    two = Series(NAME, workload.name, "the same on 2 connections", workload.changes)
    native = Series(NAME, workload.name, "native subscription", workload.changes)
    contestants = [
        lambda: applying.run_live(ours), lambda: applying.run_native(native, streaming),
        lambda: applying.run_live(two, connections=2)]
    for pair in range(pairs):
        for contestant in contestants if pair % 2 == 0 else reversed(contestants):
            contestant()
    bench.results.report([ours, two, native], native)
    applying.close()
