"""Cases of streams: their states, their number, and who uses them to wear the server out."""

import contextlib
import socket
import struct

import wire as w
from suite import say
from trial import case, table

# States (RFC 9113 section 5.1).


@table([
    ("DATA on idle", w.frame(w.DATA, 0, 5, b"x"), (w.PROTOCOL_ERROR,)),
    ("an even stream", w.frame(w.HEADERS, 5, 2, b"\x82"), (w.PROTOCOL_ERROR,)),
])
def a_stream_in_the_wrong_state_ends_the_connection(t, octets, codes):
    wire = t.wire()
    t.works(wire, 3)
    wire.send(octets)
    t.connection_fails(wire, *codes)


@table([("a stream again", 3), ("a stream left out", 1)])
def a_stream_is_used_once(t, stream):
    """The standard wants the connection to fail. libnghttp2 takes it for what crosses a reset."""
    wire = t.wire()
    t.works(wire, 3)
    path = t.get(wire, stream)
    wire.log.clear()
    try:
        t.works(wire, 5)
    except w.Ended:
        assert wire.goaways[0][0] in (w.STREAM_CLOSED, w.PROTOCOL_ERROR), wire.goaways
    assert not t.app.requests(path) and f"HeadersFrame({stream})" not in wire.log


@table([
    ("DATA", w.frame(w.DATA, w.END_STREAM, 1, b"x")),
    ("HEADERS", w.frame(w.HEADERS, 5, 1, b"\x82\x84\x86")),
])
def what_follows_the_end_of_a_request_is_an_error(t, octets):
    wire = t.wire()
    path = t.get(wire, 1, t.path("hold"))
    t.app.wait_for(path)
    wire.send(octets)
    try:
        t.stream_fails(wire, 1, w.STREAM_CLOSED)
    except w.Ended:
        assert wire.goaways[0][0] == w.STREAM_CLOSED, wire.goaways
    t.app.release(path)


@table([
    ("DATA", w.frame(w.DATA, 0, 1, b"x")),
    ("WINDOW_UPDATE", w.window_update(1, 1)),
    ("RST_STREAM", w.reset(1)),
    ("PRIORITY", w.frame(w.PRIORITY, 0, 1, b"\0\0\0\0\x10")),
])
def frames_that_cross_the_servers_reset_do_no_harm(t, octets):
    wire = t.wire()
    t.get(wire, 1, t.path("cut"))
    assert wire.response(1).reset == w.INTERNAL_ERROR
    wire.send(octets)
    t.works(wire, 3)


@case
def data_after_the_clients_own_reset_does_not_reach_anybody(t):
    wire = t.wire()
    path = t.post(wire, 1, t.path("upload"))
    wire.send(w.frame(w.DATA, 0, 1, b"before"))
    t.app.wait_for(path)
    wire.send(w.reset(1) + w.frame(w.DATA, w.END_STREAM, 1, b"after"))
    try:
        t.works(wire, 3)
    except w.Ended:
        assert wire.goaways[0][0] == w.STREAM_CLOSED
    assert not t.app.requests(path)[0].is_whole


@case
def a_reset_while_the_answer_is_awaited_frees_the_stream(t):
    wire = t.wire()
    for stream in range(1, 41, 2):
        path = t.get(wire, stream, t.path("hold"))
        t.app.wait_for(path)
        wire.send(w.reset(stream))
        t.app.release(path)
    t.works(wire, 41)


@case
def a_reset_in_the_middle_of_an_answer_frees_the_stream(t):
    wire = t.wire()
    # More often than any allowance for cheap frames.
    for stream in range(1, 401, 2):
        t.get(wire, stream, t.path("bytes", 200_000))
        wire.until(lambda: stream in wire.responses and wire.responses[stream].body)
        count = 200_000
        wire.send(w.reset(stream) + w.window_update(0, count))
    wire.ping()
    assert not wire.goaways
    t.works(wire, 401)


@case
def a_reset_within_the_request_is_told_to_the_application(t):
    wire = t.wire()
    path = t.post(wire, 1, t.path("upload"), ("content-length", "100"))
    wire.send(w.frame(w.DATA, 0, 1, b"some"))
    t.app.wait_for(path)
    wire.send(w.reset(1))
    t.works(wire, 3)
    assert not t.app.requests(path)[0].is_whole


