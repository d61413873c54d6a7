"""A connection that one thread reads and another writes, and whose two directions end apart."""

import socket
import ssl
import threading

PATIENCE = 20


class Channel:
    """Without TLS."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        """All of them."""
        self.socket.sendall(octets)

    def end(self):
        """Nothing more is sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self):
        """What has come; nothing at the end."""
        return self.socket.recv(262_144)

    def read(self, count):
        """So many octets, or fewer before the end."""
        parts = [self.buffer]
        missing = count - len(self.buffer)
        while missing > 0 and (octets := self.receive()):
            parts.append(octets)
            missing -= len(octets)
        octets = b"".join(parts)
        self.buffer = octets[count:]
        return octets[:count]

    def readline(self):
        """Up to a line feed, or to the end."""
        while b"\n" not in self.buffer and (octets := self.receive()):
            self.buffer += octets
        line, mark, self.buffer = self.buffer.partition(b"\n")
        return line + mark


class SecureChannel(Channel):
    """Within TLS, whose state in Python must not be used by two threads at once."""

    def __init__(self, port):
        super().__init__(port)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.has_ended, self.fault = False, None
        self.state = threading.Lock()
        self.output = threading.Lock()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="a.test")
        while not self._tried(self.tls.do_handshake):
            self._flush()
            self.incoming.write(self.socket.recv(65_536))
        self._flush()

    @staticmethod
    def _tried(step):
        try:
            step()
        except ssl.SSLWantReadError:
            return False
        return True

    def _flush(self):
        with self.state:
            octets = self.outgoing.read()
        self.socket.sendall(octets)

    def send(self, octets):
        with self.output:
            with self.state:
                self.tls.write(octets)
            self._flush()

    def end(self):
        """What TLS has for it is sent before the end of the connection."""
        with self.output:
            with self.state:
                self._tried(self.tls.unwrap)
            self._flush()
            self.socket.shutdown(socket.SHUT_WR)

    def receive(self):
        while not self.has_ended:
            octets = self.socket.recv(262_144)
            with self.state:
                if octets:
                    self.incoming.write(octets)
                else:
                    self.incoming.write_eof()
                plain = self._drain()
            if plain:
                return plain
        if self.fault:
            raise self.fault
        return b""

    def _drain(self):
        """All there is: Python's way to end the output throws away what nobody has read."""
        parts = []
        try:
            while octets := self.tls.read(262_144):
                parts.append(octets)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_ended = True
        except ssl.SSLError as fault:
            self.has_ended, self.fault = True, fault
        return b"".join(parts)
