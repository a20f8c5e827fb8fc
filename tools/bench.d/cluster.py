"""Throw-away PostgreSQL servers."""

import glob
import os
import pwd
import shutil
import subprocess
import time

from processes import BenchError, die_with_parent

SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "max_wal_size": "32GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "max_wal_senders": "20",
    "max_replication_slots": "40",
    "synchronous_commit": "off",
    "jit": "off",
}
SOURCE_SETTINGS = {"wal_level": "logical", "fsync": "off", "logical_decoding_work_mem": "64MB"}
# The interval is that of starting apply workers: the default lets every other subscription wait for five seconds.
TARGET_SETTINGS = {"fsync": "on", "wal_retrieve_retry_interval": "10ms"}


def binaries():
    """The folder of the server programs: PG_BIN, or the newest installed version."""
    folder = os.environ.get("PG_BIN")
    if folder:
        return folder
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: float(path.split("/")[4]))
    if not found:
        raise BenchError("no PostgreSQL server is installed; run tools/setup")
    return os.path.dirname(found[-1])


class Session:
    """A psql that stays open, so that asking again and again costs little."""

    def __init__(self, conninfo):
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", conninfo], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1, preexec_fn=die_with_parent)

    def value(self, sql):
        """The one line that the statement answers."""
        self.process.stdin.write(sql + ";\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise BenchError("the server ended a session")
        return line.rstrip("\n")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Cluster:
    """One server in a folder of its own."""

    def __init__(self, folder, name, settings):
        self.folder = os.path.join(folder, name)
        self.settings = {**SETTINGS, **settings}
        self.bin = binaries()
        self.process = None
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        os.mkdir(self.folder)
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)

    def _as_server(self):
        return {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}

    def start(self):
        data = os.path.join(self.folder, "data")
        log = open(os.path.join(self.folder, "server.log"), "ab")
        subprocess.run(
            [f"{self.bin}/initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
             "--no-sync", "-D", data],
            check=True, stdout=log, stderr=log, cwd=self.folder, **self._as_server())
        arguments = [f"{self.bin}/postgres", "-D", data, "-c", f"unix_socket_directories={self.folder}"]
        for key, value in self.settings.items():
            arguments += ["-c", f"{key}={value}"]
        self.process = subprocess.Popen(
            arguments, stdout=log, stderr=log, cwd=self.folder, preexec_fn=die_with_parent, **self._as_server())
        for _ in range(600):
            ready = subprocess.run(
                ["pg_isready", "-q", "-h", self.folder, "-U", "postgres"], check=False).returncode == 0
            if ready:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise BenchError(f"the server in {self.folder} did not start; see its server.log")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(3)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    def conninfo(self, database):
        return f"host={self.folder} user=postgres dbname={database}"

    def sql(self, database, text):
        """Runs statements, each in its own transaction, and returns the lines they answer."""
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.conninfo(database)], input=text, text=True, check=False,
            capture_output=True)
        if done.returncode != 0:
            raise BenchError(f"{text.strip()[:200]}\n{done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def version(self):
        return self.sql("postgres", "SHOW server_version")

    def wal_segment_size(self):
        return int(self.sql("postgres", "SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"))

    def checksums(self, database):
        """For each table: rows, and a sum of hashes of the rows' text, which no order changes."""
        tables = self.sql(
            database,
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'walrelay') ORDER BY 1").split("\n")
        queries = [
            f"SELECT '{table}', count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {table} t;"
            for table in tables]
        return self.sql(database, "\n".join(queries))
