"""Cases of messages: fields, bodies, compression, and what becomes of them in HTTP/1.1."""

import json

import h2.config
import h2.connection
import h2.events
import hpack
import wire as w
from application import pattern
from trial import case, table

# Requests (RFC 9113 section 8).


def told(answer):
    """What the application says that it was asked."""
    assert answer.status == 200, vars(answer)
    return json.loads(answer.body)


def values(request, name):
    """All values of a field, in their order."""
    return [value for key, value in request["fields"] if key.lower() == name]


@case
def a_request_arrives_as_it_was_meant(t):
    wire = t.wire()
    path = t.path("echo")
    more = [("x-a", "1"), ("accept", "*/*"), ("x-a", "2"), ("x-empty", ""), ("te", "trailers"),
            ("x-latin", "caf\xe9".encode("latin-1"))]
    t.get(wire, 1, path, *more)
    request = told(wire.response(1))
    assert request["line"] == f"GET {path} HTTP/1.1"
    assert values(request, "host") == ["a.test"]
    assert values(request, "x-a") == ["1", "2"] and values(request, "x-empty") == [""]
    assert values(request, "x-latin") == ["caf\xe9"]
    assert values(request, "x-forwarded-proto") == ["https" if t.tls else "http"]
    assert not values(request, "transfer-encoding") and not values(request, "content-length")


@case
def crumbs_of_cookies_are_joined(t):
    wire = t.wire()
    t.get(wire, 1, None, ("cookie", "a=b"), ("x", "y"), ("cookie", "c=d"), ("cookie", "e=f"))
    assert values(told(wire.response(1)), "cookie") == ["a=b; c=d; e=f"]


@case
def host_takes_the_place_of_the_authority(t):
    wire = t.wire()
    fields = [one for one in t.fields(t.path("echo")) if one[0] != ":authority"]
    wire.send(wire.headers(1, [*fields, ("host", "b.test:81")]))
    assert values(told(wire.response(1)), "host") == ["b.test:81"]


@case
def the_same_host_may_be_named_twice(t):
    wire = t.wire()
    t.get(wire, 1, None, ("host", "a.test"))
    assert values(told(wire.response(1)), "host") == ["a.test"]


@table([(word, word) for word in ("OPTIONS", "DELETE", "PATCH", "PROPFIND", "get", "M-SEARCH")])
def any_method_is_passed_on(t, method):
    wire = t.wire()
    path = t.get(wire, 1, method=method)
    assert told(wire.response(1))["line"] == f"{method} {path} HTTP/1.1"


@table([
    ("upper case", ("X-Upper", "a")),
    ("connection", ("connection", "close")),
    ("keep-alive", ("keep-alive", "timeout=5")),
    ("proxy-connection", ("proxy-connection", "keep-alive")),
    ("transfer-encoding", ("transfer-encoding", "chunked")),
    ("upgrade", ("upgrade", "websocket")),
    ("te", ("te", "gzip")),
    ("line feed in a value", ("x", "a\nb")),
    ("CRLF in a value", ("x", "a\r\nGET /smuggled HTTP/1.1\r\n\r\n")),
    ("NUL in a value", ("x", "a\0b")),
    ("DEL in a value", ("x", "a\x7fb")),
    ("blank before a value", ("x", " a")),
    ("blank behind a value", ("x", "a\t")),
    ("empty name", ("", "a")),
    ("space in a name", ("x y", "a")),
    ("colon in a name", ("x:y", "a")),
    ("CRLF in a name", ("x\r\ny", "a")),
    ("high octet in a name", (b"x\xe9", "a")),
    ("late pseudo-header", ("x", "a"), (":method", "GET")),
    ("method twice", (":method", "GET")),
    ("path twice", (":path", "/smuggled")),
    ("authority twice", (":authority", "a.test")),
    ("unknown pseudo-header", (":what", "a")),
    ("pseudo-header of responses", (":status", "200")),
    ("two lengths", ("content-length", "0"), ("content-length", "0")),
    ("list of lengths", ("content-length", "0, 0")),
    ("signed length", ("content-length", "+0")),
    ("length without body", ("content-length", "5")),
    ("another host", ("host", "b.test")),
    ("two hosts", ("host", "a.test"), ("host", "a.test")),
    ("CRLF in a cookie", ("cookie", "a\r\nb: c")),
])
def a_malformed_field_is_refused(t, *more):
    wire = t.wire()
    path = t.path("echo")
    wire.send(wire.headers(1, [*t.fields(path), *more]))
    t.is_malformed(wire, 1, path)