@case
def an_answer_before_the_end_of_the_request_is_passed_on(t):
    wire = t.wire()
    path = t.post(wire, 1, t.path("early"))
    wire.until(lambda: 1 in wire.responses and wire.responses[1].fields)
    assert wire.responses[1].status == 200
    wire.send(w.frame(w.DATA, 0, 1, b"more"))
    wire.send(w.frame(w.DATA, w.END_STREAM, 1, b" and all"))
    answer = wire.response(1)
    assert answer.reset in (None, w.NO_ERROR), answer.reset
    assert len(answer.body) > 10 and b'"body": ""' in answer.body
    t.works(wire, 3)
    assert t.app.requests(path)


# How many (section 5.1.2).


@case
def who_does_not_know_the_limit_is_refused_what_is_too_much(t):
    allowed = t.wire().settings[w.MAX_CONCURRENT_STREAMS]
    wire = t.raw()
    path = t.path("hold")
    heads = [wire.headers(2 * number + 1, t.fields(path)) for number in range(allowed + 3)]
    wire.send(w.PREFACE + w.settings() + b"".join(heads))
    refused = [2 * number + 1 for number in range(allowed, allowed + 3)]
    for stream in refused:
        assert wire.response(stream).reset == w.REFUSED_STREAM
    t.app.wait_for(path, allowed)
    t.app.release(path)
    for number in range(allowed):
        assert wire.response(2 * number + 1).body == b"held"
    assert len(t.app.requests(path)) == allowed
    t.works(wire, refused[-1] + 2)


@case
def who_knows_the_limit_and_goes_beyond_may_be_cut(t):
    wire = t.wire()
    allowed = wire.settings[w.MAX_CONCURRENT_STREAMS]
    path = t.path("hold")
    for number in range(allowed + 1):
        t.get(wire, 2 * number + 1, path)
    last = 2 * allowed + 1
    try:
        t.stream_fails(wire, last, w.REFUSED_STREAM, w.PROTOCOL_ERROR)
    except w.Ended:
        # libnghttp2 makes it an error of the connection.
        assert wire.goaways[0][0] == w.PROTOCOL_ERROR, wire.goaways
    t.app.release(path)
    assert len(t.app.requests(path)) <= allowed


@case
def streams_do_not_wait_for_one_another(t):
    wire = t.wire()
    held = [t.get(wire, stream, t.path("hold")) for stream in range(1, 41, 2)]
    for stream in range(41, 101, 2):
        t.works(wire, stream)
    for path in held:
        t.app.release(path)
    for stream in range(1, 41, 2):
        assert wire.response(stream).body == b"held"


# Floods.


def until_cut(t, wire, octets, *codes, most=20_000):
    """Sends a frame, or a function's frames, until the server has had enough."""
    count = 0
    while not wire.goaways:
        assert count < most, "it is put up with"
        for _ in range(100):
            count += 1
            wire.send(octets(count) if callable(octets) else octets)
        wire.read_what_is_there()
    with contextlib.suppress(OSError):
        wire.channel.shutdown(socket.SHUT_WR)
    t.connection_fails(wire, w.ENHANCE_YOUR_CALM, *codes)
    # Others are served as before.
    t.works(t.wire(), 1)


@case
def a_rapid_reset_is_cut(t):
    """CVE-2023-44487."""
    wire = t.wire()
    path = t.path("echo")

    def request(count):
        stream = 2 * count - 1
        return wire.headers(stream, t.fields(path)) + w.reset(stream)

    until_cut(t, wire, request)
    assert len(t.app.requests(path)) < 300, len(t.app.requests(path))


@table([
    ("zero update", lambda stream: w.window_update(stream, 0)),
    ("update too far", lambda stream: w.window_update(stream, w.LARGEST_WINDOW)),
])
def a_client_that_makes_the_server_reset_is_cut(t, octets):
    """CVE-2025-8671."""
    wire = t.wire()
    path = t.path("hold")

    def request(count):
        stream = 2 * count - 1
        return wire.headers(stream, t.fields(path)) + octets(stream)

    # A stream counts until its reset is out, so that there may be too many of them before.
    until_cut(t, wire, request, w.PROTOCOL_ERROR)
    t.app.release(path)
    assert len(t.app.requests(path)) < 300, len(t.app.requests(path))


