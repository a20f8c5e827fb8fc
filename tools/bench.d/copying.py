"""Copying a database: clone against pg_dump into a folder and pg_restore from it, with two jobs each."""

import os
import shutil
import time

from cluster import binaries as server_binaries
from processes import BenchError, Measured, Sampler, timed
from results import Series
from workloads import WIDE_ROWS, WIDE_TABLE, WORDS

NAME = "copy"
WORKLOADS = ["W1"]
PAIRS = 3
DATABASE = "bench_copy"


def rows(scale):
    return max(1, int(5_000_000 * scale)), max(1, int(2_000_000 * scale))


def make(bench):
    """pgbench's tables at scale 50, and a wide table."""
    source = bench.servers.source
    accounts, wide = rows(bench.scale)
    source.sql("postgres", f"CREATE DATABASE {DATABASE}")
    source.sql(DATABASE, f"""
CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int REFERENCES pgbench_branches, tbalance int, filler char(84));
CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int REFERENCES pgbench_branches, abalance int, filler char(84));
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
INSERT INTO pgbench_branches SELECT i, 0, '' FROM generate_series(1, 50) AS i;
INSERT INTO pgbench_tellers SELECT i, 1 + (i - 1) / 10, 0, '' FROM generate_series(1, 500) AS i;
INSERT INTO pgbench_accounts SELECT i, 1 + (i - 1) % 50, 0, '' FROM generate_series(1, {accounts}) AS i;
{WORDS}{WIDE_TABLE}
SELECT setseed(0.8) \\g /dev/null
INSERT INTO wide {WIDE_ROWS.format(first=1, last=wide)};
CREATE INDEX ON wide (account);
VACUUM ANALYZE;
""")
    return source.checksums(DATABASE)


def run(bench, workload, pairs):
    source, target = bench.servers.source, bench.servers.target
    expected = make(bench)
    changes = sum(rows(bench.scale))
    ours = Series(NAME, "", "clone", changes)
    peer = Series(NAME, "", "pg_dump -Fd, pg_restore", changes)
    tools = server_binaries()
    folder = os.path.join(bench.folder, "copy")

    def finished(series, measured, name):
        series.add(measured)
        if target.checksums(name) != expected:
            raise BenchError(f"{series.contestant}: the rows differ from the source's")
        target.sql("postgres", f"DROP DATABASE {name} WITH (FORCE)")
        shutil.rmtree(folder)

    def database():
        name = f"copy_{time.monotonic_ns()}"
        target.sql("postgres", f"CREATE DATABASE {name}")
        target.sql("postgres", "CHECKPOINT")
        return name

    matchers = [("postgres", "backends")]
    postmasters = [source.pid, target.pid]

    def clone():
        name = database()
        measured = timed(
            [("clone", [f"{bench.binaries}/clone", "--source", source.conninfo(DATABASE), "--target", target.conninfo(name),
                        "--dir", folder, "--table-jobs", "2", "--index-jobs", "2"])], postmasters, matchers, bench.log)
        finished(ours, measured, name)

    def dump():
        name = database()
        with Sampler(postmasters, matchers) as sampler:
            begun = time.monotonic()
            for program, arguments in [
                    ("pg_dump", ["-Fd", "-j2", "-Z0", "-f", folder, "-d", source.conninfo(DATABASE)]),
                    ("pg_restore", ["-j2", "-d", target.conninfo(name), folder])]:
                timed([(program, [f"{tools}/{program}", *arguments])], log=bench.log)
            timed([("psql", ["psql", "-Xqc", "ANALYZE", target.conninfo(name)])], log=bench.log)
            wall = time.monotonic() - begun
        finished(peer, Measured(wall, sampler.costs()), name)

    for pair in range(pairs):
        for contestant in [clone, dump] if pair % 2 == 0 else [dump, clone]:
            contestant()
    bench.results.report([ours, peer], peer)
    source.sql("postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)")