@table([
    ("no method", {":method": None}),
    ("no scheme", {":scheme": None}),
    ("no path", {":path": None}),
    ("no authority", {":authority": None}),
    ("empty method", {":method": ""}),
    ("empty path", {":path": ""}),
    ("empty authority", {":authority": ""}),
    ("space in the method", {":method": "GET /smuggled HTTP/1.1"}),
    ("CRLF in the method", {":method": "GET / HTTP/1.1\r\nx: y"}),
    ("space in the path", {":path": "/a b"}),
    ("CRLF in the path", {":path": "/ HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled"}),
    ("NUL in the path", {":path": "/\0"}),
    ("path without a slash", {":path": "smuggled"}),
    ("asterisk with GET", {":path": "*"}),
    ("whole address as path", {":path": "http://b.test/"}),
    ("user in the authority", {":authority": "me@a.test"}),
    ("slash in the authority", {":authority": "a.test/b"}),
    ("space in the authority", {":authority": "a.test b"}),
    ("CRLF in the authority", {":authority": "a.test\r\nx: y"}),
    ("odd scheme", {":scheme": "h ttp"}),
    ("another scheme", {":scheme": "ftp"}),
])
def a_malformed_request_is_refused(t, changes):
    wire = t.wire()
    path = t.path("echo")
    fields = [(name, changes.get(name, value)) for name, value in t.fields(path)]
    wire.send(wire.headers(1, [one for one in fields if one[1] is not None]))
    t.is_malformed(wire, 1, path)


@case
def a_request_for_the_whole_server_is_passed_on(t):
    wire = t.wire()
    wire.send(wire.headers(1, t.fields("*", method="OPTIONS")))
    answer = wire.response(1)
    assert answer.status or answer.reset is not None
    t.works(wire, 3)


@table([
    ("plain", [(":method", "CONNECT"), (":authority", "a.test:80")]),
    ("extended", [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
                  (":path", "/"), (":authority", "a.test")]),
])
def connect_is_refused(t, fields):
    wire = t.wire()
    wire.send(wire.headers(1, fields, w.END_HEADERS))
    wire.until(lambda: 1 in wire.responses and (
        wire.responses[1].fields or wire.responses[1].has_ended))
    answer = wire.responses[1]
    assert answer.status == 501 or answer.reset == w.PROTOCOL_ERROR, vars(answer)
    t.works(wire, 3)


# Bodies (section 8.1).


@case
def a_body_of_unknown_length_arrives(t):
    wire = t.wire()
    t.post(wire, 1)
    wire.send(w.frame(w.DATA, 0, 1, b"one, ") + w.frame(w.DATA, 0, 1))
    wire.send(w.frame(w.DATA, 0, 1, b"two") + w.frame(w.DATA, w.END_STREAM, 1))
    request = told(wire.response(1))
    assert request["body"] == "one, two" and values(request, "transfer-encoding") == ["chunked"]


@case
def a_body_of_known_length_arrives(t):
    wire = t.wire()
    t.post(wire, 1, None, ("content-length", "8"))
    wire.send(w.frame(w.DATA, 0, 1, b"one, ") + w.frame(w.DATA, w.END_STREAM, 1, b"two"))
    request = told(wire.response(1))
    assert request["body"] == "one, two" and values(request, "content-length") == ["8"]
    assert not values(request, "transfer-encoding")


