"""How long an application cannot write during a switchover: from the last commit on the old server to the first on the new
one. Two workers commit every 20 ms, and try again for ever. Once they connect to the servers, once to a pgbouncer that
docs/examples/pgbouncer.sh pauses, where they must see no error. Beside it the same switch by hand, of a native
subscription."""

import glob
import os
import shutil
import subprocess
import threading
import time

from cluster import SOURCE_SETTINGS, TARGET_SETTINGS, Cluster, binaries
from processes import BenchError, Measured, Program, die_with_parent
from results import Series

NAME = "switchover"
WORKLOADS = ["W1"]
PAIRS = 5
DATABASE = "shop"
WORKERS = 2
EVERY_S = 0.02
# 1,000 changes a second beside the application, and what lies in the log's open segment before.
RATE = 250
SEGMENT_MB = 64
SCHEMA = """
CREATE TABLE beats (id bigserial PRIMARY KEY, worker int, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE items (id int PRIMARY KEY, v text); INSERT INTO items SELECT i, md5(i::text) FROM generate_series(1, 20000) i;
CREATE TABLE bulk (id bigserial PRIMARY KEY, v text);
"""
HOOK = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "examples", "pgbouncer.sh")
LOAD = "\\set i random(1, 20000)\n" + "UPDATE items SET v = md5(random()::text) WHERE id = :i;\n" * 4
STEPS = ("waiting for open", "making the source", "taking the end", "applying what", "definitions", "ending the stages",
         "the rest", "sequences", "looking for late", "event released")


class Pair:
    """The installed server as the source, and the newest that is there as the target, with an application on it."""

    def __init__(self, bench):
        newest = sorted(glob.glob(os.path.join(os.environ.get(
            "WALRELAY_TEST_SERVERS", "/var/cache/walrelay/servers"), "*/bin/postgres")),
            key=lambda path: int(path.split("/")[-3]))
        self.source = Cluster(bench.folder, "old", SOURCE_SETTINGS)
        self.target = Cluster(bench.folder, "new", {**TARGET_SETTINGS, "wal_level": "logical"})
        if newest and not os.environ.get("PG_BIN"):
            self.target.bin = os.path.dirname(newest[-1])
        # The application waits for its own commits, as applications do.
        for cluster in (self.source, self.target):
            cluster.settings["synchronous_commit"] = "on"
            cluster.start()
            cluster.sql("postgres", f"CREATE DATABASE {DATABASE}")
        self.source.sql(DATABASE, SCHEMA)

    def title(self):
        return f"{self.source.version().split()[0]} to {self.target.version().split()[0]}"

    def stop(self):
        for cluster in (self.source, self.target):
            cluster.stop()


class Pooler:
    """A pgbouncer in front of the old server."""

    def __init__(self, bench, pair):
        self.folder = os.path.join(bench.folder, "pooler")
        os.makedirs(self.folder, exist_ok=True)
        # For its socket: pgbouncer refuses to run as root, as the servers do.
        os.chmod(self.folder, 0o777)
        self.ini = os.path.join(self.folder, "pgbouncer.ini")
        self.pair = pair
        with open(self.ini, "w", encoding="utf-8") as file:
            file.write(f"[databases]\n{DATABASE} = {pair.source.conninfo(DATABASE)}\n[pgbouncer]\nlisten_addr =\n"
                       f"unix_socket_dir = {self.folder}\nlisten_port = 6432\nauth_type = any\nadmin_users = app\n"
                       "pool_mode = transaction\n")
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            raise BenchError("there is no pgbouncer; tools/setup installs it")
        self.process = subprocess.Popen(
            [program, "--quiet", self.ini], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent, user=pair.source.user, extra_groups=[] if pair.source.user else None)
        patience = time.monotonic() + 10
        while subprocess.run(["psql", "-Xqc", "", self.conninfo(DATABASE)], capture_output=True, check=False).returncode:
            if time.monotonic() > patience:
                raise BenchError("pgbouncer does not start")
            time.sleep(0.05)

    def conninfo(self, database):
        return f"host={self.folder} port=6432 user=app dbname={database}"

    def environment(self):
        """What docs/examples/pgbouncer.sh asks for."""
        return {"PGBOUNCER_CONSOLE": self.conninfo("pgbouncer"), "PGBOUNCER_DATABASE": DATABASE, "PGBOUNCER_INI": self.ini,
                "NEW_SERVER": self.pair.target.conninfo(DATABASE)}

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Worker(threading.Thread):
    """Commits, and tries again for ever, on the server that a file names, or where a pooler takes it."""

    def __init__(self, pair, number, flag, pooler=None):
        super().__init__(daemon=True)
        self.pair, self.number, self.flag, self.pooler = pair, number, flag, pooler
        self.commits = {"old": [], "new": []}
        self.errors = 0
        self.ends = threading.Event()

    def run(self):
        session, where = None, None
        while not self.ends.is_set():
            wanted = self._wanted()
            moved = wanted != where and not self.pooler
            if moved or session is None or session.poll() is not None:
                session, where = self._connect(wanted, session), wanted
            if self._commit(session):
                self.commits[self._wanted() if self.pooler else where].append(time.monotonic())
                time.sleep(EVERY_S)
            else:
                self.errors += 1
                session.kill()
                session.wait()
                session = None
                time.sleep(0.002)
        if session:
            session.kill()

    def _wanted(self):
        return "new" if os.path.exists(self.flag) else "old"

    def _connect(self, wanted, old):
        if old:
            old.kill()
            old.wait()
        server = self.pooler or (self.pair.target if wanted == "new" else self.pair.source)
        return subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", server.conninfo(DATABASE)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)

    def _commit(self, session):
        try:
            session.stdin.write(f"INSERT INTO beats (worker) VALUES ({self.number}) RETURNING 1;\n")
            session.stdin.flush()
            return session.stdout.readline() == "1\n"
        except (BrokenPipeError, OSError):
            return False