@case
def malformed_requests_without_end_are_cut(t):
    wire = t.wire()
    def request(count):
        return w.frame(w.HEADERS, 5, 2 * count - 1, b"\x82")

    until_cut(t, wire, request, w.PROTOCOL_ERROR)


@table([
    ("PING", w.frame(w.PING, 0, 0, bytes(8))),
    ("SETTINGS", w.settings()),
    ("SETTINGS with changes", w.settings(*[(w.INITIAL_WINDOW_SIZE, 70_000)] * 30)),
    ("WINDOW_UPDATE", w.window_update(0, 1)),
])
def a_flood_is_cut(t, octets):
    until_cut(t, t.wire(), octets)


@case
def a_flood_of_empty_data_is_cut(t):
    """CVE-2019-9518."""
    wire = t.wire()
    t.post(wire, 1, t.path("upload"))
    until_cut(t, wire, w.frame(w.DATA, 0, 1))


@table([
    ("with octets", w.frame(w.CONTINUATION, 0, 1, b"\0\1a\1b" * 100)),
    ("empty", w.frame(w.CONTINUATION, 0, 1)),
])
def a_flood_of_continuations_is_cut(t, octets):
    """CVE-2024-27316 and its relatives."""
    wire = t.wire()
    wire.send(w.frame(w.HEADERS, w.END_STREAM, 1, b"\x82"))
    until_cut(t, wire, octets)


@case
def who_goes_on_after_being_cut_is_not_listened_to_for_ever(t):
    wire = t.wire()
    sent = 0
    try:
        while sent < 256 * 2**20:
            wire.channel.sendall(w.frame(w.PING, 0, 0, bytes(8)) * 4_000)
            sent += 4_000 * 17
    except OSError:
        pass
    assert sent < 256 * 2**20, "all of it is read"


@table([
    ("PRIORITY", w.frame(w.PRIORITY, 0, 1, b"\0\0\0\0\x10")),
    ("unknown", w.frame(0xFA, 0, 0, b"what")),
    ("RST_STREAM of a closed stream", w.reset(1)),
])
def many_frames_without_effect_hold_up_nobody(t, octets):
    wire = t.wire()
    t.works(wire, 1)
    wire.send(octets * 3_000)
    t.works(t.wire(), 1)
    try:
        t.works(wire, 3)
    except w.Ended:
        assert wire.goaways[0][0] in (w.ENHANCE_YOUR_CALM, w.STREAM_CLOSED), wire.goaways


# The end (section 6.8).


@case
def a_client_that_goes_away_gets_what_it_asked_for(t):
    wire = t.wire()
    path = t.get(wire, 1, t.path("hold"))
    t.app.wait_for(path)
    wire.send(w.frame(w.GOAWAY, 0, 0, struct.pack(">II", 0, 0)))
    wire.ping()
    t.app.release(path)
    assert wire.response(1).body == b"held"
    wire.drain()


def a_drain_is_announced_and_then_done(t):
    """The last of all cases: the proxy goes."""
    wire = t.wire()
    held = [t.get(wire, stream, t.path("hold")) for stream in (1, 3)]
    for path in held:
        t.app.wait_for(path)
    say(want="drain")
    wire.until(lambda: wire.goaways)
    assert wire.goaways == [(w.NO_ERROR, w.LARGEST_WINDOW)], wire.goaways
    # It was on its way already, for all that the server knows.
    t.works(wire, 5)
    wire.until(lambda: len(wire.goaways) > 1)
    assert wire.goaways[1:] == [(w.NO_ERROR, 5)], wire.goaways
    # It is not answered, so that it may safely be sent elsewhere.
    late = t.get(wire, 7)
    wire.ping()
    for stream, path in zip((1, 3), held):
        t.app.release(path)
        assert wire.response(stream).body == b"held"
    wire.drain()
    assert 7 not in wire.responses and not t.app.requests(late)


@case
def a_client_that_closes_its_side_leaves_nothing_behind(t):
    wire = t.wire()
    path = t.get(wire, 1, t.path("hold"))
    t.app.wait_for(path)
    wire.channel.close()
    t.app.release(path)
    t.works(t.wire(), 1)
