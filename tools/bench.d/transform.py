"""transform alone: from a received log to text that nobody reads, on one thread and on two, and how much memory it takes."""

import os
import shutil
import subprocess
import sys

from processes import Measured, Program, Sampler, timed
import workloads
from receive import raw_reference
from results import Series

NAME = "transform"
WORKLOADS = ["W1", "W2", "W3", "W4", "W5"]
PAIRS = 3
ENDLESS_BYTES = 20_000_000_000
# How many times the backlog of the other benches, so that a start of some 20 ms counts for little.
LENGTH = {"W1": 4, "W2": 4, "W4": 4, "W5": 4}


def run(bench, workload, pairs):
    workload = workloads.make(workload.name, bench.scale * LENGTH.get(workload.name, 1))
    backlog = bench.backlog(workload)
    _, raw_bytes = raw_reference(bench, backlog)
    spool = os.path.join(bench.folder, "transform-spool")
    slot = backlog.slot()
    timed([("receive", backlog.receive_arguments(bench.binaries, slot, spool))], log=bench.log)
    backlog.drop_slot(slot)
    one = Series(NAME, workload.name, "transform", workload.changes)
    two = Series(NAME, workload.name, "transform --jobs 2", workload.changes)
    contestants = [(one, []), (two, ["--jobs", "2"])]
    for pair in range(pairs):
        for series, options in contestants if pair % 2 == 0 else reversed(contestants):
            series.add(timed([("transform", [f"{bench.binaries}/transform", spool, *options])], log=bench.log))
    for series in (one, two):
        add_notes(series, raw_bytes)
    bench.results.report([two, one], one)
    shutil.rmtree(spool)
    if workload.name == "W2":
        endless(bench)


def add_notes(series, raw_bytes):
    """Other work on the machine stretches the time, and much less the CPU seconds."""
    cpu_s = max(0.001, series.by_process("cpu_s")["transform"])
    series.notes = {
        "raw_mb_per_s": round(raw_bytes / 1e6 / series.median_s),
        "changes_per_cpu_s": round(series.changes / cpu_s), "raw_mb_per_cpu_s": round(raw_bytes / 1e6 / cpu_s)}


def endless(bench):
    """A stream of a size that no disk here holds, made while it is read."""
    size = int(ENDLESS_BYTES * bench.scale)
    series = Series(NAME, "W2", f"transform, {size / 1e9:.0f} GB by pipe", size // 300)
    with open(bench.log, "ab") as errors, Sampler() as sampler:
        writer = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(__file__), "stream.py"), str(size)], stdout=subprocess.PIPE,
            stderr=errors)
        program = Program("transform", [f"{bench.binaries}/transform", "-"], sampler, stdin=writer.stdout, log=bench.log)
        writer.stdout.close()
        program.wait()
        writer.wait()
    costs = sampler.costs()
    # The writer's speed says nothing, so the time is the program's own.
    series.add(Measured(max(0.001, costs["transform"].cpu_s), costs))
    add_notes(series, size)
    bench.results.report([series])