def measure(bench, pair, switch, pooler=None):
    """Has the application continue while `switch` is made, and returns the pause in seconds, and the errors that it saw."""
    flag = os.path.join(bench.folder, "flag")
    if os.path.exists(flag):
        os.unlink(flag)
    script = os.path.join(bench.folder, "load.sql")
    with open(script, "w", encoding="utf-8") as file:
        file.write(LOAD)
    # The fence ends it, and it does not come again.
    load = subprocess.Popen(
        ["pgbench", "-n", "-c", "2", "-R", str(RATE), "-T", "600", "-f", script, pair.source.conninfo(DATABASE)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    workers = [Worker(pair, number, flag, pooler) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    time.sleep(2)
    try:
        switch(flag)
        patience = time.monotonic() + 30
        while not all(worker.commits["new"] for worker in workers):
            if time.monotonic() > patience:
                raise BenchError("the application does not come to the new server")
            time.sleep(0.01)
    finally:
        for worker in workers:
            worker.ends.set()
        load.terminate()
        load.wait()
        for worker in workers:
            worker.join()
    last = max(moment for worker in workers for moment in worker.commits["old"])
    first = min(moment for worker in workers for moment in worker.commits["new"])
    committed = sum(len(moments) for worker in workers for moments in worker.commits.values())
    rows = int(pair.target.sql(DATABASE, "SELECT count(*) FROM beats"))
    # A worker may have been told of no commit that was made.
    if not committed <= rows <= committed + 2 * WORKERS:
        raise BenchError(f"the application made {committed} commits, and the new server has {rows}")
    if pair.source.checksums(DATABASE).split("\n")[1:] != pair.target.checksums(DATABASE).split("\n")[1:]:
        raise BenchError("the new server's rows differ from the old one's")
    return first - last, sum(worker.errors for worker in workers)


def fill(pair, megabytes):
    """Rows of which about so much is left when they are compressed."""
    for _ in range(max(1, megabytes // 8)):
        pair.source.sql(
            DATABASE, "INSERT INTO bulk (v) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 250000) i"
            " GROUP BY i / 25")


def ours(bench, megabytes, pooled=False):
    pair = Pair(bench)
    pooler = None
    spool = os.path.join(bench.folder, "spool-switchover")
    clone = f"{bench.binaries}/clone"
    servers = ["--source", pair.source.conninfo(DATABASE), "--target", pair.target.conninfo(DATABASE), "--dir", spool]
    try:
        follower = Program("clone", [clone, "--follow", *servers], log=bench.log)
        subprocess.run([clone, "wait", "--for", "caught-up", "--dir", spool, "--timeout", "120"], check=True,
                       capture_output=True)
        fill(pair, megabytes)
        steps = {}
        if pooled:
            pooler = Pooler(bench, pair)

        def switch(flag):
            event = f"test $WALRELAY_EVENT != released || touch {flag}"
            if pooled:
                event += f"; sh {HOOK}"
            done = subprocess.run(
                [clone, "switchover", "--fence", "--on-event", event, "--lag-timeout", "120", *servers],
                env={**os.environ, **(pooler.environment() if pooler else {})}, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise BenchError(f"the switchover failed:\n{done.stderr[-2000:]}")
            for line in done.stdout.split("\n"):
                if line.startswith(STEPS):
                    name, seconds = line.rsplit(None, 1)
                    steps[name.strip()] = float(seconds)

        pause, errors = measure(bench, pair, switch, pooler)
        follower.wait()
        if pooled and errors:
            raise BenchError(f"the application saw {errors} errors behind pgbouncer")
        return pause, steps, pair.title()
    finally:
        if pooler:
            pooler.stop()
        pair.stop()
        subprocess.run(["rm", "-rf", spool], check=True)


def by_hand(bench, megabytes):
    """What someone would do who has written it down before: psql for each step."""
    pair = Pair(bench)
    source, target = pair.source, pair.target
    try:
        schema = subprocess.run([f"{binaries()}/pg_dump", "-s", source.conninfo(DATABASE)], check=True, text=True,
                                capture_output=True)
        target.sql(DATABASE, "\n".join(
            line for line in schema.stdout.split("\n") if not line.startswith("\\")))
        source.sql(DATABASE, "CREATE PUBLICATION hand FOR ALL TABLES")
        target.sql(DATABASE, f"CREATE SUBSCRIPTION hand CONNECTION '{source.conninfo(DATABASE)}' PUBLICATION hand")
        patience = time.monotonic() + 120
        while target.sql(DATABASE, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") != "0":
            if time.monotonic() > patience:
                raise BenchError("the subscription does not copy")
            time.sleep(0.2)
        fill(pair, megabytes)
        _await(pair, time.monotonic() + 120)

        def switch(flag):
            source.sql(DATABASE, f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
            source.sql(DATABASE, "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                       f" AND backend_type = 'client backend' AND datname = '{DATABASE}'")
            _await(pair, time.monotonic() + 120)
            values = source.sql(
                DATABASE, "SELECT format('SELECT setval(%L, %s);', format('%I.%I', schemaname, sequencename), last_value)"
                " FROM pg_sequences WHERE last_value IS NOT NULL")
            target.sql(DATABASE, values)
            with open(flag, "w", encoding="utf-8"):
                pass

        return measure(bench, pair, switch)[0], pair.title()
    finally:
        pair.stop()


def _await(pair, patience):
    """The new server has what the old one has now."""
    end = pair.source.sql(DATABASE, "SELECT pg_current_wal_lsn()")
    while pair.source.sql(
            DATABASE, f"SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '{end}'") == "0":
        if time.monotonic() > patience:
            raise BenchError("the subscription does not catch up")
        time.sleep(0.01)


def run(bench, _, pairs):
    megabytes = 8 if bench.scale < 1 else SEGMENT_MB
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"], preexec_fn=die_with_parent)
            for _ in range(bench.busy * (os.cpu_count() or 1))]
    print(f"\nswitchover: {WORKERS} workers commit every {EVERY_S * 1000:.0f} ms, beside {4 * RATE} changes a second; "
          f"{megabytes} MB in the log's open segment; {len(busy)} busy processes; load average {os.getloadavg()[0]:.1f}")
    try:
        _contest(bench, megabytes, pairs)
    finally:
        for process in busy:
            process.kill()


def _contest(bench, megabytes, pairs):
    clone = Series(NAME, "-", "clone switchover --fence", 1)
    pooled = Series(NAME, "-", "the same behind pgbouncer", 1)
    hand = Series(NAME, "-", "by hand, native subscription", 1)
    contestants = [clone, pooled, hand]
    runs = [lambda: ours(bench, megabytes), lambda: ours(bench, megabytes, pooled=True), lambda: by_hand(bench, megabytes)]
    steps = [[], [], []]
    for number in range(pairs):
        for index in ((number + turn) % len(runs) for turn in range(len(runs))):
            pause, *seen, title = runs[index]()
            steps[index].append((pause, *seen))
            contestants[index].add(Measured(pause))
            print(f"  {contestants[index].contestant:30} {title:14} {pause * 1000:6.0f} ms", flush=True)
    bench.results.report(contestants, hand)
    for contestant, taken in zip(contestants[:2], steps):
        pause, seen = sorted(taken, key=lambda step: step[0])[len(taken) // 2]
        listed = ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in seen.items() if seconds)
        print(f"  {contestant.contestant}: the median's steps ({pause * 1000:.0f} ms): {listed}; "
              f"together {sum(seen.values()) * 1000:.0f}")
    print("  errors seen by the application behind pgbouncer: 0")
