import Testing

@testable import TrafficRouting

@Suite struct BodyFramerTests {
  /// The payload, how many octets the body took, and whether it is over.
  static func read(
    _ framing: BodyFraming, _ pieces: [[UInt8]]
  ) throws(HTTPFault) -> (payload: String, taken: Int, isOver: Bool) {
    var framer = BodyFramer(framing)
    var payload: [UInt8] = []
    var taken = 0
    for piece in pieces {
      var offset = 0
      reading: while true {
        switch try framer.next(piece.span, at: &offset) {
        case .data(let range): payload += piece[range]
        case .framing: break
        case .needMore, .end: break reading
        }
      }
      taken += offset
    }
    return (String(decoding: payload, as: UTF8.self), taken, framer.isComplete)
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var framing: BodyFraming
    var text: String
    var payload: String
    var left = 0
    var testDescription: String { "\(framing) \(text.debugDescription)" }
  }

  static let good: [Case] = [
    Case(framing: .none, text: "GET", payload: "", left: 3),
    Case(framing: .length(3), text: "abcGET", payload: "abc", left: 3),
    Case(framing: .chunked, text: "0\r\n\r\nGET", payload: "", left: 3),
    Case(framing: .chunked, text: "3\r\nabc\r\n0\r\n\r\n", payload: "abc"),
    Case(framing: .chunked, text: "0003\r\nabc\r\n00\r\n\r\n", payload: "abc"),
    Case(
      framing: .chunked, text: "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
      payload: "01234567890123456789"),
    Case(framing: .chunked, text: "3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n", payload: "abc"),
    Case(framing: .chunked, text: "3 ;a\r\nabc\r\n0\r\n\r\n", payload: "abc"),
    Case(framing: .chunked, text: "3\r\na\r\n\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", payload: "a\r\n"),
  ]

  @Test(arguments: good) func takes(_ example: Case) throws {
    let bytes = Array(example.text.utf8)
    for cut in 0...bytes.count {
      let body = try Self.read(example.framing, [Array(bytes[..<cut]), Array(bytes[cut...])])
      #expect(body.payload == example.payload)
      #expect(body.isOver)
      if cut >= bytes.count - example.left || cut == 0 {
        #expect(body.taken == bytes.count - example.left)
      }
    }
    let single = try Self.read(example.framing, bytes.map { [$0] })
    #expect(single.payload == example.payload && single.isOver)
  }

  @Test(arguments: [
    "0_2e\r\n", "+1\r\na\r\n", "-1\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "\r\n",
    "g\r\n",
    "1\na\r\n", "1\r\na\n", "1\r\nab\r\n", "1\r\na\rX", "1;a\nb\r\n", "1;a\rb\r\n", "1;\0\r\n",
    "10000000000000000\r\n", "0\r\n\n", "0\r\nX: 1\n\r\n", "0\r\nX : 1\r\n\r\n",
    "0\r\n X: 1\r\n\r\n",
    "0\r\nContent-Length: 3\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nHost: evil\r\n\r\n", "0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", "0\r\n\rX",
    "0\r\nnocolon\r\n\r\n",
    "1;" + String(repeating: "x", count: 5_000),
    "0\r\n" + String(repeating: "X: yyyyyyyyyyyyyyyyyyyyyyyy\r\n", count: 1_000),
  ])
  func refuses(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(throws: HTTPFault.self) { _ = try Self.read(.chunked, [bytes]) }
    #expect(throws: HTTPFault.self) { _ = try Self.read(.chunked, bytes.map { [$0] }) }
  }

  @Test func anEndWithoutFramingIsProperOnlyWhereNothingWasPromised() throws {
    #expect(BodyFramer(.untilClose).mayEndHere)
    #expect(BodyFramer(.none).mayEndHere)
    #expect(!BodyFramer(.length(1)).mayEndHere)
    #expect(!BodyFramer(.chunked).mayEndHere)
  }

  @Test func advancingTakesTheSameOctets() throws {
    for example in Self.good {
      var framer = BodyFramer(example.framing)
      let bytes = Array(example.text.utf8)
      #expect(try framer.advance(over: bytes.span) == bytes.count - example.left)
      #expect(framer.isComplete)
    }
  }
}
