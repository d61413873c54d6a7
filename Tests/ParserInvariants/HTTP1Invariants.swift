import TrafficRouting

enum HTTP1Invariants {
  /// So small that short inputs reach them.
  private static let small = HeadLimits(bytes: 160, fields: 4, firstLine: 40)

  static func requests(_ bytes: [UInt8]) throws(BrokenInvariant) {
    for limits in [HeadLimits(), small] {
      let reader = try readsAlike(bytes, .requests, limits)
      for message in reader.messages { try survivesRewriting(message) }
    }
    try head(bytes)
  }

  /// The first octet says which of the answered requests were HEAD.
  static func responses(_ bytes: [UInt8]) throws(BrokenInvariant) {
    guard let first = bytes.first else { return }
    let methods = (0..<8).map { first >> $0 & 1 == 1 ? RequestMethod.head : .get }
    let octets = Array(bytes.dropFirst())
    for limits in [HeadLimits(), small] {
      let reader = try readsAlike(octets, .responses(to: methods), limits)
      for message in reader.messages {
        try require(message.start[0].count == 3, "a status of \(message.start[0].count) digits")
      }
    }
  }

  /// What is read must not depend on how it was cut, nor take more than was given or allowed.
  private static func readsAlike(
    _ bytes: [UInt8], _ side: ConnectionReader.Side, _ limits: HeadLimits
  ) throws(BrokenInvariant) -> ConnectionReader {
    var whole = ConnectionReader(side, limits: limits)
    whole.feed(bytes)
    var last = 0
    for boundary in whole.boundaries {
      try require(boundary > last && boundary <= bytes.count, "messages end at \(whole.boundaries)")
      last = boundary
    }
    let payload = whole.messages.reduce(0) { $0 + $1.body.count }
    try require(payload <= bytes.count, "\(payload) octets of bodies in \(bytes.count)")
    for way in Pieces.ways(bytes) {
      var pieces = ConnectionReader(side, limits: limits)
      for piece in way {
        pieces.feed(piece)
        // While nobody has refused anything, a head within its limits is all that is held.
        let isHeld = pieces.fault == nil && !pieces.isLast
        try require(
          !isHeld || pieces.heldOctets <= max(limits.bytes, limits.firstLine),
          "\(pieces.heldOctets) octets are held")
      }
      try require(
        pieces.messages == whole.messages && pieces.boundaries == whole.boundaries,
        "other messages when cut after \(way.first?.count ?? 0) octets")
      // A fault behind the last line that came is found when the line ends, and of a line that has two,
      // pieces may show the other first.
      try require(
        pieces.fault == nil || whole.fault != nil,
        "\(pieces.fault?.reason ?? "") in pieces, else no fault")
    }
    return whole
  }

  /// Written again with a length, a message is the same message.
  private static func survivesRewriting(_ message: WireMessage) throws(BrokenInvariant) {
    let framing: [[UInt8]] = [Array("content-length".utf8), Array("transfer-encoding".utf8)]
    func lower(_ name: [UInt8]) -> [UInt8] { name.map { (65...90).contains($0) ? $0 | 32 : $0 } }
    let fields = message.fields.filter { !framing.contains(lower($0.name)) }
    var bytes = message.start[0] + [32] + message.start[1]
    bytes += Array(" HTTP/1.\(message.minorVersion)\r\n".utf8)
    for field in fields { bytes += field.name + [58, 32] + field.value + [13, 10] }
    bytes += Array("Content-Length: \(message.body.count)\r\n\r\n".utf8) + message.body
    var reader = ConnectionReader(.requests)
    reader.feed(bytes)
    guard let again = reader.messages.first, reader.messages.count == 1 else {
      throw BrokenInvariant(
        description: "\(reader.messages.count) messages when it is written again")
    }
    try require(
      again.start == message.start && again.body == message.body
        && Array(again.fields.dropLast()) == fields
        && reader.boundaries == [bytes.count], "another message when it is written again")
  }

