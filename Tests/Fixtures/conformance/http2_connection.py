"""Cases of the connection: preface, settings, frames, flow control."""

import struct

import wire as w
from trial import case, table

# The preface (RFC 9113 section 3.4).


@case
def the_first_frame_of_the_server_is_settings(t):
    wire = t.wire()
    assert wire.log[0] == "SettingsFrame(0)", wire.log
    assert wire.acknowledged == 1
    assert wire.settings[w.MAX_CONCURRENT_STREAMS] >= 100
    assert 8 not in wire.settings, "the extended CONNECT is offered"
    if t.tls:
        assert wire.channel.selected_alpn_protocol() == "h2"


@case
def the_preface_may_come_octet_by_octet(t):
    wire = t.raw()
    for octet in w.PREFACE + w.settings():
        wire.send(bytes([octet]))
    t.works(wire, 1)


@case
def a_request_may_come_right_behind_the_preface(t):
    wire = t.raw()
    path = t.path("echo")
    wire.send(w.PREFACE + w.settings() + wire.headers(1, t.fields(path)))
    assert wire.response(1).status == 200


@table([
    ("garbage", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + w.settings()),
    ("ping first", w.PREFACE + w.frame(w.PING, 0, 0, bytes(8))),
    ("acknowledgement first", w.PREFACE + w.frame(w.SETTINGS, w.ACK, 0)),
    ("request first", w.PREFACE + w.frame(w.HEADERS, 5, 1, b"\x82\x84\x86")),
])
def a_wrong_preface_ends_the_connection(t, octets):
    wire = t.raw()
    wire.send(octets)
    try:
        t.connection_fails(wire, w.PROTOCOL_ERROR)
    except Exception:
        # Who does not speak HTTP/2 need not be told in it.
        if b"XX" not in octets or wire.log and wire.goaways:
            raise


@case
def an_offer_to_upgrade_is_not_taken(t):
    wire = t.raw(("http/1.1",))
    path = t.path("echo")
    wire.send((
        f"GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n").encode())
    assert wire.channel.recv(65_536).startswith(b"HTTP/1.1 200")


# SETTINGS (section 6.5).


@case
def every_settings_frame_is_acknowledged(t):
    wire = t.wire()
    wire.send(w.settings() * 3)
    wire.ping()
    assert wire.acknowledged == 4, wire.acknowledged


@table([
    ("unknown", w.settings((0xFF, 1), (0x0A0A, 7), (0xFFFF, 0xFFFFFFFF))),
    ("twice the same", w.settings((w.INITIAL_WINDOW_SIZE, 0), (w.INITIAL_WINDOW_SIZE, 100_000))),
    ("no pushing", w.settings((w.ENABLE_PUSH, 0))),
    ("largest values", w.settings((w.INITIAL_WINDOW_SIZE, w.LARGEST_WINDOW),
                                  (w.MAX_FRAME_SIZE, 2**24 - 1), (6, 0xFFFFFFFF))),
    ("undefined flags", w.frame(w.SETTINGS, 0xF0, 0)),
])
def settings_are_taken(t, octets):
    wire = t.wire()
    wire.send(octets)
    t.works(wire, 1)
    assert wire.acknowledged == 2


@table([
    ("on a stream", w.frame(w.SETTINGS, 0, 1), w.PROTOCOL_ERROR),
    ("five octets", w.frame(w.SETTINGS, 0, 0, bytes(5)), w.FRAME_SIZE_ERROR),
    ("acknowledgement with payload", w.frame(w.SETTINGS, w.ACK, 0, bytes(6)), w.FRAME_SIZE_ERROR),
    ("push 2", w.settings((w.ENABLE_PUSH, 2)), w.PROTOCOL_ERROR),
    ("window too large", w.settings((w.INITIAL_WINDOW_SIZE, 2**31)), w.FLOW_CONTROL_ERROR),
    ("frames too small", w.settings((w.MAX_FRAME_SIZE, 16_383)), w.PROTOCOL_ERROR),
    ("frames too large", w.settings((w.MAX_FRAME_SIZE, 2**24)), w.PROTOCOL_ERROR),
])
def bad_settings_end_the_connection(t, octets, code):
    wire = t.wire()
    wire.send(octets)
    t.connection_fails(wire, code)


