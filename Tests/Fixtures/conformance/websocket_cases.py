"""What a client may send over a websocket, and ought not to (RFC 6455, RFC 7692)."""

import dataclasses
import struct
import zlib

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = bytes.fromhex("a1b2c3d4")
PLAIN = (
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "c2l4dGVlbiBvY3RldHMhIQ=="),
)
DEFLATE = (*PLAIN, ("Sec-WebSocket-Extensions", "permessage-deflate"))


@dataclasses.dataclass
class Case:
    """`pieces` are written one by one.

    `hurries`: before the server has agreed. `leaves`: the client ends its side behind them.
    """

    name: str
    pieces: list
    path: str = "/echo"
    fields: tuple = PLAIN
    method: str = "GET"
    hurries: bool = False
    leaves: bool = False


def mask(payload):
    """As a client must."""
    count = len(payload)
    key = (KEY * (count // 4 + 1))[:count]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(count, "big")


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, form=None):
    """A frame; `form` is the way its length is written: 7, 16 or 64 bits."""
    count = len(payload)
    form = form or (7 if count < 126 else 16 if count < 65_536 else 64)
    length = {7: lambda: bytes([count]), 16: lambda: b"\x7e" + struct.pack(">H", count),
              64: lambda: b"\x7f" + struct.pack(">Q", count)}[form]()
    head = bytes([fin << 7 | rsv << 4 | opcode, length[0] | masked << 7]) + length[1:]
    return head + (KEY + mask(payload) if masked else payload)


def close(code=1000, reason=b""):
    """A close frame."""
    return frame(CLOSE, struct.pack(">H", code) + reason)


END = close()


def chopped(octets, size):
    """In pieces."""
    return [octets[start : start + size] for start in range(0, len(octets), size)]


def pieces_of(opcode, parts, between=b""):
    """A fragmented message, with something between its fragments."""
    frames = [
        frame(opcode if index == 0 else 0, part, fin=index == len(parts) - 1)
        for index, part in enumerate(parts)
    ]
    return between.join(frames)


def deflated(*parts, context=True):
    """Messages compressed in one context, or in one each."""
    result, engine = b"", None
    for part in parts:
        if engine is None or not context:
            engine = zlib.compressobj(wbits=-15)
        octets = engine.compress(part) + engine.flush(zlib.Z_SYNC_FLUSH)
        result += frame(TEXT, octets[:-4], rsv=4)
    return result


def framing():
    """Sizes and their forms."""
    for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536, 131_072):
        yield Case(f"text of {size}", [frame(TEXT, b"*" * size), END])
        yield Case(f"binary of {size}", [frame(BINARY, b"\xfe" * size), END])
    sample = frame(TEXT, b"*" * 1_000) + frame(PING, b"p" * 125) + frame(BINARY, b"") + END
    for size in (1, 2, 7, 997):
        yield Case(f"in pieces of {size}", chopped(sample, size))
    yield Case("length in 16 bits where 7 do", [frame(TEXT, b"short", form=16), END])
    yield Case("length in 64 bits where 7 do", [frame(TEXT, b"short", form=64), END])
    yield Case("length beyond 63 bits", [b"\x82\xff" + b"\xff" * 8 + KEY])
    yield Case("not masked", [frame(TEXT, b"bare", masked=False), END])
    yield Case("before the answer", [frame(TEXT, b"eager"), frame(PING, b"x"), END], hurries=True)
    for size in (2**20, 4 * 2**20, 16 * 2**20):
        octets = frame(BINARY, b"\x55" * size)
        yield Case(f"{size >> 20} MiB", [octets, END])
        yield Case(f"{size >> 20} MiB chopped", [*chopped(octets, 99_991), END])
    yield Case("more than the server takes", [frame(BINARY, b"\x55" * 17 * 2**20 + b"!"), END])
    many = b"".join(frame(TEXT, str(number).encode()) for number in range(5_000))
    yield Case("many small ones", [many, END])
    yield Case("many small ones chopped", [*chopped(many, 1_001), END])


def controls():
    """Pings, pongs, and what must not be."""
    for size in (0, 1, 125):
        yield Case(f"ping of {size}", [frame(PING, b"p" * size), END])
    yield Case("ping of 126", [frame(PING, b"p" * 126), END])
    yield Case("pong of nobody's ping", [frame(PONG, b"unasked"), frame(PING, b"ask"), END])
    yield Case("ten pings", [b"".join(frame(PING, bytes([n])) for n in range(10)), END])
    yield Case("ping in pieces", [frame(PING, b"a", fin=False), END])
    for bits in (1, 2, 4, 7):
        yield Case(f"reserved bits {bits}", [frame(TEXT, b"x", rsv=bits), END])
        yield Case(f"ping with reserved bits {bits}", [frame(PING, b"x", rsv=bits), END])
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case(f"opcode {opcode}", [frame(TEXT, b"before"), frame(opcode, b"x"), END])


def fragments():
    """Messages in several frames."""
    parts = [b"one", b"", b"two", b"three"]
    yield Case("fragments", [pieces_of(TEXT, parts), END])
    yield Case("fragments of octets", chopped(pieces_of(BINARY, parts) + END, 1))
    yield Case("empty fragments", [pieces_of(TEXT, [b"", b"", b""]), END])
    yield Case("ping between", [pieces_of(TEXT, parts, frame(PING, b"p")), END])
    yield Case("pong between", [pieces_of(TEXT, parts, frame(PONG, b"p")), END])
    yield Case("close between", [frame(TEXT, b"a", fin=False), END, frame(0, b"b")])
    yield Case("text between", [pieces_of(TEXT, parts, frame(TEXT, b"x")), END])
    yield Case("a continuation of nothing", [frame(0, b"x"), END])
    yield Case("a continuation after the end", [pieces_of(TEXT, parts), frame(0, b"x"), END])
    yield Case("a thousand", [pieces_of(BINARY, [b"%d" % n for n in range(1_000)]), END])
    yield Case("large", [pieces_of(BINARY, chopped(b"\x33" * 4 * 2**20, 65_521)), END])


