"""The server on a real socket: keep-alive, framing, and how it ends."""

import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).parent.parent


class ServerTests(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shop"],
            cwd=ROOT,
            env={**os.environ, "PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.addCleanup(sock.close)
        return sock

    def test_one_connection_serves_many_requests(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.addCleanup(client.close)
        version = (ROOT / "VERSION").read_text().strip()
        for _ in range(3):
            client.request("GET", "/up")
            response = client.getresponse()
            response.read()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.getheader("X-Version"), version)
            self.assertIsNone(response.getheader("Connection"))

    def test_a_request_may_come_in_pieces(self):
        sock = self.connect()
        for piece in (b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-", b'Length: 10\r\n\r\n{"id"', b': "x"}'):
            sock.sendall(piece)
        # The body is ten bytes: `{"id": "x"` is not JSON, which shows where it ended.
        self.assertIn(b" 400 ", sock.recv(4096).split(b"\r\n")[0])

    def test_what_is_no_request_ends_the_connection(self):
        for raw, status in (
            (b"nonsense\r\n\r\n", b"400"),
            (b"POST /orders HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
            (b"POST /orders HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"501"),
            (b"POST /orders HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", b"413"),
        ):
            with self.subTest(raw=raw):
                sock = self.connect()
                sock.sendall(raw)
                answer = sock.makefile("rb").read()
                self.assertIn(status, answer.split(b"\r\n")[0])
                self.assertIn(b"Connection: close", answer)

    def test_sigterm_lets_a_request_in_flight_finish(self):
        idle = self.connect()
        busy = self.connect()
        # Once this is answered, the server has read the half request that came before it.
        busy.sendall(b"GET /up HTTP/1.1\r\n\r\nGET /up HTTP/1.1\r\n")
        self.assertIn(b" 200 ", busy.recv(4096))
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(idle.recv(1), b"")
        busy.sendall(b"\r\n")
        answer = busy.makefile("rb").read()
        self.assertIn(b" 200 ", answer)
        self.assertIn(b"Connection: close", answer)
        self.assertEqual(self.process.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
