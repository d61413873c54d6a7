import CNGHTTP2

extension HTTP2Session {
  /// The way from the frame layer into a session, which it is given as its context.
  static let callbacks = segue_h2_callbacks(
    block_began: { context, stream, isTrailers in
      HTTP2Session.of(context).begin(stream, isTrailers: isTrailers)
    },
    field: { context, stream, name, nameLength, value, valueLength in
      HTTP2Session.of(context).addField(
        stream, UnsafeBufferPointer(start: name, count: nameLength).span,
        UnsafeBufferPointer(start: value, count: valueLength).span)
    },
    bad_field: { context, stream in HTTP2Session.of(context).addMalformedField(stream) },
    received: { context, frame in HTTP2Session.of(context).received(frame) },
    data: { context, stream, octets, count in
      HTTP2Session.of(context).receivedData(
        stream, UnsafeRawBufferPointer(start: octets, count: count))
    },
    sent: { context, frame in HTTP2Session.of(context).sent(frame) },
    closed: { context, stream, _ in HTTP2Session.of(context).closed(stream) },
    supply: { context, stream, limit in HTTP2Session.of(context).supply(stream, limit: limit) },
    payload: { context, stream, head, count in
      HTTP2Session.of(context).writeData(
        stream, head: UnsafeRawBufferPointer(start: head, count: 9), count: count)
    })

  private static func of(_ context: UnsafeMutableRawPointer) -> HTTP2Session {
    Unmanaged.fromOpaque(context).takeUnretainedValue()
  }

  /// What an error of the frame layer means for the connection.
  static func fault(of error: Int32) -> HTTP2Fault {
    if segue_h2_is_bad_preface(error) {
      return HTTP2Fault(.protocolError, "this is not HTTP/2")
    }
    if segue_h2_is_flood(error) {
      return HTTP2Fault(.enhanceYourCalm, "more frames than anybody could mean")
    }
    return HTTP2Fault(.internalError, String(cString: segue_h2_reason(error)))
  }
}