  /// Where things are in a head, and what of it goes on to an instance.
  private static func head(_ bytes: [UInt8]) throws(BrokenInvariant) {
    var parser = RequestParser()
    guard (try? parser.parse(bytes.span)) == true else { return }
    try require(parser.length <= bytes.count, "a head longer than what was given")
    let all = 0..<parser.length
    let ranges = [parser.methodRange, parser.target, parser.path, parser.authority]
    try require(ranges.allSatisfy { all.contains($0) }, "\(ranges) in a head of \(parser.length)")
    var last = parser.target.upperBound
    for field in parser.block.fields {
      let inOrder =
        field.line.lowerBound >= last && field.name.upperBound < field.value.lowerBound + 1
        && field.value.upperBound + 2 <= field.line.upperBound && all.contains(field.line)
      try require(inOrder, "a field at \(field.line)")
      last = field.line.upperBound
    }
    var kept = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8)
    parser.block.forEachKeptRun(isRequest: true) { run in kept += bytes[run] }
    kept += [13, 10]
    var next = RequestParser(limits: HeadLimits(fields: 200))
    guard (try? next.parse(kept.span)) == true, next.length == kept.count else {
      throw BrokenInvariant(description: "what goes on to an instance is no head")
    }
    try require(
      next.bodyFraming == .none && next.keepsAlive && !next.block.hasTransferEncoding
        && next.block.contentLength == nil && !next.block.saysUpgrade,
      "what goes on to an instance says how its body is framed or what becomes of the connection")
  }

  static func chunkedBody(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let whole = try follow([bytes[...]])
    try require(whole.taken <= bytes.count, "\(whole.taken) octets taken of \(bytes.count)")
    for way in Pieces.ways(bytes) {
      let pieces = try follow(way)
      try require(pieces == whole, "another body when cut after \(way.first?.count ?? 0) octets")
    }
    var framer = BodyFramer(.chunked)
    let advanced = try? framer.advance(over: bytes.span)
    try require(
      whole.fault == nil ? advanced == whole.taken : advanced == nil, "advance(over:) differs")
  }

  private struct Body: Equatable {
    var payload: [UInt8] = []
    var taken = 0
    var isComplete = false
    var fault: HTTPFault?
  }

  private static func follow(_ pieces: [ArraySlice<UInt8>]) throws(BrokenInvariant) -> Body {
    var framer = BodyFramer(.chunked)
    var body = Body()
    for slice in pieces {
      let piece = Array(slice)
      var offset = 0
      reading: while body.fault == nil {
        let start = offset
        do {
          switch try framer.next(piece.span, at: &offset) {
          case .data(let range):
            guard range == start..<offset else {
              throw BrokenInvariant(description: "payload \(range) from \(start) to \(offset)")
            }
            body.payload += piece[range]
          case .framing(let range):
            guard range == start..<offset else {
              throw BrokenInvariant(description: "framing \(range) from \(start) to \(offset)")
            }
          case .needMore, .end: break reading
          }
        } catch let fault as HTTPFault {
          body.fault = fault
        } catch let broken as BrokenInvariant {
          throw broken
        } catch {
          throw BrokenInvariant(description: "\(error)")
        }
      }
      body.taken += offset
    }
    body.isComplete = framer.isComplete
    return body
  }

  /// Beside a reader that has all octets before it.
  static func websocket(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let expected = endsAtFrame(bytes)
    for way in [[bytes[...]]] + Pieces.ways(bytes) {
      var frames = WebSocketFrames()
      for piece in way { frames.advance(over: Array(piece).span) }
      try require(
        frames.isAtBoundary == expected, "a frame ends here: \(frames.isAtBoundary) or \(expected)")
    }
  }

  private static func endsAtFrame(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard rest.count >= 2 else { return false }
      let second = rest[rest.startIndex + 1]
      rest = rest.dropFirst(2)
      var length = UInt64(second & 127)
      if length > 125 {
        let count = length == 126 ? 2 : 8
        guard rest.count >= count else { return false }
        length = rest.prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
        rest = rest.dropFirst(count)
      }
      let mask: UInt64 = second > 127 ? 4 : 0
      guard length <= UInt64(rest.count), length + mask <= UInt64(rest.count) else { return false }
      rest = rest.dropFirst(Int(length + mask))
    }
    return true
  }
}

extension Range<Int> {
  fileprivate func contains(_ other: Range<Int>) -> Bool {
    other.isEmpty || (lowerBound <= other.lowerBound && other.upperBound <= upperBound)
  }
}
