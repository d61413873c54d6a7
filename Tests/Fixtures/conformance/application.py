"""The application behind the proxy: HTTP/1.1 by the letter, and a book of what reached it."""

import dataclasses
import json
import socket
import threading


@dataclasses.dataclass
class Request:
    """A request as it arrived. `is_whole` once its body has ended."""

    line: str
    fields: list
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    is_whole: bool = False

    def values(self, name):
        """All values of a field, in their order."""
        return [value for key, value in self.fields if key.lower() == name]


def pattern(count):
    """Octets that a piece in the wrong place would not fit."""
    unit = b"".join(number.to_bytes(4, "big") for number in range(min(count, 65_536) // 4 + 1))
    return (unit * (count // len(unit) + 1))[:count]


class Application:
    """Answers each path in the way that the path names; one thread for each connection."""

    def __init__(self):
        self.condition = threading.Condition()
        self.book = {}
        self.released = set()
        self.written = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        # Small, so that what nobody reads is soon not taken either.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    # What cases ask.

    def requests(self, path):
        """Everything that came for a path so far."""
        with self.condition:
            return list(self.book.get(path, []))

    def wait_for(self, path, count=1, whole=False):
        """The requests for a path, once there are so many of them."""

        def done():
            found = self.book.get(path, [])
            return len([one for one in found if one.is_whole or not whole]) >= count

        with self.condition:
            if not self.condition.wait_for(done, 20):
                raise AssertionError(f"{len(self.book.get(path, []))} of {count} came for {path}")
            return list(self.book[path])

    def wait_until_written(self, path):
        """Returns once the whole answer for a path has been handed to the kernel."""
        with self.condition:
            if not self.condition.wait_for(lambda: path in self.written, 20):
                raise AssertionError(f"the answer for {path} could not be written")

    def release(self, path):
        """Lets the held answers for a path go."""
        with self.condition:
            self.released.add(path)
            self.condition.notify_all()

    # The server.

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while self._exchange(connection, stream):
                    pass
            except (OSError, ValueError, EOFError):
                pass

    def _exchange(self, connection, stream):
        line = stream.readline()
        if not line:
            return False
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise ValueError("a line that does not end as lines do")
        request = Request(line[:-2].decode("latin-1"), _read_fields(stream))
        method, path, _ = request.line.split(" ")
        with self.condition:
            self.book.setdefault(path, []).append(request)
            self.condition.notify_all()
        kind = path.split("/")[1] if path != "*" else "echo"
        if request.values("expect"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if kind not in ("early", "unread"):
            self._read_body(request, stream)
        goes_on = getattr(self, "_answer_" + kind)(connection, method, path, request)
        with self.condition:
            self.written.add(path)
            self.condition.notify_all()
        if kind == "early":
            self._read_body(request, stream)
        return goes_on is not False

    def _read_body(self, request, stream):
        if "chunked" in request.values("transfer-encoding"):
            while size := int(_exactly(stream, stream.readline()), 16):
                request.body += _exactly(stream, stream.read(size), size)
                if stream.readline() != b"\r\n":
                    raise ValueError("a chunk longer than its size")
            request.trailers = _read_fields(stream)
        elif length := request.values("content-length"):
            request.body = _exactly(stream, stream.read(int(length[0])), int(length[0]))
        with self.condition:
            request.is_whole = True
            self.condition.notify_all()

    # The answers, by the first part of a path.

    def _answer_echo(self, connection, method, path, request):
        told = {"line": request.line, "fields": request.fields, "trailers": request.trailers}
        told["body"] = request.body.decode("latin-1")
        _send(connection, 200, json.dumps(told).encode(), with_body=method != "HEAD")

    def _answer_upload(self, connection, method, path, request):
        _send(connection, 200, str(request.body == pattern(len(request.body))).encode())

    _answer_early = _answer_echo

    def _answer_unread(self, connection, method, path, request):
        with self.condition:
            self.condition.wait_for(lambda: path in self.released, 20)
        return False

    def _answer_hold(self, connection, method, path, request):
        with self.condition:
            self.condition.wait_for(lambda: path in self.released, 20)
        _send(connection, 200, b"held")

    def _answer_bytes(self, connection, method, path, request):
        _send(connection, 200, pattern(int(path.split("/")[2])), with_body=method != "HEAD")

    def _answer_chunked(self, connection, method, path, request):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
            b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\nX-Sum: eleven\r\n\r\n"
        )

    def _answer_status(self, connection, method, path, request):
        status = path.split("/")[2]
        connection.sendall(f"HTTP/1.1 {status} Fine\r\nETag: \"e\"\r\n\r\n".encode())

    def _answer_hints(self, connection, method, path, request):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        _send(connection, 200, b"after hints")

    def _answer_hop(self, connection, method, path, request):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: here only\r\n"
            b"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nX-Kept: yes\r\n"
            b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok"
        )

    def _answer_cut(self, connection, method, path, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        return False

    def _answer_torn(self, connection, method, path, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        return False

    def _answer_until(self, connection, method, path, request):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
        return False


def _exactly(stream, octets, count=1):
    if len(octets) < count:
        raise EOFError
    return octets


def _read_fields(stream):
    fields = []
    while True:
        line = _exactly(stream, stream.readline())
        if not line.endswith(b"\r\n"):
            raise ValueError("a line that does not end as lines do")
        if line == b"\r\n":
            return fields
        name, _, value = line[:-2].decode("latin-1").partition(":")
        fields.append((name, value.strip(" \t")))


def _send(connection, status, body, with_body=True):
    head = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connection.sendall(head + (body if with_body else b""))
