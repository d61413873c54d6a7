"""The soak's application: answers GET, POST in both framings, and websockets that echo.

Each id that is posted becomes a line of the file in SOAK_LEDGER, which all instances append to. One
that was executed twice stands there twice.
"""

import asyncio
import base64
import hashlib
import os
import pathlib
import signal

VERSION = pathlib.Path("VERSION").read_text().strip()
LEDGER = os.open(
    os.environ.get("SOAK_LEDGER", "/dev/null"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644
)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
GOING_AWAY = (1001).to_bytes(2, "big")
# How long a client may take to answer a close frame.
PATIENCE = 2.0


class Connection(asyncio.Protocol):
    """One connection: requests one after another, or after an upgrade frames."""

    open = set()
    stopping = False

    def connection_made(self, transport):
        self.transport = transport
        self.received = bytearray()
        self.websocket = False
        Connection.open.add(self)

    def connection_lost(self, _):
        Connection.open.discard(self)

    def data_received(self, data):
        self.received += data
        try:
            while self.frame() if self.websocket else self.request():
                pass
        except ValueError:
            self.transport.write(b"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()

    def request(self):
        """Answers one request, if all of it is there."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = bytes(self.received[:end]).split(b"\r\n")
        method, path, _ = first.split(b" ")
        pairs = (line.partition(b":") for line in lines)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        body, after = self.body(fields, end + 4)
        if body is None:
            return False
        del self.received[:after]
        if fields.get(b"upgrade", b"").lower() == b"websocket":
            self.upgrade(fields)
        elif method == b"POST":
            os.write(LEDGER, body.split(b'"')[3] + b"\n")
            self.answer(body)
        else:
            self.answer(b"ready" if path == b"/up" else b"hello from the soak's application\n")
        return True

    def body(self, fields, start):
        """The body and where it ends; None while it is not all there."""
        if fields.get(b"transfer-encoding", b"").lower() != b"chunked":
            end = start + int(fields.get(b"content-length", 0))
            return (bytes(self.received[start:end]), end) if len(self.received) >= end else (None, 0)
        body = b""
        while True:
            line = self.received.find(b"\r\n", start)
            if line < 0:
                return None, 0
            size = int(bytes(self.received[start:line]).split(b";")[0], 16)
            start = line + 2 + size + 2
            if len(self.received) < start:
                return None, 0
            if size == 0:
                return body, start
            body += self.received[line + 2 : line + 2 + size]

    def answer(self, body):
        closes = b"Connection: close\r\n" if Connection.stopping else b""
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nX-Version: %b\r\n%bContent-Length: %d\r\n\r\n%b"
            % (VERSION.encode(), closes, len(body), body)
        )
        if closes:
            self.transport.close()

    def upgrade(self, fields):
        accept = base64.b64encode(hashlib.sha1(fields[b"sec-websocket-key"] + GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"X-Version: %b\r\nSec-WebSocket-Accept: %b\r\n\r\n" % (VERSION.encode(), accept)
        )
        self.websocket = True
        if Connection.stopping:
            self.send(0x8, GOING_AWAY)

    def frame(self):
        """Answers one frame (RFC 6455 section 5.2), if all of it is there; all are short here."""
        received = self.received
        if len(received) < 6:
            return False
        length = received[1] & 0x7F
        if not received[1] & 0x80 or length > 125:
            raise ValueError("a frame without a mask, or too long")
        if len(received) < 6 + length:
            return False
        opcode, mask = received[0] & 0x0F, received[2:6]
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(received[6 : 6 + length]))
        del received[: 6 + length]
        if opcode == 0x1:
            self.send(0x1, payload)
        elif opcode == 0x9:
            self.send(0xA, payload)
        elif opcode == 0x8:
            if not Connection.stopping:
                self.send(0x8, payload)
            self.transport.close()
            return False
        return True

    def send(self, opcode, payload):
        self.transport.write(bytes([0x80 | opcode, len(payload)]) + payload)


async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Connection, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    await stop.wait()
    server.close()
    Connection.stopping = True
    for connection in [c for c in Connection.open if c.websocket]:
        connection.send(0x8, GOING_AWAY)
    deadline = loop.time() + PATIENCE
    while any(c.websocket for c in Connection.open) and loop.time() < deadline:
        await asyncio.sleep(0.005)


asyncio.run(main())
