"""Applying a log that was received before, against a native subscription that drains the same backlog."""

import os
import shutil
import time

from cluster import Session
from processes import BenchError, Measured, Program, Sampler, run_piped, timed
from results import Series

NAME = "apply"
WORKLOADS = ["W1", "W2", "W3", "W4", "W5", "W6"]
PAIRS = 3
TARGET_PROCESSES = [("logical replication worker", "apply worker"), ("walsender", "walsender")]


class Applying:
    """One workload's log and the target's state before it; each run has a database of its own."""

    def __init__(self, bench, backlog):
        self.bench = bench
        self.backlog = backlog
        self.target = bench.servers.target
        self.runs = 0
        self.template = f"{backlog.database}_before"
        self.spool = os.path.join(bench.folder, f"spool-{backlog.database}")
        if not os.path.isdir(self.spool):
            self._prepare()

    def _prepare(self):
        slot = self.backlog.slot()
        # An older version may not read what a newer one writes.
        binaries = self.bench.beside or self.bench.binaries
        timed([("receive", self.backlog.receive_arguments(binaries, slot, self.spool))], log=self.bench.log)
        self.backlog.drop_slot(slot)
        self.target.sql("postgres", f"CREATE DATABASE {self.template}")
        self.target.sql(self.template, self.backlog.workload.setup)
        self.target.sql(self.template, "VACUUM ANALYZE")

    def database(self):
        """A database in the state before, on a server that has nothing left to write."""
        self.runs += 1
        name = f"{self.backlog.database}_run{self.runs}_{time.monotonic_ns()}"
        self.target.sql("postgres", f"CREATE DATABASE {name} TEMPLATE {self.template} STRATEGY file_copy")
        self.target.sql("postgres", "CHECKPOINT")
        return name

    def verify(self, database):
        """A fast wrong answer fails the bench."""
        found = self.target.checksums(database)
        if found == self.backlog.checksums:
            return
        differing = [
            f"{theirs} instead of {ours}"
            for ours, theirs in zip(self.backlog.checksums.split("\n"), found.split("\n")) if ours != theirs]
        raise BenchError(f"{database}: the rows differ from the source's: " + "; ".join(differing[:3]))

    def drop(self, database):
        self.target.sql("postgres", f"DROP DATABASE {database} WITH (FORCE)")

    def run_ours(self, series, connections=1, binaries=None):
        """transform into replay, from the spool."""
        binaries = binaries or self.bench.binaries
        database = self.database()
        origin = database
        lanes, jobs = lanes_and_jobs(connections)
        replay = [*jobs, "--spool", self.spool] if connections > 1 else []
        series.add(timed(
            [("transform", [f"{binaries}/transform", self.spool, "--origin", origin, *lanes]),
             ("replay", [f"{binaries}/replay", "--target", self.target.conninfo(database), *replay])],
            [self.target.pid], [(f"postgres {database}", "backend")], self.bench.log))
        self.finish(database, origin)

    def run_live(self, series, connections=1):
        """All three stages at once, from the slot to the target's rows."""
        database, slot = self.database(), self.backlog.slot()
        origin = database
        lanes, jobs = lanes_and_jobs(connections)
        binaries, backlog = self.bench.binaries, self.backlog
        spool = os.path.join(self.bench.folder, f"live-{database}")
        matchers = [(f"postgres {database}", "backend"), ("walsender", "walsender")]
        with Sampler([self.target.pid, backlog.source.pid], matchers) as sampler:
            begun = time.monotonic()
            receive = Program("receive", backlog.receive_arguments(binaries, slot, spool), sampler, log=self.bench.log)
            wait_for_folder(os.path.join(spool, "segments"))
            run_piped(
                [("transform", [f"{binaries}/transform", "--follow", spool, "--origin", origin, *lanes]),
                 ("replay", [f"{binaries}/replay", "--target", self.target.conninfo(database), "--spool", spool, *jobs])],
                sampler, self.bench.log)
            wall = time.monotonic() - begun
            receive.wait()
        series.add(Measured(wall, sampler.costs()))
        shutil.rmtree(spool)
        backlog.drop_slot(slot)
        self.finish(database, origin)

    def finish(self, database, origin):
        self.verify(database)
        forget_position(self.target, database, origin)
        self.drop(database)

    def run_native(self, series, options):
        """A subscription made in this moment, until its origin is at the end of the backlog."""
        backlog, target = self.backlog, self.target
        database, slot = self.database(), backlog.slot()
        settings = ["create_slot = false", f"slot_name = '{slot}'", "copy_data = false", *options]
        source = backlog.conninfo().replace("'", "''")
        with Sampler([target.pid, backlog.source.pid], TARGET_PROCESSES) as sampler:
            begun = time.monotonic()
            target.sql(database, f"CREATE SUBSCRIPTION {slot} CONNECTION '{source}' PUBLICATION bench"
                       f" WITH ({', '.join(settings)})")
            wait_for_origin(target, database, backlog.end)
            wall = time.monotonic() - begun
        series.add(Measured(wall, sampler.costs()))
        self.verify(database)
        target.sql(database, f"ALTER SUBSCRIPTION {slot} DISABLE; ALTER SUBSCRIPTION {slot} SET (slot_name = NONE)")
        target.sql(database, f"DROP SUBSCRIPTION {slot}")
        backlog.drop_slot(slot)
        self.drop(database)

    def close(self):
        shutil.rmtree(self.spool)
        self.drop(self.template)


