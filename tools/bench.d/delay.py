"""A proxy that lets everything arrive late, as a long way does: delay.py LISTEN TARGET MILLISECONDS (Unix sockets)."""

import os
import queue
import socket
import sys
import threading
import time

PIECE = 256 << 10
# So many pieces may be on their way; a link of 20 ms that carries 1 GB/s holds 20 MB.
PIECES_MAX = 256


def carry(source, sink, delay_s):
    """Takes what `source` sends at once, and gives it to `sink` later, in order."""
    way = queue.Queue(PIECES_MAX)

    def deliver():
        try:
            while True:
                due, data = way.get()
                wait = due - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
        except OSError:
            source.close()

    threading.Thread(target=deliver, daemon=True).start()
    try:
        while True:
            data = source.recv(PIECE)
            way.put((time.monotonic() + delay_s, data))
            if not data:
                return
    except OSError:
        way.put((0, b""))


def main():
    listen, target, milliseconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    server = socket.socket(socket.AF_UNIX)
    server.bind(listen)
    os.chmod(listen, 0o777)
    server.listen()
    print("ready", flush=True)
    while True:
        near, _ = server.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(target)
        for source, sink in [(near, far), (far, near)]:
            # Half of the round trip on each way.
            threading.Thread(target=carry, args=(source, sink, milliseconds / 2000), daemon=True).start()


main()
