"""What a case of the HTTP/2 suite works with."""

import itertools

import wire as w

CASES = []


def case(function):
    """Enters a function into the suite under its name."""
    CASES.append((function.__name__, function))
    return function


def table(rows):
    """Enters a function into the suite once for each row; the row's first word is its name."""

    def enter(function):
        for name, *values in rows:
            CASES.append(
                (f"{function.__name__}: {name}", lambda t, given=values: function(t, *given)))
        return function

    return enter


class Trial:
    """One case: its connections, and what it may ask the application."""

    numbers = itertools.count(1)

    def __init__(self, port, tls, application):
        self.port = port
        self.tls = tls
        self.app = application
        self.wires = []

    def raw(self, protocols=("h2",)):
        """A connection on which nothing has been said."""
        self.wires.append(w.Wire(w.connect(self.port, self.tls, protocols)))
        return self.wires[-1]

    def wire(self, *pairs):
        """A connection that has begun, with settings of the client's."""
        return self.raw().begin(*pairs)

    def close(self):
        """Whatever became of the case."""
        for one in self.wires:
            one.channel.close()

    def path(self, kind, *rest):
        """A path of this case's own."""
        return "/".join(["", kind, *map(str, rest), str(next(self.numbers))])

    def fields(self, path, *more, method="GET"):
        """A request's."""
        head = [(":method", method), (":scheme", "https" if self.tls else "http")]
        return [*head, (":authority", "a.test"), (":path", path), *more]

    def get(self, wire, stream, path=None, *more, method="GET"):
        """Sends a request without a body."""
        path = path or self.path("echo")
        wire.send(wire.headers(stream, self.fields(path, *more, method=method)))
        return path

    def post(self, wire, stream, path=None, *more):
        """Sends the head of a request with a body."""
        path = path or self.path("echo")
        fields = self.fields(path, *more, method="POST")
        wire.send(wire.headers(stream, fields, w.END_HEADERS))
        return path

    # What is expected.

    def works(self, wire, stream):
        """The connection still serves."""
        self.get(wire, stream)
        answer = wire.response(stream)
        assert answer.status == 200 and answer.reset is None, vars(answer)

    def connection_fails(self, wire, *codes):
        """GOAWAY with one of the codes, and the end."""
        wire.drain()
        failures = [code for code, _ in wire.goaways if code != w.NO_ERROR]
        assert failures, f"no GOAWAY; got {wire.log[-6:]}"
        assert failures[0] in codes, f"GOAWAY with {failures[0]}, not {codes}"

    def stream_fails(self, wire, stream, *codes):
        """RST_STREAM with one of the codes; the connection goes on."""
        answer = wire.response(stream)
        assert answer.reset in codes, f"{vars(answer)} where one of {codes} should be"
        wire.ping()
        assert not wire.goaways, wire.goaways

    def is_malformed(self, wire, stream, path):
        """A malformed request (RFC 9113 section 8.1.1): nobody hears of it."""
        self.stream_fails(wire, stream, w.PROTOCOL_ERROR)
        self.works(wire, stream + 2)
        assert not self.app.requests(path), "it reached the application"
