"""Websockets with and without the proxy: whatever is sent, both sides observe the same.

Says the port of its server, waits for a line with the ports of the proxy without and with TLS, and
says what became of each case. All of it is one JSON object a line.
"""

import hashlib
import itertools
import sys
import threading

import channel
import websocket_cases
import websocket_server
from suite import say

TOLD = ("upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol",
        "sec-websocket-extensions", "sec-websocket-version")
NUMBERS = itertools.count(1)


def read_head(stream):
    """(status, what is told of the handshake)"""
    lines = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line.decode("latin-1").strip())
    fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    told = sorted((name.lower(), value) for name, value in fields if name.lower() in TOLD)
    return lines[0].split(" ")[1] if lines else "no answer", told


def read_frames(stream):
    """Each frame in short, and how it ended."""
    found = []
    try:
        while head := stream.read(2):
            length = head[1] & 127 if len(head) == 2 else 0
            if length >= 126:
                length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
            payload = stream.read(length)
            if len(payload) < length:
                return [*found, f"torn after {len(payload)} of {length}"]
            what = payload.hex() if length < 40 else hashlib.sha256(payload).hexdigest()
            found.append(f"{head.hex()} {length} {what}")
        return [*found, "end"]
    except TimeoutError:
        return [*found, "nothing more"]
    except OSError as error:
        return [*found, type(error).__name__]


def send(stream, pieces, leaves):
    """What a server that has hung up does not take is of no concern."""
    try:
        for piece in pieces:
            stream.send(piece)
        if leaves:
            stream.end()
    except OSError:
        pass


def observe(case, port, tls, server):
    """(what the client sees, what the server sees)"""
    path = f"{case.path}/{next(NUMBERS)}"
    fields = (("Host", "a.test"), *case.fields)
    lines = [f"{case.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    request = "\r\n".join([*lines, "", ""]).encode()
    with channel.SecureChannel(port) if tls else channel.Channel(port) as stream:
        early, later = (case.pieces, []) if case.hurries else ([], case.pieces)
        stream.send(request + b"".join(early))
        status, told = read_head(stream)
        if status != "101":
            # What is said of a connection that stays as it is concerns that one alone.
            return [status, [one for one in told if one[0] not in ("connection", "upgrade")]], []
        sender = threading.Thread(target=send, args=(stream, later, case.leaves))
        sender.start()
        seen = read_frames(stream)
        sender.join()
    return [status, told, *seen], server.book(path)


def differences(direct, other):
    """The first place at which two observations differ; None when there is none."""
    for side, one, two in zip(("client", "server"), direct, other):
        if one == two:
            continue
        pairs = enumerate(itertools.zip_longest(one, two))
        place, (left, right) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
        return f"the {side} sees at {place}: {left} without, {right} with the proxy"
    return None


def main():
    """See the module."""
    server = websocket_server.Server()
    say(application=server.port)
    plain, secure = map(int, sys.stdin.readline().split())
    for group in websocket_cases.GROUPS:
        for case in group():
            direct = observe(case, server.port, False, server)
            # A suite that nobody talks to would find no difference either.
            if group is not websocket_cases.greetings:
                assert direct[0][0] == "101", f"{case.name}: {direct}"
            for name, port, tls in (("plain", plain, False), ("tls", secure, True)):
                try:
                    problem = differences(direct, observe(case, port, tls, server))
                except OSError as error:
                    problem = f"{type(error).__name__}: {error}"
                say(case=f"{group.__name__}: {case.name} ({name})", problem=problem)


main()
