"""Keeps COUNT slow clients at PORT: half of them send a head, half a body, an octet a second each.

Says `opened N` once each of them has had a turn, waits for the end of its input, and says `still
open N`. A client that is hung up on, because its head takes too long say, comes again at once.
"""

import select
import socket
import sys
import time

HEAD = b"GET / HTTP/1.1\r\nHost: bench.example\r\nX-Slow: " + b"a" * 1_000_000
BODY = b"POST /slow HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 1000000\r\n\r\n"
#: Parts of a second: who has a turn in one of them comes again in the same part of the next.
SLICES = 50


class Slow:
    """One client."""

    def __init__(self, port, sends_body):
        self.port = port
        self.sends_body = sends_body
        self.open()

    def open(self):
        """Connects; the head of a body goes in one piece."""
        self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        if self.sends_body:
            self.connection.sendall(BODY)
        self.connection.setblocking(False)
        self.sent = 0

    def is_open(self):
        """Any answer at all is the refusal of somebody so slow."""
        try:
            self.connection.recv(1)
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def drip(self):
        """The next octet, from a new connection if need be."""
        try:
            if self.is_open():
                self.connection.send(b"a" if self.sends_body else HEAD[self.sent : self.sent + 1])
                self.sent += 1
                return
        except OSError:
            pass
        self.connection.close()
        self.open()


def main():
    """See the module."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    crowd = [Slow(port, number % 2 == 1) for number in range(count)]
    began, turn = time.monotonic(), 0
    while True:
        if turn == SLICES:
            # Whatever their coming cost is over; from here on they only are there.
            print("opened", count, flush=True)
        wait = began + turn / SLICES - time.monotonic()
        if select.select([sys.stdin], [], [], max(wait, 0))[0]:
            break
        for one in crowd[turn % SLICES :: SLICES]:
            one.drip()
        turn += 1
    for one in crowd:
        if not one.is_open():
            one.connection.close()
            one.open()
    print("still open", count, flush=True)


main()
