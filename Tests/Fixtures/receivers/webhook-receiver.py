#!/usr/bin/env python3
"""Receives webhooks, treats each request as it is told, and says what it got.

    webhook-receiver.py KEY [BEHAVIOUR...]

KEY is the key of signed webhooks (whsec_...), or '-' when none are checked. The first request gets
the first behaviour, the next one the second, and all after the last are answered 200:

    ok            200
    NUMBER        that status, and the request does not count as accepted
    429:SECONDS   with Retry-After
    drop          closes the connection without reading anything
    lose          accepts the request, and closes the connection without an answer
    hang          accepts nothing, and never answers
    slow          takes half a second for 200

Prints the port, then one line of JSON for each request.
"""

import base64
import hashlib
import hmac
import http.server
import json
import sys
import threading
import time

key = sys.argv[1]
behaviours = sys.argv[2:]
lock = threading.Lock()


def verified(headers, body):
    """Whether the signature is that of the Standard Webhooks specification.

    Receivers allow five minutes between the clocks; here the sender's may run ahead of the receiver's,
    so that waits pass quickly, and the more so the busier the machine is.
    """
    secret = base64.b64decode(key.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
    signatures = headers["webhook-signature"].split(" ")
    recent = abs(int(headers["webhook-timestamp"]) - time.time()) < 7200
    return recent and any(hmac.compare_digest(expected, given) for given in signatures)


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        with lock:
            behaviour = behaviours.pop(0) if behaviours else "ok"
        if behaviour == "drop":
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["content-length"]))
        accepted = behaviour in ("ok", "lose", "slow")
        line = {
            "behaviour": behaviour,
            "accepted": accepted,
            "path": self.path,
            "id": self.headers["webhook-id"],
            "type": self.headers["content-type"],
            "verified": key == "-" or verified(self.headers, body),
            "body": body.decode(),
        }
        with lock:
            print(json.dumps(line), flush=True)
        if behaviour == "lose":
            self.close_connection = True
            return
        if behaviour == "hang":
            threading.Event().wait(600)
        if behaviour == "slow":
            time.sleep(0.5)
        status, _, seconds = ("200" if accepted else behaviour).partition(":")
        answer = b"ok" if accepted else b"not_now"
        self.send_response(int(status))
        if seconds:
            self.send_header("Retry-After", seconds)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A connection that the test dropped is no error.
    handle_error = lambda *arguments: None


server = Server(("127.0.0.1", 0), Receiver)
print(server.server_address[1], flush=True)
server.serve_forever()
