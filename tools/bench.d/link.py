"""Applying a backlog over a link whose round trip takes 20 ms, against the same without that."""

import os
import subprocess
import sys

from apply import Applying, forget_position
from processes import BenchError, die_with_parent, timed
from results import Series

NAME = "link"
WORKLOADS = ["W1", "W4", "W5"]
PAIRS = 3
ROUND_TRIP_MS = 20
# As clone has it where the target is so far away.
FAR_OPTIONS = ["--max-bytes", "32MB"]


class Link:
    """A proxy process before the target."""

    def __init__(self, bench):
        self.folder = os.path.join(bench.folder, "link")
        os.makedirs(self.folder, exist_ok=True)
        socket = ".s.PGSQL.5432"
        listen = os.path.join(self.folder, socket)
        if os.path.exists(listen):
            os.unlink(listen)
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(__file__), "delay.py"), listen,
             os.path.join(bench.servers.target.folder, socket), str(ROUND_TRIP_MS)],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        if self.process.stdout.readline() != "ready\n":
            raise BenchError("the proxy does not start")

    def close(self):
        self.process.kill()
        self.process.wait()

    def conninfo(self, database):
        return f"host={self.folder} user=postgres dbname={database}"


def run(bench, workload, pairs):
    applying = Applying(bench, bench.backlog(workload))
    near = Series(NAME, workload.name, "transform | replay", workload.changes)
    far = Series(NAME, workload.name, f"the same, {ROUND_TRIP_MS} ms away", workload.changes)
    link = Link(bench)
    try:
        for pair in range(pairs):
            ways = [(near, applying.target, []), (far, link, FAR_OPTIONS)]
            for series, target, options in ways if pair % 2 == 0 else ways[::-1]:
                drain(bench, applying, series, target, options)
    finally:
        link.close()
    bench.results.report([near, far], near)
    applying.close()


def drain(bench, applying, series, target, options):
    database = applying.database()
    series.add(timed(
        [("transform", [f"{bench.binaries}/transform", applying.spool, "--origin", database, *options]),
         ("replay", [f"{bench.binaries}/replay", "--target", target.conninfo(database)])],
        [applying.target.pid], [(f"postgres {database}", "backend")], bench.log))
    applying.verify(database)
    forget_position(applying.target, database, database)
    applying.drop(database)
