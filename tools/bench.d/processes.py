"""Running programs and measuring what they and the server's processes cost."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_EVERY_S = 0.05
libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something that makes the figures worthless."""


def die_with_parent():
    """Run in a child before exec: no server outlives a killed bench."""
    libc.prctl(1, signal.SIGQUIT)


@dataclass
class Cost:
    """What one process took."""

    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass
class Measured:
    """One timed run: wall-clock seconds, and the cost of each process by its name."""

    wall_s: float
    costs: dict = field(default_factory=dict)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rsplit(b")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    return 0.0


def title(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode(errors="replace")


class Sampler:
    """Looks at processes while they run: a process that ended tells its peak memory to nobody.

    A program's peak is VmHWM. A server process's is RssAnon, because shared buffers are not its own.
    """

    def __init__(self, postmasters=(), matchers=()):
        self.postmasters = list(postmasters)
        self.matchers = list(matchers)
        self.programs = {}
        self.server = {}
        self.base = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self):
        self._sample()
        # What a server process did before the run does not count.
        self.base = {pid: cost.cpu_s for pid, (_, cost) in self.server.items()}
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def watch(self, name, pid):
        self.programs[pid] = (name, Cost())

    def _loop(self):
        while not self.stopping.wait(SAMPLE_EVERY_S):
            self._sample()
        self._sample()

    def _sample(self):
        for pid, (_, cost) in list(self.programs.items()):
            try:
                cost.peak_mb = max(cost.peak_mb, memory_mb(pid, "VmHWM"))
            except OSError:
                pass
        for postmaster in self.postmasters:
            for pid in self._children(postmaster):
                self._sample_server(pid)

    @staticmethod
    def _children(pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                return [int(child) for child in file.read().split()]
        except OSError:
            return []

    def _sample_server(self, pid):
        try:
            if pid not in self.server:
                text = title(pid)
                name = next((name for needle, name in self.matchers if needle in text), None)
                if name is None:
                    return
                self.server[pid] = (name, Cost())
            cost = self.server[pid][1]
            cost.cpu_s = max(cost.cpu_s, cpu_seconds(pid))
            cost.peak_mb = max(cost.peak_mb, memory_mb(pid, "RssAnon"))
        except (OSError, IndexError):
            pass

    def costs(self):
        """By name; processes of one name are added up, their peaks too."""
        result = {}
        for pid, (name, cost) in list(self.programs.items()) + list(self.server.items()):
            sum_ = result.setdefault(name, Cost())
            sum_.cpu_s += max(0.0, cost.cpu_s - self.base.get(pid, 0.0))
            sum_.peak_mb += cost.peak_mb
        return result


class Program:
    """A program whose CPU time and memory are measured."""

    def __init__(self, name, arguments, sampler=None, stdin=None, stdout=None, log=None):
        self.name = name
        self.log = log
        self.sampler = sampler
        with open(log or os.devnull, "ab") as errors:
            self.process = subprocess.Popen(
                arguments, stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.DEVNULL, stderr=errors,
                preexec_fn=die_with_parent)
        if sampler:
            sampler.watch(name, self.process.pid)

    def wait(self, allowed=(0,)):
        """Waits for the end; any exit code but those allowed ends the bench."""
        _, status, usage = os.wait4(self.process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        if self.sampler:
            self.sampler.programs[self.process.pid][1].cpu_s = usage.ru_utime + usage.ru_stime
        if code not in allowed:
            tail = ""
            if self.log:
                with open(self.log, encoding="utf-8", errors="replace") as file:
                    tail = "".join(file.readlines()[-5:])
            raise BenchError(f"{self.name} ended with exit code {code}\n{tail}")
        return code

    def stop(self, number=signal.SIGTERM):
        if self.process.returncode is None:
            self.process.send_signal(number)


def timed(names_and_arguments, postmasters=(), matchers=(), log=None):
    """Runs programs joined by pipes, in order, and measures them until the last has ended."""
    with Sampler(postmasters, matchers) as sampler:
        begun = time.monotonic()
        run_piped(names_and_arguments, sampler, log)
        wall = time.monotonic() - begun
    return Measured(wall, sampler.costs())


def run_piped(names_and_arguments, sampler, log=None):
    """Runs programs joined by pipes until the last has ended."""
    running = []
    stdin = None
    for index, (name, arguments) in enumerate(names_and_arguments):
        is_last = index == len(names_and_arguments) - 1
        program = Program(
            name, arguments, sampler, stdin=stdin, stdout=None if is_last else subprocess.PIPE, log=log)
        if stdin:
            stdin.close()
        stdin = program.process.stdout
        running.append(program)
    for program in reversed(running):
        program.wait()
