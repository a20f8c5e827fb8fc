"""How long a commit on the source takes to be seen on the target, at 500 small transactions a second."""

import bisect
import os
import shutil
import time

from apply import TARGET_PROCESSES, forget_position, wait_for_origin
from cluster import Session
from processes import BenchError, Measured, Program, Sampler
from results import Series
from workloads import Workload

NAME = "latency"
WORKLOADS = ["W1"]
PAIRS = 3
RATE = 500
SETUP = "CREATE TABLE heartbeat (id bigserial PRIMARY KEY, sent timestamptz, note text);"
# A source that does not wait for its own disk at commit sends the commit only when the WAL is written later.
SCRIPT = ("SET synchronous_commit = on;\n"
          "INSERT INTO heartbeat (sent, note) VALUES (clock_timestamp(), repeat('x', 100));\n")


class Watch:
    """Looks again and again at what the target shows, and remembers when each row was there first."""

    def __init__(self, target, database):
        self.session = Session(target.conninfo(database))
        self.ids = []
        self.times = []

    def look(self):
        newest = int(self.session.value("SELECT coalesce(max(id), 0) FROM heartbeat"))
        if not self.ids or newest > self.ids[-1]:
            self.ids.append(newest)
            self.times.append(time.time())
        return newest

    def latencies(self, sent):
        """In milliseconds, of every row sent."""
        return sorted((self.times[bisect.bisect_left(self.ids, row)] - moment) * 1000 for row, moment in sent)


def measure(bench, database, seconds):
    """Writes heartbeats for so many seconds, waits until the target has all, and returns their latencies."""
    source, target = bench.servers.source, bench.servers.target
    script = os.path.join(bench.folder, "heartbeat.sql")
    with open(script, "w", encoding="utf-8") as file:
        file.write(SCRIPT)
    watch = Watch(target, database)
    writer = Program("pgbench", ["pgbench", "-n", "-c", "1", "-M", "prepared", "-R", str(RATE), "-T", str(seconds),
                                 "-f", script, source.conninfo("latency")], log=bench.log)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        watch.look()
        time.sleep(0.0005)
    writer.wait()
    rows = source.sql("latency", "SELECT id, extract(epoch FROM sent) FROM heartbeat ORDER BY id").split("\n")
    sent = [(int(row), float(moment)) for row, moment in (line.split("|") for line in rows)]
    patience = time.monotonic() + 60
    while watch.look() < sent[-1][0]:
        if time.monotonic() > patience:
            raise BenchError("the target does not get the last heartbeat")
    watch.session.close()
    if source.checksums("latency") != target.checksums(database):
        raise BenchError("the heartbeats on the target differ from the source's")
    # The first second is of starting.
    return watch.latencies([one for one in sent if one[1] > sent[0][1] + 1])


def run(bench, _, pairs):
    seconds = 4 if bench.scale < 1 else 20
    work = Workload("-", "", SETUP, "", RATE * (seconds - 1), "")
    print(f"\nlatency: {RATE} transactions a second of one inserted row, for {seconds} s")
    ours = Series(NAME, work.name, "receive | transform | replay", work.changes)
    native = Series(NAME, work.name, "native subscription", work.changes)
    contestants = [(ours, lambda: live(bench, bench.binaries, seconds)), (native, lambda: subscribed(bench, seconds))]
    if bench.beside:
        beside = Series(NAME, work.name, "the build beside it", work.changes)
        contestants.insert(1, (beside, lambda: live(bench, bench.beside, seconds)))
    seen = {series.contestant: [] for series, _ in contestants}
    for pair in range(pairs):
        for series, contestant in contestants if pair % 2 == 0 else reversed(contestants):
            prepare(bench)
            latencies, measured = contestant()
            series.add(measured)
            seen[series.contestant] += latencies
            clean(bench)
    for series, _ in contestants:
        latencies = sorted(seen[series.contestant])
        series.notes = {f"p{share}_ms": round(latencies[len(latencies) * share // 100], 1) for share in (50, 99)}
    bench.results.report([series for series, _ in contestants], native)


def prepare(bench):
    source, target = bench.servers.source, bench.servers.target
    for server in (source, target):
        server.sql("postgres", "CREATE DATABASE latency")
        server.sql("latency", SETUP)
    source.sql("latency", "CREATE PUBLICATION bench FOR ALL TABLES")
    source.sql("latency", "SELECT pg_create_logical_replication_slot('latency', 'pgoutput')")


def clean(bench):
    source, target = bench.servers.source, bench.servers.target
    for _ in range(100):
        try:
            source.sql("latency", "SELECT pg_drop_replication_slot('latency')")
            break
        except BenchError:
            time.sleep(0.05)
    for server in (source, target):
        server.sql("postgres", "DROP DATABASE latency WITH (FORCE)")


def live(bench, binaries, seconds):
    """The three stages, as three programs."""
    target = bench.servers.target
    spool = os.path.join(bench.folder, "spool-latency")
    origin = f"latency{time.monotonic_ns()}"
    with Sampler([target.pid, bench.servers.source.pid],
                 [("walsender", "walsender"), ("postgres latency", "backend")]) as sampler:
        receive = Program("receive", [
            f"{binaries}/receive", "--source", bench.servers.source.conninfo("latency"), "--slot", "latency",
            "--publication", "bench", "--dir", spool], sampler, log=bench.log)
        while not os.path.exists(f"{spool}/spool.json"):
            time.sleep(0.02)
        transform = Program("transform", [f"{binaries}/transform", "--follow", "--origin", origin, spool], sampler,
                            stdout=-1, log=bench.log)
        replay = Program("replay", [f"{binaries}/replay", "--target", target.conninfo("latency")], sampler,
                         stdin=transform.process.stdout, log=bench.log)
        transform.process.stdout.close()
        try:
            latencies = measure(bench, "latency", seconds)
        finally:
            for program in (receive, transform, replay):
                program.stop()
        receive.wait()
        # Asked to stop in the middle, they may say that the stream has no end.
        transform.wait(allowed=(0, 14))
        replay.wait(allowed=(0, 14))
    forget_position(target, "latency", origin)
    shutil.rmtree(spool)
    return latencies, Measured(seconds - 1, sampler.costs())


def subscribed(bench, seconds):
    source, target = bench.servers.source, bench.servers.target
    with Sampler([target.pid, source.pid], TARGET_PROCESSES) as sampler:
        target.sql("latency", f"CREATE SUBSCRIPTION latency CONNECTION '{source.conninfo('latency')}'"
                   " PUBLICATION bench WITH (create_slot = false, copy_data = false)")
        wait_for_origin(target, "latency", "0/0")
        latencies = measure(bench, "latency", seconds)
    target.sql("latency", "ALTER SUBSCRIPTION latency DISABLE; ALTER SUBSCRIPTION latency SET (slot_name = NONE)")
    target.sql("latency", "DROP SUBSCRIPTION latency")
    return latencies, Measured(seconds - 1, sampler.costs())