def lanes_and_jobs(connections):
    """What transform and replay are told to apply on so many connections."""
    return (["--lanes", str(connections)], ["--jobs", str(connections)]) if connections > 1 else ([], [])


def forget_position(target, database, stream):
    """Removes the position that replay keeps, so that the next run in the same database starts over."""
    # Version 0.1, which is measured beside this one, keeps it in a replication origin.
    target.sql(database, "SELECT count(pg_replication_origin_drop(roname)) FROM pg_replication_origin"
                         f" WHERE roname = '{stream}'")
    if target.sql(database, "SELECT to_regclass('walrelay.progress') IS NOT NULL").strip() == "t":
        target.sql(database, f"DELETE FROM walrelay.progress WHERE stream = '{stream}'")


def wait_for_folder(path, patience_s=30):
    deadline = time.monotonic() + patience_s
    while not os.path.isdir(path):
        if time.monotonic() > deadline:
            raise BenchError(f"{path} does not come")
        time.sleep(0.002)


def wait_for_origin(target, database, end, patience_s=900):
    """Waits until the database's one subscription has committed everything up to the end."""
    session = Session(target.conninfo(database))
    question = (
        "SELECT coalesce(bool_or(s.remote_lsn >= '" + end + "'), false) FROM pg_replication_origin_status s"
        " JOIN pg_subscription u ON s.external_id = 'pg_' || u.oid"
        " WHERE u.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())")
    deadline = time.monotonic() + patience_s
    try:
        while session.value(question) != "t":
            if time.monotonic() > deadline:
                raise BenchError("the native subscription does not reach the end")
            time.sleep(0.02)
    finally:
        session.close()


def run(bench, workload, pairs):
    applying = Applying(bench, bench.backlog(workload))
    streaming = [workload.subscription] if workload.subscription else []
    ours = Series(NAME, workload.name, "transform | replay", workload.changes)
    text = Series(NAME, workload.name, "native subscription", workload.changes)
    binary = Series(NAME, workload.name, "native subscription, binary", workload.changes)
    two = Series(NAME, workload.name, "the same on 2 connections", workload.changes)
    shown = [ours, two, text, binary]
    contestants = [
        lambda: applying.run_ours(ours), lambda: applying.run_native(text, streaming),
        lambda: applying.run_ours(two, connections=2), lambda: applying.run_native(binary, [*streaming, "binary = true"])]
    if bench.beside:
        # Next to ours, in either order: what is compared with the smallest difference runs closest together.
        beside = Series(NAME, workload.name, "the build beside it", workload.changes)
        contestants.insert(1, lambda: applying.run_ours(beside, binaries=bench.beside))
        shown.append(beside)
    for pair in range(pairs):
        for contestant in contestants if pair % 2 == 0 else reversed(contestants):
            contestant()
    if bench.beside:
        print(f"apply     {workload.name:3} the build beside it takes {ours.ratio_to(beside):.3f} of the time of this one")
    bench.results.report(shown, text)
    applying.close()