@case
def padding_is_no_part_of_a_body(t):
    wire = t.wire()
    block = wire.block(t.fields(t.path("echo"), method="POST"))
    wire.send(w.frame(w.HEADERS, w.END_HEADERS | w.PADDED, 1, b"\x09" + block + bytes(9)))
    for word in (b"one", b" two", b""):
        wire.send(w.frame(w.DATA, w.PADDED, 1, b"\xff" + word + bytes(255)))
    wire.send(w.frame(w.DATA, w.PADDED | w.END_STREAM, 1, b"\x00!"))
    assert told(wire.response(1))["body"] == "one two!"


@case
def padding_is_given_credit_for(t):
    wire = t.wire()
    path = t.post(wire, 1, t.path("upload"))
    window, sent = wire.settings[w.INITIAL_WINDOW_SIZE], 0
    # Ten times the window, nearly all of it padding.
    while sent < 10 * window:
        wire.until(lambda: window + wire.updates.get(1, 0) - sent >= 256)
        wire.send(w.frame(w.DATA, w.PADDED, 1, b"\xfe" + bytes(1) + bytes(254)))
        sent += 256
    wire.send(w.frame(w.DATA, w.END_STREAM, 1))
    assert wire.response(1).status == 200
    assert len(t.app.requests(path)[0].body) == sent // 256


@table([
    ("too little", "10", [(w.END_STREAM, b"short")]),
    ("too much", "3", [(w.END_STREAM, b"longer")]),
    ("too much later", "3", [(0, b"abc"), (w.END_STREAM, b"d")]),
    ("none", "3", [(w.END_STREAM, b"")]),
])
def a_body_of_another_length_is_refused(t, length, pieces):
    wire = t.wire()
    path = t.post(wire, 1, t.path("upload"), ("content-length", length))
    wire.send(b"".join(w.frame(w.DATA, flags, 1, octets) for flags, octets in pieces))
    t.stream_fails(wire, 1, w.PROTOCOL_ERROR)
    t.works(wire, 3)
    assert not any(one.is_whole and len(one.body) != int(length) for one in t.app.requests(path))


@case
def trailers_go_both_ways(t):
    wire = t.wire()
    t.post(wire, 1)
    wire.send(w.frame(w.DATA, 0, 1, b"body"))
    wire.send(wire.headers(1, [("x-sum", "4"), ("x-more", "")]))
    request = told(wire.response(1))
    assert request["body"] == "body" and ["x-sum", "4"] in request["trailers"]
    t.get(wire, 3, t.path("chunked"))
    answer = wire.response(3)
    assert answer.body == b"firstsecond" and answer.trailers == [("x-sum", "eleven")]


@table([
    ("pseudo-header", [(":path", "/smuggled")], w.END_STREAM | w.END_HEADERS),
    ("upper case", [("X-Sum", "4")], w.END_STREAM | w.END_HEADERS),
    ("connection-specific", [("connection", "close")], w.END_STREAM | w.END_HEADERS),
    ("CRLF", [("x", "a\r\n\r\nGET /smuggled")], w.END_STREAM | w.END_HEADERS),
    ("not the end", [("x-sum", "4")], w.END_HEADERS),
])
def malformed_trailers_are_refused(t, fields, flags):
    wire = t.wire()
    path = t.post(wire, 1, t.path("upload"))
    wire.send(w.frame(w.DATA, 0, 1, b"body") + wire.headers(1, fields, flags))
    t.stream_fails(wire, 1, w.PROTOCOL_ERROR)
    t.works(wire, 3)
    assert not any(one.is_whole for one in t.app.requests(path))


@case
def a_trailer_does_not_change_the_head(t):
    wire = t.wire()
    t.post(wire, 1)
    wire.send(w.frame(w.DATA, 0, 1, b"body"))
    wire.send(wire.headers(1, [("content-length", "9"), ("host", "b.test"), ("x-sum", "4")]))
    answer = wire.response(1)
    if answer.reset is None:
        assert [name for name, _ in told(answer)["trailers"]] == ["x-sum"]
    t.works(wire, 3)


