"""The servers, and on them one workload's backlog with as many slots as there are contestants."""

import os
import re
import subprocess
import time

from cluster import SOURCE_SETTINGS, TARGET_SETTINGS, Cluster
from processes import BenchError

PUBLICATION = "bench"


def number(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def text(position):
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


WAL_PAGE = 8192
PAGE_HEADER, SEGMENT_HEADER = 0x18, 0x28


def commit_position(insert_position, segment_size=16 << 20):
    """The same place as the end of a commit has it.

    Where a record ends exactly with a WAL page, that is the page's end, while the server's insert and write positions
    are already behind the next page's header. Waiting for a commit to reach those would never end.
    """
    position = number(insert_position)
    header = SEGMENT_HEADER if position % segment_size < WAL_PAGE else PAGE_HEADER
    return text(position - header) if position % WAL_PAGE == header else insert_position


class Servers:
    """A source, and a target when a bench needs one; each is started at its first use."""

    def __init__(self, folder):
        self.folder = folder
        self.clusters = {}

    def _cluster(self, name, settings):
        if name not in self.clusters:
            cluster = Cluster(self.folder, name, settings)
            self.clusters[name] = cluster
            cluster.start()
        return self.clusters[name]

    @property
    def source(self):
        return self._cluster("source", SOURCE_SETTINGS)

    @property
    def target(self):
        return self._cluster("target", TARGET_SETTINGS)

    def stop(self):
        for cluster in self.clusters.values():
            cluster.stop()


class Backlog:
    """One workload's changes, kept by a slot that is never read: contestants drain copies of it."""

    def __init__(self, servers, workload):
        self.servers = servers
        self.source = servers.source
        self.workload = workload
        self.database = f"bench_{workload.name.lower()}"
        self.slots = 0
        self._make()

    def _make(self):
        source, name = self.source, self.database
        source.sql("postgres", f"CREATE DATABASE {name}")
        source.sql(name, self.workload.setup)
        source.sql(name, f"CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES")
        source.sql(name, f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
        self.start = source.sql(name, f"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{name}'")
        begun = time.monotonic()
        source.sql(name, self.workload.work)
        self.made_in_s = time.monotonic() - begun
        # Only a synchronous commit, or a look at the flush position, has all of it on its way.
        self.end = commit_position(source.sql(name, "SELECT pg_current_wal_insert_lsn()"), source.wal_segment_size())
        source.sql(name, "SELECT pg_switch_wal()")
        self.wal_bytes = number(self.end) - number(self.start)
        self.checksums = source.checksums(name)

    def slot(self):
        """A slot with the whole backlog."""
        self.slots += 1
        name = f"{self.database}_{self.slots}"
        self.source.sql(self.database, f"SELECT pg_copy_logical_replication_slot('{self.database}', '{name}')")
        return name

    def drop_slot(self, name):
        """Drops it; the server releases a slot a moment after its reader is gone."""
        for _ in range(200):
            try:
                self.source.sql(self.database, f"SELECT pg_drop_replication_slot('{name}')")
                return
            except BenchError as error:
                if "is active" not in str(error):
                    raise
                time.sleep(0.05)
        raise BenchError(f"slot {name} stays active")

    def conninfo(self):
        return self.source.conninfo(self.database)

    def drop(self):
        for slot in self.source.sql("postgres", "SELECT slot_name FROM pg_replication_slots"
                                    f" WHERE database = '{self.database}'").split():
            self.drop_slot(slot)
        self.source.sql("postgres", f"DROP DATABASE {self.database} WITH (FORCE)")

    def receive_arguments(self, binaries, slot, folder):
        return [f"{binaries}/receive", "--source", self.conninfo(), "--slot", slot, "--publication", PUBLICATION,
                "--dir", folder, "--endpos", self.end, "--no-loop"]

    def recvlogical_arguments(self, slot, file, streams):
        options = ["-o", "proto_version=3", "-o", f'publication_names="{PUBLICATION}"', "-o", "messages=true"]
        if streams:
            options += ["-o", "streaming=on"]
        return ["pg_recvlogical", "-d", self.conninfo(), "--slot", slot, "--start", "--endpos", self.end, "--no-loop",
                "-f", file] + options


def build(root):
    """Builds the programs as people run them, and returns their folder."""
    subprocess.run(["swift", "build", "-c", "release"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    path = subprocess.run(
        ["swift", "build", "-c", "release", "--show-bin-path"], cwd=root, check=True, capture_output=True, text=True)
    return path.stdout.strip()


def machine():
    """What the figures were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(re.search(r"MemTotal:\s*(\d+)", file.read()).group(1)) / 1048576
    return f"{os.cpu_count()} CPUs ({model.group(1) if model else 'unknown'}), {memory:.0f} GB, Linux {os.uname().release}"