@case
def a_header_table_of_nothing_is_respected(t):
    wire = t.wire((w.HEADER_TABLE_SIZE, 0))
    wire.decoder.max_allowed_table_size = 0
    for stream in (1, 3, 5):
        t.works(wire, stream)


@case
def frames_are_no_larger_than_the_client_allows(t):
    for size in (16_384, 100_000):
        wire = t.wire(
            (w.INITIAL_WINDOW_SIZE, w.LARGEST_WINDOW), (w.MAX_FRAME_SIZE, size))
        wire.send(w.window_update(0, 2**30))
        t.get(wire, 1, t.path("bytes", 400_000))
        while not (1 in wire.responses and wire.responses[1].has_ended):
            assert wire.read().body_len <= size


# Frames (sections 4 and 6).


@table([
    ("DATA on 0", w.frame(w.DATA, 0, 0, b"x"), w.PROTOCOL_ERROR),
    ("HEADERS on 0", w.frame(w.HEADERS, 5, 0, b"\x82"), w.PROTOCOL_ERROR),
    ("RST_STREAM on 0", w.reset(0), w.PROTOCOL_ERROR),
    ("RST_STREAM on idle", w.reset(1), w.PROTOCOL_ERROR),
    ("RST_STREAM of three", w.frame(w.RST_STREAM, 0, 1, bytes(3)), w.FRAME_SIZE_ERROR),
    ("CONTINUATION on 0", w.frame(w.CONTINUATION, 4, 0, b"\x82"), w.PROTOCOL_ERROR),
    ("CONTINUATION alone", w.frame(w.CONTINUATION, 4, 1, b"\x82"), w.PROTOCOL_ERROR),
    ("PUSH_PROMISE", w.frame(w.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"), w.PROTOCOL_ERROR),
    ("PING of seven", w.frame(w.PING, 0, 0, bytes(7)), w.FRAME_SIZE_ERROR),
    ("PING on a stream", w.frame(w.PING, 0, 1, bytes(8)), w.PROTOCOL_ERROR),
    ("GOAWAY on a stream", w.frame(w.GOAWAY, 0, 1, bytes(8)), w.PROTOCOL_ERROR),
    ("GOAWAY of seven", w.frame(w.GOAWAY, 0, 0, bytes(7)), w.FRAME_SIZE_ERROR),
    ("WINDOW_UPDATE of three", w.frame(w.WINDOW_UPDATE, 0, 0, bytes(3)), w.FRAME_SIZE_ERROR),
    ("WINDOW_UPDATE of 0", w.window_update(0, 0), w.PROTOCOL_ERROR),
    ("WINDOW_UPDATE on idle", w.window_update(1, 1), w.PROTOCOL_ERROR),
    ("WINDOW_UPDATE too far", w.window_update(0, w.LARGEST_WINDOW), w.FLOW_CONTROL_ERROR),
    ("HEADERS too large", w.frame(w.HEADERS, 5, 1, bytes(16_385)), w.FRAME_SIZE_ERROR),
    ("PADDING longer than HEADERS", w.frame(w.HEADERS, 13, 1, b"\x02\x82"), w.PROTOCOL_ERROR),
    ("HEADERS without its padding length", w.frame(w.HEADERS, 13, 1), w.FRAME_SIZE_ERROR),
])
def a_bad_frame_ends_the_connection(t, octets, code):
    wire = t.wire()
    wire.send(octets)
    # What is too short to hold its own fields is a matter of its size, or of its content.
    t.connection_fails(wire, *{code, w.PROTOCOL_ERROR if code == w.FRAME_SIZE_ERROR else code})


@table([
    ("too large", lambda: w.frame(w.DATA, 0, 1, bytes(16_385)), w.FRAME_SIZE_ERROR),
    ("padding too long", lambda: w.frame(w.DATA, w.PADDED, 1, b"\x05xxxx"), w.PROTOCOL_ERROR),
    ("padding for all", lambda: w.frame(w.DATA, w.PADDED, 1, b"\x01"), w.PROTOCOL_ERROR),
])
def bad_data_ends_the_connection(t, octets, code):
    wire = t.wire()
    t.post(wire, 1)
    wire.send(octets())
    t.connection_fails(wire, code)


@table([
    ("unknown on 0", w.frame(0xFA, 0xFF, 0, b"what")),
    ("unknown on an idle stream", w.frame(0xFA, 0xFF, 7, b"what")),
    ("large unknown", w.frame(0x20, 0, 0, bytes(16_384))),
    ("ALTSVC", w.frame(10, 0, 0, b"\0\1ax")),
    ("ORIGIN", w.frame(12, 0, 0, b"\0\1a")),
    ("PRIORITY of an idle stream", w.frame(w.PRIORITY, 0, 9, b"\0\0\0\0\x10")),
    ("PRIORITY_UPDATE", w.frame(16, 0, 0, b"\0\0\0\1u=1")),
    ("PING acknowledgement", w.frame(w.PING, w.ACK, 0, b"nobodyis")),
    ("WINDOW_UPDATE with the reserved bit", w.window_update(0, 2**31 + 5)),
    ("PING with the reserved bit", w.frame(w.PING, 0, 2**31, b"reserved")),
])
def what_is_not_known_is_ignored(t, octets):
    wire = t.wire()
    wire.send(octets)
    t.works(wire, 1)
    assert b"nobodyis" not in wire.pongs and not wire.goaways


@case
def a_stream_that_depends_on_itself_does_no_harm(t):
    wire = t.wire()
    wire.send(w.frame(w.PRIORITY, 0, 5, b"\0\0\0\5\x10"))
    try:
        t.works(wire, 7)
    except w.Ended:
        # RFC 7540 made it an error, RFC 9113 makes nothing of it.
        assert wire.goaways[0][0] == w.PROTOCOL_ERROR


@case
def a_priority_within_headers_is_ignored(t):
    wire = t.wire()
    block = wire.block(t.fields(t.path("echo")))
    wire.send(w.frame(w.HEADERS, 5 | w.WITH_PRIORITY, 1, b"\x80\0\0\0\x07" + block))
    assert wire.response(1).status == 200
    t.works(wire, 3)


@case
def a_ping_is_answered_with_its_payload(t):
    wire = t.wire()
    for number in range(20):
        wire.ping(struct.pack(">Q", number))
    assert wire.pongs == [struct.pack(">Q", number) for number in range(20)]


# Flow control (section 5.2 and 6.9).


@case
def nothing_is_sent_into_a_window_of_nothing(t):
    wire = t.wire((w.INITIAL_WINDOW_SIZE, 0))
    path = t.get(wire, 1, t.path("bytes", 1_000))
    t.app.wait_until_written(path)
    wire.until(lambda: 1 in wire.responses and wire.responses[1].fields)
    for _ in range(10):
        wire.ping()
    assert wire.responses[1].body == b""
    # Another one is not held up.
    wire.send(wire.headers(3, t.fields(t.path("bytes", 500))) + w.window_update(3, 500))
    assert len(wire.response(3).body) == 500
    wire.send(w.window_update(1, 999))
    wire.until(lambda: len(wire.responses[1].body) == 999)
    wire.ping()
    assert not wire.responses[1].has_ended
    wire.send(w.window_update(1, 1))
    assert len(wire.response(1).body) == 1_000


@case
def an_empty_body_needs_no_window(t):
    wire = t.wire((w.INITIAL_WINDOW_SIZE, 0))
    t.get(wire, 1, t.path("bytes", 0))
    assert wire.response(1).body == b""


@case
def a_window_of_one_octet_is_enough(t):
    wire = t.wire((w.INITIAL_WINDOW_SIZE, 1))
    t.get(wire, 1, t.path("bytes", 60))
    for count in range(1, 61):
        wire.until(lambda: 1 in wire.responses and len(wire.responses[1].body) >= count)
        assert len(wire.responses[1].body) == count
        wire.send(w.window_update(1, 1))
    assert wire.response(1).reset is None


@case
def a_window_may_grow_and_shrink_meanwhile(t):
    wire = t.wire((w.INITIAL_WINDOW_SIZE, 100))
    t.get(wire, 1, t.path("bytes", 1_000))
    wire.until(lambda: 1 in wire.responses and len(wire.responses[1].body) == 100)
    wire.send(w.settings((w.INITIAL_WINDOW_SIZE, 150)))
    wire.until(lambda: len(wire.responses[1].body) == 150)
    # 100 less than nothing.
    wire.send(w.settings((w.INITIAL_WINDOW_SIZE, 50)) + w.window_update(1, 100))
    wire.ping()
    assert len(wire.responses[1].body) == 150
    wire.send(w.window_update(1, 10))
    wire.until(lambda: len(wire.responses[1].body) == 160)
    wire.send(w.settings((w.INITIAL_WINDOW_SIZE, 65_535)))
    assert len(wire.response(1).body) == 1_000


@case
def the_connections_window_holds_for_all_streams(t):
    wire = t.wire((w.INITIAL_WINDOW_SIZE, 10**6))
    for stream in (1, 3):
        t.get(wire, stream, t.path("bytes", 50_000))

    def received():
        return sum(len(one.body) for one in wire.responses.values())

    wire.until(lambda: received() == 65_535)
    wire.ping()
    assert received() == 65_535
    wire.send(w.window_update(0, 50_000))
    wire.until(lambda: received() == 100_000)


@case
def a_streams_window_must_not_overflow(t):
    wire = t.wire()
    path = t.get(wire, 1, t.path("hold"))
    wire.send(w.window_update(1, w.LARGEST_WINDOW))
    t.stream_fails(wire, 1, w.FLOW_CONTROL_ERROR)
    t.app.release(path)
    t.works(wire, 3)


@case
def a_setting_must_not_make_a_window_overflow(t):
    wire = t.wire()
    path = t.get(wire, 1, t.path("hold"))
    wire.send(w.window_update(1, w.LARGEST_WINDOW - 65_535))
    wire.send(w.settings((w.INITIAL_WINDOW_SIZE, 70_000)))
    # The standard wants the connection to fail; libnghttp2 is content with the stream.
    try:
        t.stream_fails(wire, 1, w.FLOW_CONTROL_ERROR)
    except w.Ended:
        assert wire.goaways[0][0] == w.FLOW_CONTROL_ERROR, wire.goaways
    t.app.release(path)


@case
def an_update_of_nothing_resets_the_stream(t):
    wire = t.wire()
    path = t.get(wire, 1, t.path("hold"))
    wire.send(w.window_update(1, 0))
    try:
        t.stream_fails(wire, 1, w.PROTOCOL_ERROR)
    except w.Ended:
        assert wire.goaways[0][0] == w.PROTOCOL_ERROR
    t.app.release(path)


@case
def an_upload_nobody_reads_gets_no_more_credit(t):
    wire = t.wire()
    path = t.post(wire, 1, t.path("unread"))
    window, sent = wire.settings[w.INITIAL_WINDOW_SIZE], 0
    # The kernel's buffers on the way to the application take some.
    while sent < 64 * 2**20:
        if (left := min(window + wire.updates.get(1, 0) - sent, 16_384)) > 0:
            wire.send(w.frame(w.DATA, 0, 1, bytes(left)))
            sent += left
        elif wire.has_more(0.3):
            wire.read()
        else:
            break
    assert sent < 64 * 2**20, "there is no end to what is held"
    # What goes beyond the window is an error, as soon as the kernel takes no more meanwhile.
    while not (wire.goaways or 1 in wire.responses):
        assert sent < 64 * 2**20, "the window means nothing"
        wire.send(w.frame(w.DATA, 0, 1, bytes(16_384)))
        sent += 16_384
        wire.read_what_is_there()
    codes = [code for code, _ in wire.goaways]
    codes += [one.reset for one in wire.responses.values()]
    assert codes == [w.FLOW_CONTROL_ERROR], codes
    t.app.release(path)
