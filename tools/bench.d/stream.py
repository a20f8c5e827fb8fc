#!/usr/bin/env python3
"""Writes a log of about so many bytes to standard output, as bare records: transactions of a thousand inserted rows of
ten columns and about 300 bytes. With it transform is given more than a disk would hold."""

import json
import os
import struct
import sys

COLUMNS = ["id", "account", "created", "amount", "ratio", "active", "code", "label", "note", "data"]
VALUES = [
    None, "481516", "2026-01-01 00:00:07+00", "73529.11", "0.5722319810651243", "t",
    "7f1de29e-6da1-49d2-ab51-c9b6f2ca9d3a", "paper waiting round", "the north station received an early letter " * 3,
    '{"tags": ["sea", "rest"], "state": "open", "visits": 512}']
ROWS = 1000
MARK = b"@@@@@@@@@"


def record(kind, lsn, payload):
    return struct.pack("<IBBQ", 10 + len(payload), kind, 0, lsn) + payload


def text(value):
    return b"t" + struct.pack(">I", len(value)) + value


def relation():
    message = b"R" + struct.pack(">I", 7) + b"public\0wide\0d" + struct.pack(">H", len(COLUMNS))
    for index, name in enumerate(COLUMNS):
        message += struct.pack(">B", index == 0) + name.encode() + b"\0" + struct.pack(">Ii", 20 if index == 0 else 25, -1)
    return message


def transaction():
    """The records of the rows; the number of the transaction is put in for the mark."""
    rows = []
    for row in range(ROWS):
        values = [MARK + b"%03d" % row] + [value.encode() for value in VALUES[1:]]
        message = b"I" + struct.pack(">I", 7) + b"N" + struct.pack(">H", len(values)) + b"".join(map(text, values))
        rows.append(record(2, 0, message))
    return b"".join(rows)


def main():
    size = int(sys.argv[1])
    header = {
        "database": "bench", "encoding": "UTF8", "features": [], "format": 1, "plugin_options": {},
        "publications": ["bench"], "server_version": 150000, "slot": "bench", "start": "0/1000",
        "system_identifier": "7", "timeline": 1, "tool": "bench"}
    out = os.fdopen(1, "wb", buffering=1 << 20)
    out.write(record(1, 0x1000, json.dumps(header).encode()) + record(2, 0x1000, relation()))
    rows = transaction()
    position, written, number = 0x1000, 0, 0
    while written < size:
        number += 1
        commit, end = position + 0x100, position + 0x108
        out.write(record(2, commit, b"B" + struct.pack(">QqI", commit, number, number)))
        out.write(rows.replace(MARK, b"%09d" % (100_000_000 + number)))
        out.write(record(2, commit, b"C\0" + struct.pack(">QQq", commit, end, number)))
        position, written = end, written + len(rows)
    out.write(record(5, position, json.dumps({"reason": "endpos"}).encode()))
    out.flush()


if __name__ == "__main__":
    main()
