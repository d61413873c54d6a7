"""Opens PORT's COUNT keep-alive connections, has one answer over each, and holds them.

Says `opened N`, waits for the end of its input, and says `still open N`. Gives up after a minute.
"""

import signal
import socket
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: bench.example\r\n\r\n"


def is_open(connection):
    """Nothing to read is what an open idle connection has; the end of the stream is a byte less."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False


def main():
    """See the module."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"{len(held)} opened within a minute"))
    signal.alarm(60)
    held = []
    for _ in range(count):
        held.append(socket.create_connection(("127.0.0.1", port), timeout=10))
        try:
            held[-1].sendall(REQUEST)
            answer = held[-1].recv(4_096)
        except OSError as error:
            sys.exit(f"connection {len(held)} failed: {error}")
        if not answer.startswith(b"HTTP/1.1 200"):
            sys.exit(f"connection {len(held)} was answered {answer[:100]!r}")
    print("opened", len(held), flush=True)
    sys.stdin.read()
    print("still open", sum(map(is_open, held)), flush=True)


main()
