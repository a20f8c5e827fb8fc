"""Collecting runs, and showing them."""

import json
import statistics
from dataclasses import dataclass, field


@dataclass
class Series:
    """All runs of one contestant on one workload."""

    bench: str
    workload: str
    contestant: str
    changes: int
    walls: list = field(default_factory=list)
    costs: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)

    def add(self, measured):
        self.walls.append(measured.wall_s)
        self.costs.append(measured.costs)

    @property
    def median_s(self):
        return statistics.median(self.walls)

    def by_process(self, value):
        names = [name for costs in self.costs[:1] for name in costs]
        return {
            name: round(statistics.median(getattr(costs[name], value) for costs in self.costs if name in costs), 2)
            for name in names}

    def ratio_to(self, peer):
        """How many times as fast as the peer: the median over the pairs, each of which ran one after the other."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.walls, peer.walls))


class Results:
    """Every series so far."""

    def __init__(self, file=None):
        self.file = file
        self.entries = []

    def report(self, series, peer=None):
        """Prints one workload's series, and keeps them for the JSON file. `peer` is the one to compare with."""
        for one in series:
            entry = {
                "bench": one.bench, "workload": one.workload, "contestant": one.contestant, "runs": len(one.walls),
                "median_s": round(one.median_s, 3), "changes_per_s": round(one.changes / one.median_s),
                "ratio_to_peer": round(one.ratio_to(peer), 3) if peer and one is not peer else None,
                "cpu_s": one.by_process("cpu_s"), "peak_mb": one.by_process("peak_mb"), **one.notes}
            self.entries.append(entry)
            self._print(entry)
        self.save()

    @staticmethod
    def _print(entry):
        ratio = f"{entry['ratio_to_peer']:.2f}x" if entry["ratio_to_peer"] else "peer"
        print(f"{entry['bench']:9} {entry['workload']:3} {entry['contestant']:28} {entry['median_s']:8.2f} s"
              f" {entry['changes_per_s']:9,d}/s  {ratio:>6}  ", end="")
        print(", ".join(f"{name} {cpu:.2f} s {entry['peak_mb'].get(name, 0):.0f} MB"
                        for name, cpu in entry["cpu_s"].items()), end="")
        known = {"bench", "workload", "contestant", "runs", "median_s", "changes_per_s", "ratio_to_peer", "cpu_s",
                 "peak_mb"}
        for key, value in entry.items():
            if key not in known:
                print(f"; {key} {value}", end="")
        print(flush=True)

    def save(self):
        if self.file:
            with open(self.file, "w", encoding="utf-8") as file:
                json.dump(self.entries, file, indent=1)
                file.write("\n")
