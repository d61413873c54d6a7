"""An HTTP/1.1 keep-alive server: one thread, non-blocking sockets, one write for each answer.

`http.server` spends a thread on each connection and parses each head with the e-mail package. This
one answers several thousand requests a second, and ends the way a service behind a router should:
on SIGTERM it takes what already waits in its accept queue, answers what was asked, and exits.
"""

import selectors
import signal
import socket
import time

MAX_HEAD = 16_384
MAX_BODY = 1_048_576
READ_SIZE = 65_536
# How long requests that are half received are waited for once SIGTERM has come.
STOP_GRACE_SECONDS = 5.0

REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class Response:
    """A status, a body, and what the body is."""

    __slots__ = ("status", "body", "content_type", "extra")

    def __init__(self, status, body, content_type="application/json", extra=""):
        self.status = status
        self.body = body
        self.content_type = content_type
        # Further header lines, each with its line end.
        self.extra = extra


class BadRequest(Exception):
    """What was received is no request that this server understands."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Connection:
    """One client: what it has sent, and what it has not yet taken."""

    __slots__ = ("sock", "received", "unsent", "closing")

    def __init__(self, sock):
        self.sock = sock
        self.received = bytearray()
        self.unsent = bytearray()
        self.closing = False


def parse_request(received):
    """Returns (method, path, body, keep_alive, size) or None when more is to come."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > MAX_HEAD:
            raise BadRequest(431)
        return None
    if end > MAX_HEAD:
        raise BadRequest(431)
    first, *fields = received[:end].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(400)
    length = 0
    keep_alive = parts[2] == "HTTP/1.1"
    for field in fields:
        name, colon, value = field.partition(":")
        if not colon:
            raise BadRequest(400)
        name = name.lower()
        if name == "content-length":
            value = value.strip()
            if not (value.isascii() and value.isdigit()):
                raise BadRequest(400)
            length = int(value)
        elif name == "connection":
            keep_alive = value.strip().lower() != "close" and (
                keep_alive or value.strip().lower() == "keep-alive"
            )
        elif name == "transfer-encoding":
            raise BadRequest(501)
    if length > MAX_BODY:
        raise BadRequest(413)
    size = end + 4 + length
    if len(received) < size:
        return None
    return parts[0], parts[1], bytes(received[end + 4 : size]), keep_alive, size


class Server:
    """Serves `handle(method, path, body) -> Response` on 127.0.0.1 until `stop` or SIGTERM."""

    def __init__(self, port, handle, version):
        self.handle = handle
        self.fixed = f"X-Version: {version}\r\n"
        self.selector = selectors.DefaultSelector()
        self.connections = set()
        self.stop_at = None
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(4096)
        self.listener.setblocking(False)
        # A signal wakes the selector by a byte on this pair.
        self.woken, self.waker = socket.socketpair()
        self.woken.setblocking(False)
        self.waker.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def stop_on_signals(self):
        """Only the main thread may call this."""
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def stop(self):
        """Asks the server to end; any thread may call this."""
        self.waker.send(b"\0")

    def serve(self):
        while self.stop_at is None or self.connections:
            timeout = None
            if self.stop_at is not None:
                timeout = self.stop_at - time.monotonic()
                if timeout <= 0:
                    break
            for key, events in self.selector.select(timeout):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.woken:
                    self.begin_stop()
                elif key.data in self.connections:
                    self.serve_connection(key.data, events)
        for connection in list(self.connections):
            self.close(connection)
        self.selector.close()
        self.woken.close()
        self.waker.close()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock)
            self.connections.add(connection)
            self.selector.register(sock, selectors.EVENT_READ, connection)

    def begin_stop(self):
        try:
            self.woken.recv(64)
        except BlockingIOError:
            pass
        if self.stop_at is not None:
            return
        # Who waits in the accept queue would be reset by closing the listener.
        self.accept()
        self.selector.unregister(self.listener)
        self.listener.close()
        self.stop_at = time.monotonic() + STOP_GRACE_SECONDS
        for connection in list(self.connections):
            # A request may lie in the socket, not read yet.
            self.serve_connection(connection, selectors.EVENT_READ)
            if connection in self.connections and not (connection.received or connection.unsent):
                self.close(connection)

    def close(self, connection):
        self.connections.discard(connection)
        self.selector.unregister(connection.sock)
        connection.sock.close()

    def serve_connection(self, connection, events):
        try:
            if events & selectors.EVENT_READ and not connection.closing:
                data = connection.sock.recv(READ_SIZE)
                if not data:
                    self.close(connection)
                    return
                connection.received += data
                self.answer_all(connection)
            self.flush(connection)
        except BlockingIOError:
            pass
        except OSError:
            self.close(connection)

    def answer_all(self, connection):
        """Answers the requests that have come whole, in their order."""
        while not connection.closing:
            try:
                request = parse_request(connection.received)
            except BadRequest as problem:
                self.put(connection, Response(problem.status, b"{}"), keep_alive=False)
                return
            if request is None:
                return
            method, path, body, keep_alive, size = request
            del connection.received[:size]
            try:
                response = self.handle(method, path, body)
            except Exception as problem:  # an application's bug is one answer, not the end
                print(f"{method} {path}: {problem!r}", flush=True)
                response = Response(500, b'{"error": "internal"}')
            stopping = self.stop_at is not None and not connection.received
            self.put(connection, response, keep_alive and not stopping, method == "HEAD")

    def put(self, connection, response, keep_alive, head_only=False):
        connection.unsent += (
            f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\n"
            f"Content-Type: {response.content_type}\r\n"
            f"Content-Length: {len(response.body)}\r\n{self.fixed}{response.extra}"
            f"{'' if keep_alive else 'Connection: close' + chr(13) + chr(10)}\r\n"
        ).encode("latin-1")
        if not head_only:
            connection.unsent += response.body
        connection.closing = not keep_alive

    def flush(self, connection):
        if connection.unsent:
            sent = connection.sock.send(connection.unsent)
            del connection.unsent[:sent]
        if connection.unsent:
            self.selector.modify(
                connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection
            )
        elif connection.closing:
            self.close(connection)
        elif self.selector.get_key(connection.sock).events != selectors.EVENT_READ:
            self.selector.modify(connection.sock, selectors.EVENT_READ, connection)