@case
def who_waits_to_be_told_to_continue_is_told(t):
    wire = t.wire()
    t.post(wire, 1, None, ("expect", "100-continue"), ("content-length", "4"))
    wire.until(lambda: 1 in wire.responses and (
        wire.responses[1].interim or wire.responses[1].fields))
    assert wire.responses[1].interim[0] == [(":status", "100")]
    wire.send(w.frame(w.DATA, w.END_STREAM, 1, b"body"))
    assert told(wire.response(1))["body"] == "body"


# Compression (RFC 7541) and blocks in pieces (section 6.10).


@case
def a_head_may_come_in_many_pieces(t):
    wire = t.wire()
    block = wire.block([*t.fields(t.path("echo")), ("x-long", "a" * 3_000)])
    pieces = [block[:0], block[:7], b"", block[7:8], block[8:1_000], block[1_000:]]
    wire.send(w.frame(w.HEADERS, w.END_STREAM, 1, pieces[0]))
    for piece in pieces[1:-1]:
        wire.send(w.frame(w.CONTINUATION, 0, 1, piece))
    wire.send(w.frame(w.CONTINUATION, w.END_HEADERS, 1, pieces[-1]))
    assert values(told(wire.response(1)), "x-long") == ["a" * 3_000]


@table([
    ("PING", w.frame(w.PING, 0, 0, bytes(8))),
    ("DATA", w.frame(w.DATA, 0, 1, b"x")),
    ("another stream's", w.frame(w.CONTINUATION, w.END_HEADERS, 3, b"\x82")),
    ("HEADERS", w.frame(w.HEADERS, 5, 3, b"\x82")),
    ("unknown", w.frame(0xFA, 0, 0, b"x")),
])
def nothing_may_come_between_the_pieces(t, octets):
    wire = t.wire()
    wire.send(w.frame(w.HEADERS, w.END_STREAM, 1, b"\x82") + octets)
    t.connection_fails(wire, w.PROTOCOL_ERROR)


@table([
    ("index 0", b"\x80"),
    ("index beyond the table", b"\xff\x7f"),
    ("endless number", b"\xff" + b"\xff" * 20),
    ("table larger than allowed", b"\x3f\xe2\x1f"),
    ("value cut off", b"\x00\x01a\x7fb"),
    ("Huffman with the end's symbol", b"\x00\x84\xff\xff\xff\xff\x00"),
    ("Huffman with long padding", b"\x00\x82\x1f\xff\x00"),
    ("table size in the middle", b"\x82\x20"),
])
def what_cannot_be_decompressed_ends_the_connection(t, block):
    wire = t.wire()
    wire.send(w.frame(w.HEADERS, 5, 1, block))
    t.connection_fails(wire, w.COMPRESSION_ERROR)


@case
def a_bomb_of_references_does_not_go_off(t):
    wire = t.wire()
    # One entry of 4,000 octets, and then 3,000 times a reference of one octet to it.
    block = wire.block(t.fields(path := t.path("echo")))
    entry = b"\x40\x01x\x7f" + bytes([0xA1, 0x1E]) + b"b" * 4_000
    wire.send(w.frame(w.HEADERS, 5, 1, block + entry + b"\xbe" * 3_000))
    try:
        answer = wire.response(1)
        assert answer.status == 431 or answer.reset is not None, vars(answer)
        # A new table: the old encoder knows nothing of the entry.
        wire.encoder = hpack.Encoder()
        wire.encoder.header_table_size = 0
        t.works(wire, 3)
    except w.Ended:
        assert wire.goaways[0][0] in (w.ENHANCE_YOUR_CALM, w.PROTOCOL_ERROR, w.COMPRESSION_ERROR)
    assert not t.app.requests(path)
    t.works(t.wire(), 1)


@table([
    ("fields", [("x", "y")] * 200),
    ("octets", [(f"x-{number}", "a" * 1_500) for number in range(50)]),
])
def too_many_fields_are_refused(t, more):
    wire = t.wire()
    block = wire.block([*t.fields(path := t.path("echo")), *more])
    wire.send(w.frame(w.HEADERS, w.END_STREAM, 1, block[:16_384]))
    rest = block[16_384:]
    while rest:
        piece, rest = rest[:16_384], rest[16_384:]
        wire.send(w.frame(w.CONTINUATION, 0, 1, piece))
    wire.send(w.frame(w.CONTINUATION, w.END_HEADERS, 1))
    assert wire.response(1).status == 431
    # The compression's state is that of both sides still.
    t.works(wire, 3)
    assert not t.app.requests(path)


