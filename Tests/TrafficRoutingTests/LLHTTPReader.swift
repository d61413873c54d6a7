import NIOCore
import NIOEmbedded
import NIOHTTP1
import ParserInvariants
import TrafficRouting

/// What llhttp, as strict as it comes and as SwiftNIO ships it, makes of a connection's octets.
struct LLHTTPReader {
  /// Those that are complete.
  var messages: [WireMessage] = []
  /// The first error that it gave, by its name in `HTTPParserError`.
  var error: String?

  static func requests(_ bytes: [UInt8]) -> LLHTTPReader {
    var reader = LLHTTPReader()
    let channel = EmbeddedChannel()
    reader.attempt {
      try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
    }
    reader.attempt { try channel.writeInbound(ByteBuffer(bytes: bytes)) }
    reader.attempt { _ = try channel.finish(acceptAlreadyClosed: true) }
    var current: WireMessage?
    while let part = try? channel.readInbound(as: HTTPServerRequestPart.self) {
      switch part {
      case .head(let head):
        // SwiftNIO's name for it lacks the hyphen.
        let method = head.method == .MSEARCH ? "M-SEARCH" : head.method.rawValue
        current = message([method, head.uri], head.version, head.headers)
      case .body(let body): current?.body += body.readableBytesView
      case .end:
        if let current { reader.messages.append(current) }
        current = nil
      }
    }
    return reader
  }

  /// - Parameter methods: what was asked with; answers beyond them are to a GET.
  static func responses(_ bytes: [UInt8], to methods: [RequestMethod]) -> LLHTTPReader {
    var reader = LLHTTPReader()
    let channel = EmbeddedChannel()
    let decoder = HTTPResponseDecoder(informationalResponseStrategy: .forward)
    reader.attempt {
      try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(decoder))
    }
    for index in 0..<32 {
      let method = index < methods.count ? methods[index] : .get
      let head = HTTPRequestHead(
        version: .http1_1, method: method == .head ? .HEAD : .GET, uri: "/")
      reader.attempt { try channel.writeOutbound(HTTPClientRequestPart.head(head)) }
    }
    reader.attempt { try channel.writeInbound(ByteBuffer(bytes: bytes)) }
    reader.attempt { _ = try channel.finish(acceptAlreadyClosed: true) }
    var current: WireMessage?
    while let part = try? channel.readInbound(as: HTTPClientResponsePart.self) {
      switch part {
      case .head(let head):
        // An interim head has no end of its own.
        let interim = head.status.code < 200 && head.status.code != 101
        let found = message([String(head.status.code)], head.version, head.headers)
        if interim { reader.messages.append(found) } else { current = found }
      case .body(let body): current?.body += body.readableBytesView
      case .end:
        if let current { reader.messages.append(current) }
        current = nil
      }
    }
    return reader
  }

  /// llhttp leaves the blanks behind a value, which are no part of it (RFC 9112 section 5.1), to
  /// whoever asks for the value.
  private static func message(
    _ start: [String], _ version: HTTPVersion, _ headers: HTTPHeaders
  ) -> WireMessage {
    WireMessage(
      start: start.map { Array($0.utf8) }, minorVersion: version.minor,
      fields: headers.map { name, value in
        let end = value.utf8.reversed().drop { $0 == 32 || $0 == 9 }.count
        return WireMessage.Field(name: Array(name.utf8), value: Array(value.utf8.prefix(end)))
      })
  }

  private mutating func attempt(_ work: () throws -> Void) {
    do {
      try work()
    } catch {
      if self.error == nil { self.error = "\(error)" }
    }
  }
}
