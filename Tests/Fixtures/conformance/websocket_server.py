"""Websockets as `websockets` has them, without its threads: what is answered depends on the order
of frames alone, and never on how the octets came."""

import contextlib
import socket
import threading

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)


class Splitter:
    """Hands on octets in pieces none of which reaches beyond the end of a frame."""

    def __init__(self):
        self.head = b""
        self.in_frames = False
        self.left = 0

    def pieces(self, octets):
        """The octets, in pieces."""
        while octets:
            count = min(self.left, len(octets)) if self.left else 1
            piece, octets = octets[:count], octets[count:]
            if self.left:
                self.left -= count
            else:
                self.head += piece
                self._note_head()
            yield piece

    def _note_head(self):
        """Looks whether the head of a frame, or of the request, is there."""
        if not self.in_frames:
            if self.head.endswith(b"\r\n\r\n"):
                self.in_frames, self.head = True, b""
            return
        if len(self.head) < 2:
            return
        length = self.head[1] & 127
        extended = {126: 2, 127: 8}.get(length, 0)
        if len(self.head) < 2 + extended + (4 if self.head[1] & 128 else 0):
            return
        self.left = int.from_bytes(self.head[2 : 2 + extended], "big") if extended else length
        self.head = b""


class Server:
    """Echoes messages, or does what the path of a connection names."""

    def __init__(self):
        self.condition = threading.Condition()
        self.books = {}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def book(self, path):
        """All that the connection of a path saw, once it is over."""
        with self.condition:
            if not self.condition.wait_for(lambda: path in self.books, 20):
                return "the server's side is not over"
            return self.books[path]

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one = Connection(connection)
        with connection, contextlib.suppress(OSError):
            one.run()
        with self.condition:
            self.books[one.path] = one.seen
            self.condition.notify_all()


class Connection:
    """One client's."""

    def __init__(self, connection):
        self.socket = connection
        self.path = ""
        self.seen = []
        self.message = []
        self.protocol = ServerProtocol(
            extensions=[ServerPerMessageDeflateFactory()], max_size=17 * 2**20,
            select_subprotocol=lambda _, offered: "chat" if "chat" in offered else None)

    def run(self):
        """Until the client has ended the connection."""
        splitter = Splitter()
        while octets := self.socket.recv(65_536):
            for piece in splitter.pieces(octets):
                self.protocol.receive_data(piece)
                self._take_events()
                self._send()
                if self.path.startswith("/cut") and self.seen:
                    return
        self.seen.append("end")
        self.protocol.receive_eof()
        self._send()

    def _send(self):
        for octets in self.protocol.data_to_send():
            if octets:
                self.socket.sendall(octets)
            else:
                self.socket.shutdown(socket.SHUT_WR)

    def _take_events(self):
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self._begin(event)
            elif isinstance(event, Frame):
                self._take(event)

    def _begin(self, request):
        self.path = request.path
        response = self.protocol.accept(request)
        self.protocol.send_response(response)
        if response.status_code != 101:
            return
        if self.path.startswith("/eager"):
            # In one piece with the head.
            self.protocol.send_text(b"first")
            self.protocol.send_ping(b"there?")
            self.socket.sendall(b"".join(self.protocol.data_to_send()))
        elif self.path.startswith("/drip"):
            self.protocol.send_text(b"octet by octet")
            for octet in b"".join(self.protocol.data_to_send()):
                self.socket.sendall(bytes([octet]))
        elif self.path.startswith("/pieces"):
            self.protocol.send_text(b"one ", fin=False)
            self.protocol.send_ping(b"between")
            self.protocol.send_continuation(b"", fin=False)
            self.protocol.send_continuation(b"two", fin=True)

    def _take(self, frame):
        self.seen.append((frame.opcode.name, frame.fin, len(frame.data)))
        if frame.opcode is Opcode.CLOSE:
            self.seen.append(str(self.protocol.close_rcvd))
        if frame.opcode in CONTROL:
            return
        if frame.opcode is not Opcode.CONT:
            self.message = [frame.opcode]
        self.message.append(bytes(frame.data))
        if frame.fin and self.protocol.state is State.OPEN:
            self._answer(self.message[0], b"".join(self.message[1:]))

    def _answer(self, opcode, message):
        if self.path.startswith("/close"):
            self.protocol.send_close(int(self.path.split("/")[2]), "as asked")
        elif self.path.startswith("/cut"):
            # The head of a frame whose payload never comes.
            self.socket.sendall(b"\x82\x05ab")
        elif opcode is Opcode.BINARY:
            self.protocol.send_binary(message)
        else:
            try:
                message.decode()
            except UnicodeDecodeError:
                return self.protocol.fail(1007, "not UTF-8")
            self.protocol.send_text(message)
        return None
