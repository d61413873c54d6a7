import TrafficRouting

/// Reads one HTTP/1.1 response, interim heads before it included, into what HTTP/2 makes of it.
struct ResponseReader {
  enum Event: Hashable {
    case interim(FieldList)
    case head(FieldList, hasBody: Bool)
    /// Where in the octets given there is a piece of the body.
    case data(Range<Int>)
    case end(trailers: FieldList?)
  }

  private enum State {
    case head
    case body(BodyFramer)
    case over
  }

  private let method: RequestMethod
  private var state = State.head
  private var parser = ResponseParser()
  private var head: [UInt8] = []
  private var interims = 0
  /// The framing of a chunked body since its last octet of data.
  private var framing: [UInt8] = []

  /// Interim heads that are passed on; more are left out, for nothing bounds their number.
  static let interimLimit = 16

  init(isHead: Bool) { method = isHead ? .head : .get }

  /// Octets of a head that is not complete.
  var count: Int { head.count }

  /// The next event from `offset`, which moves behind it; nil when the octets hold no other.
  ///
  /// - Throws: a fault when this is no response that a client could be given.
  mutating func next(
    _ octets: Span<UInt8>, at offset: inout Int
  ) throws(HTTPFault) -> Event? {
    while true {
      switch state {
      case .over:
        offset = octets.count
        return nil
      case .head:
        guard offset < octets.count else { return nil }
        if let event = try readHead(octets, at: &offset) { return event }
      case .body(var framer):
        let piece = try framer.next(octets, at: &offset)
        state = .body(framer)
        switch piece {
        case .data(let range):
          framing.removeAll(keepingCapacity: true)
          return .data(range)
        case .framing(let range):
          framing.append(octets.extracting(range))
        case .needMore:
          return nil
        case .end:
          state = .over
          return .end(trailers: FieldList(trailersIn: framing.span))
        }
      }
    }
  }

  private mutating func readHead(
    _ octets: Span<UInt8>, at offset: inout Int
  ) throws(HTTPFault) -> Event? {
    let taken = min(octets.count - offset, 8_192)
    head.append(octets.extracting(offset..<offset + taken))
    offset += taken
    let text = head
    guard try parser.parse(text.span) else { return nil }
    offset -= head.count - parser.length
    let event = try event()
    head.removeAll(keepingCapacity: true)
    parser.reset()
    return event
  }

  /// What the head that is now complete means; nil for one that is left out.
  private mutating func event() throws(HTTPFault) -> Event? {
    guard parser.status != 101 else {
      throw HTTPFault(502, "a change of protocol that nobody asked for")
    }
    if parser.isInterim {
      interims += 1
      guard interims <= Self.interimLimit else { return nil }
      return .interim(FieldList(head: parser, of: head.span, hasLength: false))
    }
    let framing = parser.bodyFraming(answering: method)
    state = .body(BodyFramer(framing))
    return .head(
      FieldList(head: parser, of: head.span, hasLength: parser.status != 204),
      hasBody: framing != .none)
  }

  /// The connection has ended.
  ///
  /// - Returns: whether the response is whole.
  mutating func close() -> Bool {
    switch state {
    case .head: return false
    case .body(let framer):
      guard framer.mayEndHere else { return false }
      state = .over
      return true
    case .over: return true
    }
  }
}