def encodings():
    """UTF-8, whole and in pieces."""
    word = "κόσμε 𐍈 \U0010ffff".encode()
    yield Case("UTF-8", [frame(TEXT, word), END])
    yield Case("UTF-8 cut between fragments", [pieces_of(TEXT, chopped(word, 1)), END])
    yield Case("UTF-8 cut between writes", chopped(frame(TEXT, word) + END, 1))
    for octets in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xce", b"a\x80",
                   b"\xf8\x88\x80\x80\x80"):
        yield Case(f"not UTF-8: {octets.hex()}", [frame(TEXT, octets), END])
        yield Case(f"not UTF-8 in fragments: {octets.hex()}", [
            pieces_of(TEXT, [b"so far ", *chopped(octets, 1)]), END])
        yield Case(f"binary {octets.hex()}", [frame(BINARY, octets), END])


def endings():
    """Who closes, how, and with what words."""
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Case(f"code {code}", [close(code, b"because")])
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
        yield Case(f"code {code}, which nobody may say", [close(code)])
    yield Case("close without a code", [frame(CLOSE)])
    yield Case("close with half a code", [frame(CLOSE, b"\x03")])
    yield Case("a reason of 123", [close(1000, b"r" * 123)])
    yield Case("a reason of 124", [close(1000, b"r" * 124)])
    yield Case("a reason that is not UTF-8", [close(1000, b"\xce\xba\xff")])
    yield Case("messages after the close", [close(), frame(TEXT, b"late"), frame(PING, b"late")])
    yield Case("close twice", [close(), close()])
    for code in (1000, 1011, 4000):
        # The client, which reads on, answers with its own.
        yield Case(f"the server closes: {code}", [frame(TEXT, b"go"), close(code)],
                   f"/close/{code}")
    yield Case("the server is gone within a frame", [frame(TEXT, b"go")], "/cut")
    for name, octets in (("", frame(TEXT, b"last")), (" behind its close", END),
                         (" within a frame", frame(TEXT, b"to be continued")[:-5]),
                         (" within a message", frame(TEXT, b"a", fin=False)),
                         (" without a word", b"")):
        yield Case(f"the client is gone{name}", [octets], leaves=True)
    yield Case("the server is eager", [frame(PONG, b"there?"), END], "/eager")
    yield Case("the server sends octets", [frame(TEXT, b"x"), END], "/drip")
    yield Case("the server sends fragments", [frame(PONG, b"between"), END], "/pieces")


def compressed():
    """permessage-deflate."""
    text = b"over and over and over and over again "
    yield Case("deflate", [deflated(text * 10), END], fields=DEFLATE)
    yield Case("deflate in one context", [deflated(text, text, b"", text), END], fields=DEFLATE)
    yield Case("deflate in many contexts", [deflated(text, text, context=False), END],
               fields=DEFLATE)
    yield Case("deflate, 4 MiB", [deflated(text * 110_000), END], fields=DEFLATE)
    yield Case("not compressed although agreed", [frame(TEXT, text), END], fields=DEFLATE)
    yield Case("garbage instead of deflate", [frame(TEXT, b"\xff\xfe\xfd", rsv=4), END],
               fields=DEFLATE)
    for offer in ("permessage-deflate; client_max_window_bits",
                  "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                  "permessage-deflate; server_max_window_bits=9",
                  "permessage-deflate; server_max_window_bits=99, permessage-deflate",
                  "x-unknown", "x-unknown; a=b, permessage-deflate"):
        fields = (*PLAIN, ("Sec-WebSocket-Extensions", offer))
        yield Case(f"offer of {offer}", [frame(TEXT, text), END], fields=fields)


def greetings():
    """Handshakes."""
    def changed(**changes):
        return tuple(
            (name, changes.get(name.replace("-", "_"), value)) for name, value in PLAIN
            if changes.get(name.replace("-", "_"), value) is not None)

    body = [frame(TEXT, b"hello"), END]
    yield Case("subprotocols", body, fields=(*PLAIN, ("Sec-WebSocket-Protocol", "none, chat")))
    yield Case("an unknown subprotocol", body,
               fields=(*PLAIN, ("Sec-WebSocket-Protocol", "none")))
    yield Case("an origin", body, fields=(*PLAIN, ("Origin", "https://a.test")))
    yield Case("many words in Connection", body,
               fields=changed(Connection="keep-alive, x-other, Upgrade"))
    yield Case("another case", body, fields=changed(Upgrade="WebSocket", Connection="UPGRADE"))
    yield Case("names in lower case", body,
               fields=tuple((name.lower(), value) for name, value in PLAIN))
    yield Case("no key", [], fields=changed(Sec_WebSocket_Key=None))
    yield Case("a short key", [], fields=changed(Sec_WebSocket_Key="c2hvcnQ="))
    yield Case("no version", [], fields=changed(Sec_WebSocket_Version=None))
    yield Case("an old version", [], fields=changed(Sec_WebSocket_Version="8"))
    yield Case("no upgrade", [], fields=changed(Upgrade=None))
    yield Case("not as a word of Connection", [], fields=changed(Connection="keep-alive"))
    yield Case("another protocol", [], fields=changed(Upgrade="something"))


GROUPS = (framing, controls, fragments, encodings, endings, compressed, greetings)
