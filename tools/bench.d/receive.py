"""receive into a spool against pg_recvlogical into nothing, from the same backlog with the same plugin options."""

import os
import shutil

import spoolcheck
from processes import BenchError, timed
from results import Series

NAME = "receive"
WORKLOADS = ["W1", "W2", "W3"]
PAIRS = 5


def raw_reference(bench, backlog):
    """The messages as they are sent, uncompressed: their digest and size. Also brings the WAL into memory."""
    slot = backlog.slot()
    path = os.path.join(bench.folder, "raw")
    open(path, "wb").close()
    timed([("pg_recvlogical", backlog.recvlogical_arguments(slot, path, False))], log=bench.log)
    backlog.drop_slot(slot)
    digest, size = spoolcheck.raw_digest(path)
    os.remove(path)
    return digest, size


def run(bench, workload, pairs):
    backlog = bench.backlog(workload)
    digest, raw_bytes = raw_reference(bench, backlog)
    ours = Series(NAME, workload.name, "receive", workload.changes)
    peer = Series(NAME, workload.name, "pg_recvlogical", workload.changes)
    for pair in range(pairs):
        contestants = [lambda: drain(bench, backlog, ours, digest, raw_bytes), lambda: discard(bench, backlog, peer)]
        for contestant in contestants if pair % 2 == 0 else reversed(contestants):
            contestant()
    bench.results.report([ours, peer], peer)


def drain(bench, backlog, series, digest, raw_bytes):
    slot = backlog.slot()
    folder = os.path.join(bench.folder, "spool")
    series.add(timed(
        [("receive", backlog.receive_arguments(bench.binaries, slot, folder))], [backlog.source.pid],
        [("walsender", "walsender")], bench.log))
    backlog.drop_slot(slot)
    size = spoolcheck.check(bench.binaries, folder, digest)
    series.notes = {"raw_mb": round(raw_bytes / 1e6), "spool_to_raw": round(size / raw_bytes, 3)}
    shutil.rmtree(folder)


def discard(bench, backlog, series):
    slot = backlog.slot()
    series.add(timed(
        [("pg_recvlogical", backlog.recvlogical_arguments(slot, "/dev/null", backlog.workload.streams))],
        [backlog.source.pid], [("walsender", "walsender")], bench.log))
    confirmed = backlog.source.sql(
        backlog.database, f"SELECT confirmed_flush_lsn >= '{backlog.end}' FROM pg_replication_slots"
        f" WHERE slot_name = '{slot}'")
    if confirmed != "t":
        raise BenchError("pg_recvlogical ended before the end position")
    backlog.drop_slot(slot)
