"""An HTTP/2 client that sends whatever a case wants, and reads with `hyperframe` and `hpack`."""

import select
import socket
import ssl
import struct

import hpack
from hyperframe import frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE = range(9)
CONTINUATION = 9
END_STREAM = ACK = 1
END_HEADERS, PADDED, WITH_PRIORITY = 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR,
 ENHANCE_YOUR_CALM) = range(12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = (
    range(1, 6))
LARGEST_WINDOW = 2**31 - 1
PATIENCE = 20


class Ended(Exception):
    """The server has closed the connection."""


class Response:
    """What has come on one stream."""

    def __init__(self):
        self.interim = []
        self.fields = None
        self.trailers = None
        self.body = b""
        self.has_ended = False
        self.reset = None

    @property
    def status(self):
        """As a number; None before the head."""
        return int(dict(self.fields)[":status"]) if self.fields else None

    def values(self, name):
        """All values of a field, in their order."""
        return [value for key, value in self.fields if key == name]


def frame(kind, flags, stream, payload=b""):
    """The octets of a frame, sound or not."""
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def settings(*pairs):
    """The octets of a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, increment):
    """The octets of a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream, code=CANCEL):
    """The octets of an RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def connect(port, tls, protocols=("h2",)):
    """A socket; over TLS with the protocols offered."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return plain
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(plain, server_hostname="a.test")


class Wire:
    """One connection. Nothing is sent but what a case sends, and that settings are acknowledged."""

    def __init__(self, channel):
        self.channel = channel
        self.buffer = b""
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.settings = {}
        self.acknowledged = 0
        self.pongs = []
        self.goaways = []
        self.updates = {}
        self.responses = {}
        self.log = []

    # To the server.

    def send(self, octets):
        """Also to somebody who has hung up: what he said before is still to be read."""
        try:
            self.channel.sendall(octets)
        except OSError:
            pass

    def begin(self, *pairs):
        """The connection's preface, up to the acknowledgement of ours."""
        self.send(PREFACE + settings(*pairs))
        self.until(lambda: self.acknowledged and self.settings)
        return self

    def block(self, fields):
        """Fields as HPACK has them: nothing is looked at."""
        return self.encoder.encode(fields)

    def headers(self, stream, fields, flags=END_STREAM | END_HEADERS):
        """The octets of a HEADERS frame."""
        return frame(HEADERS, flags, stream, self.block(fields))

    # From the server.

    def read(self):
        """One frame, which is entered in what is known. Fails after a while without any."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + self._length():
            self._receive()
        length = self._length()
        one, _ = frames.Frame.parse_frame_header(memoryview(self.buffer[:9]))
        one.parse_body(memoryview(self.buffer[9 : 9 + length]))
        one.body_len = length
        self.buffer = self.buffer[9 + length :]
        self.log.append(f"{type(one).__name__}({one.stream_id})")
        self._note(one)
        return one

    def _length(self):
        return int.from_bytes(self.buffer[:3], "big")

    def _receive(self):
        try:
            octets = self.channel.recv(65_536)
        except TimeoutError:
            raise AssertionError(f"nothing more came after {self.log[-8:]}") from None
        except (ConnectionError, ssl.SSLError):
            octets = b""
        if not octets:
            raise Ended(f"closed after {self.log[-8:]}")
        self.buffer += octets

    def _note(self, one):
        if isinstance(one, frames.SettingsFrame):
            if "ACK" in one.flags:
                self.acknowledged += 1
            else:
                self.settings.update(one.settings)
                self.send(frame(SETTINGS, ACK, 0))
        elif isinstance(one, frames.PingFrame) and "ACK" in one.flags:
            self.pongs.append(one.opaque_data)
        elif isinstance(one, frames.GoAwayFrame):
            self.goaways.append((one.error_code, one.last_stream_id))
        elif isinstance(one, frames.WindowUpdateFrame):
            known = self.updates.get(one.stream_id, 0)
            self.updates[one.stream_id] = known + one.window_increment
        elif isinstance(one, frames.PushPromiseFrame):
            raise AssertionError("the server pushes")
        elif one.stream_id:
            self._note_response(one, self.responses.setdefault(one.stream_id, Response()))

    def _note_response(self, one, response):
        if response.has_ended:
            # Only that nobody wants the rest of the request (RFC 9113 section 8.1).
            what = f"{type(one).__name__} after the end of {one.stream_id}"
            assert isinstance(one, frames.RstStreamFrame) and one.error_code == NO_ERROR, what
            return
        if isinstance(one, frames.RstStreamFrame):
            response.reset = one.error_code
        elif isinstance(one, frames.DataFrame):
            assert response.fields, "DATA before the head"
            response.body += one.data
        elif isinstance(one, frames.HeadersFrame):
            block = one.data
            while "END_HEADERS" not in one.flags:
                more = self.read_continuation(one.stream_id)
                block += more.data
                one.flags |= more.flags
            fields = [
                (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                for name, value in self.decoder.decode(block, raw=True)
            ]
            for name, _ in fields:
                assert name == name.lower(), f"{name} is not in lower case"
            if response.fields is not None:
                response.trailers = fields
            elif dict(fields)[":status"].startswith("1"):
                response.interim.append(fields)
            else:
                response.fields = fields
        response.has_ended = "END_STREAM" in one.flags or response.reset is not None

    def read_continuation(self, stream):
        """Nothing may come in between the pieces of a block."""
        one = self.read()
        assert isinstance(one, frames.ContinuationFrame) and one.stream_id == stream
        return one

    def until(self, condition):
        """Reads until a condition holds."""
        while not condition():
            self.read()

    def response(self, stream):
        """The response on a stream, once it has ended."""
        self.until(lambda: stream in self.responses and self.responses[stream].has_ended)
        return self.responses[stream]

    def has_more(self, seconds=0):
        """Whether something comes within so many seconds."""
        if len(self.buffer) >= 9 or isinstance(self.channel, ssl.SSLSocket) and (
                self.channel.pending()):
            return True
        return bool(select.select([self.channel], [], [], seconds)[0])

    def read_what_is_there(self):
        """Does not wait for more, except for the rest of a frame."""
        try:
            while self.has_more():
                self.read()
        except Ended:
            pass

    def drain(self):
        """Reads up to the end of the connection."""
        try:
            while True:
                self.read()
        except Ended:
            return

    def ping(self, payload=b"barriers"):
        """A round trip: whatever the server did about earlier frames has arrived behind it."""
        before = len(self.pongs)
        self.send(frame(PING, 0, 0, payload))
        self.until(lambda: len(self.pongs) > before)