# Responses.


@table([
    ("HEAD", "HEAD", "bytes/1000", 200, [("content-length", "1000")]),
    ("204", "GET", "status/204", 204, [("etag", '"e"')]),
    ("304", "GET", "status/304", 304, [("etag", '"e"')]),
])
def an_answer_without_a_body_ends_with_its_head(t, method, kind, status, fields):
    wire = t.wire()
    t.get(wire, 1, t.path(kind), method=method)
    answer = wire.response(1)
    assert answer.status == status and answer.body == b"" and answer.reset is None
    assert [one for one in answer.fields if one[0] in dict(fields)] == fields
    t.works(wire, 3)


@case
def early_hints_come_first(t):
    wire = t.wire()
    t.get(wire, 1, t.path("hints"))
    answer = wire.response(1)
    assert answer.interim == [[(":status", "103"), ("link", "</a.css>")]]
    assert answer.status == 200 and answer.body == b"after hints"


@case
def what_concerns_one_connection_stays_behind(t):
    wire = t.wire()
    t.get(wire, 1, t.path("hop"))
    answer = wire.response(1)
    names = {name for name, _ in answer.fields}
    assert not names & {"connection", "keep-alive", "proxy-connection", "x-hop"}, names
    assert answer.values("set-cookie") == ["a=1", "b=2"] and answer.values("x-kept") == ["yes"]


@table([("by its length", "cut"), ("in chunks", "torn")])
def an_answer_that_is_cut_off_is_not_ended_well(t, kind):
    wire = t.wire()
    t.get(wire, 1, t.path(kind))
    answer = wire.response(1)
    assert answer.reset not in (None, w.NO_ERROR), vars(answer)
    t.works(wire, 3)


@case
def an_answer_may_end_with_its_connection(t):
    wire = t.wire()
    t.get(wire, 1, t.path("until"))
    answer = wire.response(1)
    assert answer.body == b"until the end" and answer.reset is None


# A whole client of somebody else's.


def converse(t, connection, requests, body=b""):
    """Sends requests with `h2`, with its own idea of flow control. Returns bodies by stream."""
    channel = t.raw().channel
    connection.initiate_connection()
    bodies, left, ended = {}, {}, set()
    for path in requests:
        stream = connection.get_next_available_stream_id()
        method = "POST" if body else "GET"
        connection.send_headers(stream, t.fields(path, method=method), end_stream=not body)
        bodies[stream], left[stream] = b"", body
    while len(ended) < len(requests):
        for stream, rest in left.items():
            while rest and (room := min(
                    connection.local_flow_control_window(stream),
                    connection.max_outbound_frame_size, len(rest))):
                connection.send_data(stream, rest[:room], end_stream=room == len(rest))
                left[stream] = rest = rest[room:]
        channel.sendall(connection.data_to_send())
        octets = channel.recv(65_536)
        assert octets, "closed in the middle"
        for event in connection.receive_data(octets):
            if isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                connection.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                ended.add(event.stream_id)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise AssertionError(event)
    return list(bodies.values())


def client():
    """A client's side that looks at everything that a server says."""
    return h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))


@case
def a_hundred_answers_at_once_are_not_mixed_up(t):
    sizes = [number * 997 for number in range(100)]
    bodies = converse(t, client(), [t.path("bytes", size) for size in sizes])
    assert bodies == [pattern(size) for size in sizes]


@case
def a_large_answer_arrives_whole(t):
    assert converse(t, client(), [t.path("bytes", 8_000_000)]) == [pattern(8_000_000)]


@case
def large_requests_arrive_whole(t):
    bodies = converse(t, client(), [t.path("upload") for _ in range(3)], pattern(2_000_000))
    assert bodies == [b"True"] * 3
