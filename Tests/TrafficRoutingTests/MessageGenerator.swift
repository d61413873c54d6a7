import TrafficRouting

/// Writes HTTP/1 messages: proper ones that use what the grammar allows, and spoiled ones.
struct MessageGenerator {
  private var random: FastRandom

  init(seed: UInt64) { random = FastRandom(seed: seed) }

  private mutating func pick<T>(_ choices: [T]) -> T { choices[random.next(below: choices.count)] }

  private mutating func chance(_ oneIn: Int) -> Bool { random.next(below: oneIn) == 0 }

  static let methods = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "M-SEARCH",
  ]
  private static let targets = [
    "/", "/a", "/a/b;c=1?d=e&f", "/%20%2F", "/?", "/a?b?c", "//a", "/~!$&'()*+,;=:@",
    "http://b.test/", "http://b.test", "http://b.test:81/x?y", "https://[::1]:8/x", "/a#b",
  ]
  private static let names = ["X", "X-Long-Name", "Accept", "!#$%&'*+-.^_`|~9", "Cookie", "ETag"]
  private static let values = [
    "", "a", "a b", "a\tb", "a:b", "\"quoted, \\\" string\"", "0", "a,b , c", "chunked", "close",
    "\u{e9}\u{2028}",
  ]

  /// Requests of one connection; only the last may be the last word on it.
  mutating func requests() -> (bytes: [UInt8], count: Int) {
    let count = 1 + random.next(below: 4)
    var bytes: [UInt8] = []
    for index in 1...count { bytes += request(isLast: index == count) }
    return (bytes, count)
  }

  private mutating func request(isLast: Bool) -> [UInt8] {
    var text = ""
    if chance(8) { text += "\r\n" }
    let method = pick(Self.methods)
    let target = method == "OPTIONS" && chance(2) ? "*" : pick(Self.targets)
    let isOld = chance(8)
    text += "\(method) \(target) HTTP/1.\(isOld ? 0 : 1)\r\n"
    var lines = [field("Host", "a.test:80")]
    if isOld, !isLast { lines.append("Connection: Keep-Alive\r\n") }
    if isLast, chance(3) { lines.append("connection:close \r\n") }
    return message(text, lines, mayBeChunked: !isOld)
  }

  /// Responses of one connection, and what they answer.
  mutating func responses() -> (bytes: [UInt8], count: Int, methods: [RequestMethod]) {
    var bytes: [UInt8] = []
    var methods: [RequestMethod] = []
    var count = 0
    let finals = 1 + random.next(below: 3)
    for index in 1...finals {
      while chance(5) {
        bytes += Array("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".utf8)
        count += 1
      }
      methods.append(chance(4) ? .head : .get)
      bytes += response(to: methods[index - 1], isLast: index == finals)
      count += 1
    }
    return (bytes, count, methods)
  }

  private mutating func response(to method: RequestMethod, isLast: Bool) -> [UInt8] {
    let status = pick([200, 200, 200, 201, 204, 206, 301, 304, 404, 418, 500, 599])
    var text = "HTTP/1.1 \(status)"
    text += pick(["\r\n", " \r\n", " OK\r\n", " Two words\r\n", " \u{e9}\r\n"])
    var lines = [field("Date", "Sun, 06 Nov 1994 08:49:37 GMT")]
    if isLast, chance(3) { lines.append("connection:close \r\n") }
    if method == .head || status == 204 || status == 304 {
      if method == .head, chance(2) { lines.append("Content-Length: 7\r\n") }
      return Array((text + shuffled(lines).joined() + "\r\n").utf8)
    }
    if isLast, chance(4) {
      return Array((text + shuffled(lines).joined() + "\r\n").utf8) + octets()
    }
    return message(text, lines, mayBeChunked: true, mustBeFramed: true)
  }

  private mutating func message(
    _ start: String, _ given: [String], mayBeChunked: Bool, mustBeFramed: Bool = false
  ) -> [UInt8] {
    var lines = given
    for _ in 0..<random.next(below: 5) { lines.append(field(pick(Self.names), pick(Self.values))) }
    let body: [UInt8]
    switch random.next(below: mustBeFramed ? 4 : 6) {
    case 0...1:
      body = octets()
      lines.append("Content-Length:\(pick(["", " ", "\t"]))\(body.count)\(pick(["", " "]))\r\n")
    case 2...3 where mayBeChunked:
      body = chunked()
      lines.append(pick(["Transfer-Encoding: chunked\r\n", "transfer-encoding:Chunked \r\n"]))
    default:
      body = []
      if mustBeFramed { lines.append("Content-Length: 0\r\n") }
    }
    return Array((start + shuffled(lines).joined() + "\r\n").utf8) + body
  }

  private mutating func shuffled(_ lines: [String]) -> [String] {
    var lines = lines
    for index in lines.indices { lines.swapAt(index, random.next(below: lines.count)) }
    return lines
  }

  private mutating func field(_ name: String, _ value: String) -> String {
    let name = chance(3) ? name.lowercased() : name
    let before = pick(["", " ", " ", "\t", "  "])
    return "\(name):\(before)\(value)\(pick(["", "", "", " ", " \t"]))\r\n"
  }

  private mutating func octets() -> [UInt8] {
    (0..<random.next(below: 40)).map { _ in UInt8(random.next(below: 256)) }
  }

  private mutating func chunked() -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<random.next(below: 4) {
      let data = octets()
      guard !data.isEmpty else { continue }
      let size = String(data.count, radix: 16, uppercase: chance(2))
      let line = (chance(4) ? "00" : "") + size + pick(["", "", ";a", ";a=b", ";a=\"b;c\""])
      bytes += Array("\(line)\r\n".utf8) + data + Array("\r\n".utf8)
    }
    bytes += Array("0\r\n".utf8)
    for _ in 0..<random.next(below: 3) { bytes += Array(field("X-Sum", pick(Self.values)).utf8) }
    return bytes + Array("\r\n".utf8)
  }

  /// What readers have been made to disagree with.
  private static let poison = [
    "\r\n", "\n", "\r", " ", "\t", "\0", "\u{b}", ":", ",", ";", "0", "\r\n\r\n", "\n\n",
    "0\r\n\r\n",
    "Content-Length: 3\r\n", "Content-Length: 5, 5\r\n", "Content-Length: +3\r\n",
    "Content-Length: 0x3\r\n", "Content-Length: 3_0\r\n", "Content-Length:\r\n",
    "Content-Length : 3\r\n", "Content_Length: 3\r\n", "Content-Length: 18446744073709551619\r\n",
    "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding:\u{b}chunked\r\n", "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding\r\n: chunked\r\n", " folded\r\n", "\tfolded: a\r\n", "X: a\r\n b\r\n",
    "Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: upgrade\r\n",
    "Upgrade: websocket\r\n", "Host: b\r\n", "Expect: 100-continue\r\n", "HTTP/1.0", "HTTP/1.2",
    "HTTP/2.0", "HTTP/0.9", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST", "BREW", "CONNECT ",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{e9}", "\u{7f}", "#", "\"", ";\"\r\n\"", ";a=\"", " ;",
    "FFFFFFFFFFFFFFFF\r\n", "10000000000000001\r\n", "-1\r\n", "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", " 204 ",
  ]

  /// `bytes` after one to four blows: poison put in, octets changed, taken out or said twice.
  mutating func spoiled(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0...random.next(below: 4) {
      let place = spot(bytes)
      switch random.next(below: 8) {
      case 0...3: bytes.insert(contentsOf: Array(pick(Self.poison).utf8), at: place)
      case 4: if place < bytes.count { bytes[place] = UInt8(random.next(below: 256)) }
      case 5: if place < bytes.count { bytes.remove(at: place) }
      case 6:
        let end = min(bytes.count, place + random.next(below: 30))
        bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
      default:
        bytes.removeSubrange(place..<min(bytes.count, place + random.next(below: 10)))
      }
    }
    return bytes
  }

  /// Anywhere, but every other time at the start of a line, where most of the meaning is.
  private mutating func spot(_ bytes: [UInt8]) -> Int {
    let place = random.next(below: bytes.count + 1)
    guard chance(2), let end = bytes[place...].firstIndex(of: 10) else { return place }
    return end + 1
  }

  /// Where to cut a connection's octets into pieces.
  mutating func cuts(_ count: Int) -> [Int] {
    (0..<random.next(below: 6)).map { _ in random.next(below: count + 1) }.sorted()
  }
}
