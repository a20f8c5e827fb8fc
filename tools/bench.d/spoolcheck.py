"""Is what the log holds what the source sent?"""

import glob
import hashlib
import struct
import subprocess

from processes import BenchError

HEADER = struct.Struct("<IBBQ")
CHANGE = 2


def raw_digest(path):
    """The digest of pg_recvlogical's file: each message, then a newline."""
    digest = hashlib.blake2b(digest_size=16)
    size = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def spool_digest(folder):
    """The same of a spool: of all messages but the layouts that each segment repeats. Also the spool's size."""
    digest = hashlib.blake2b(digest_size=16)
    seen = set()
    size = 0
    # The last may be open: one that holds nothing but the end record is never sealed.
    files = sorted(glob.glob(f"{folder}/segments/*.seg.lz4*"))
    if not files:
        raise BenchError(f"{folder}: there is no segment")
    for path in files:
        plain = subprocess.run(["lz4", "-dcq", path], check=True, capture_output=True).stdout
        with open(path, "rb") as file:
            size += len(file.read())
        offset = 0
        parts = []
        while offset < len(plain):
            length, kind, _, _ = HEADER.unpack_from(plain, offset)
            payload = plain[offset + HEADER.size:offset + 4 + length]
            offset += 4 + length
            if kind != CHANGE:
                continue
            if payload[:1] in b"RY":
                if payload in seen:
                    continue
                seen.add(payload)
            parts.append(payload)
            parts.append(b"\n")
        digest.update(b"".join(parts))
    return digest.hexdigest(), size


def check(binaries, folder, expected):
    """Fails unless the spool is whole and holds exactly the messages of the reference; returns its size."""
    subprocess.run([f"{binaries}/inspect", "verify", folder], check=True, stdout=subprocess.DEVNULL)
    found, size = spool_digest(folder)
    if found != expected:
        raise BenchError(f"{folder}: the log differs from what pg_recvlogical received")
    return size
