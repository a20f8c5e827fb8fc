"""transform alone: from a received log to text that nobody reads."""

from apply import Applying
from processes import timed
from receive import raw_reference
from results import Series

NAME = "transform"
WORKLOADS = ["W1", "W2", "W3", "W4", "W5", "W6"]
PAIRS = 3


def run(bench, workload, pairs):
    backlog = bench.backlog(workload)
    _, raw_bytes = raw_reference(bench, backlog)
    applying = Applying(bench, backlog)
    series = Series(NAME, workload.name, "transform", workload.changes)
    for _ in range(pairs):
        series.add(timed([("transform", [f"{bench.binaries}/transform", applying.spool])], log=bench.log))
    series.notes = {"raw_mb_per_s": round(raw_bytes / 1e6 / series.median_s)}
    bench.results.report([series])
    applying.close()
