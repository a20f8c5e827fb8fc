"""One workload at its size, four and sixteen times: what a change costs must not depend on how many there are."""

import workloads
from apply import Applying
from results import Series

NAME = "linear"
WORKLOADS = ["W1"]
PAIRS = 3
SIZES = [1, 4, 16]


def run(bench, workload, pairs):
    series = []
    for size in SIZES:
        sized = workloads.make(workload.name, bench.scale * size)
        sized.name = f"{workload.name}x{size:g}"
        # A name of its own: it is a backlog of its own, in a database of that name.
        sized.name = sized.name.replace(".", "_")
        applying = Applying(bench, bench.backlog(sized))
        one = Series(NAME, sized.name, "transform | replay", sized.changes)
        for _ in range(pairs):
            applying.run_ours(one)
        series.append(one)
        applying.close()
    rates = [one.changes / one.median_s for one in series]
    series[-1].notes = {"slowest to fastest": round(min(rates) / max(rates), 2)}
    bench.results.report(series)
