/// What a request says of the way it has come, as far as the peers are believed who wrote it.
public enum ForwardedChain {
  /// Entries of a chain that are looked at; a longer one is somebody's game.
  static let limit = 64

  /// The address that a request came from: the last one in `X-Forwarded-For` that is not itself a
  /// trusted peer's, because each proxy appends whom it got the request from.
  ///
  /// - Returns: where it is, without brackets and port; `nil` when the chain names nobody else, or
  ///   something that is no address stands before.
  public static func client(
    _ head: Span<UInt8>, _ fields: FieldBlock, trusted: TrustedPeers
  ) -> Range<Int>? {
    var entries: [Range<Int>] = []
    for field in fields.fields where head.matches("x-forwarded-for", in: field.name) {
      head.forEachElement(of: field.value) { entries.append($0) }
    }
    for entry in entries.suffix(limit).reversed() {
      let address = bare(head, entry)
      guard let octets = IPAddress.octets(head, address) else { return nil }
      if !trusted.contains(octets.span) { return address }
    }
    return nil
  }

  /// `[::1]:80`, `::1`, `192.0.2.1:80` and `192.0.2.1` without what is not address.
  private static func bare(_ head: Span<UInt8>, _ entry: Range<Int>) -> Range<Int> {
    if !entry.isEmpty, head[entry.lowerBound] == 91 {
      var end = entry.lowerBound + 1
      while end < entry.upperBound, head[end] != 93 { end += 1 }
      return entry.lowerBound + 1..<end
    }
    var colons = 0
    var last = entry.upperBound
    for index in entry where head[index] == .colon {
      colons += 1
      last = index
    }
    return colons == 1 ? entry.lowerBound..<last : entry
  }

  /// Appends the router's lines about where the request came from to what a trusted peer said: its
  /// list goes on, and its word on scheme and host stands.
  ///
  /// - Parameter client: the literal address of the peer.
  public static func write(
    _ head: Span<UInt8>, _ fields: FieldBlock, client: [UInt8], isTLS: Bool, to out: inout [UInt8]
  ) {
    out.append(contentsOf: "X-Forwarded-For: ".utf8)
    for field in fields.fields where head.matches("x-forwarded-for", in: field.name) {
      for index in field.value { out.append(head[index]) }
      out.append(contentsOf: ", ".utf8)
    }
    out.append(contentsOf: client)
    out.append(contentsOf: "\r\nX-Forwarded-Proto: ".utf8)
    if let said = fields.single("x-forwarded-proto", head), isScheme(head, said) {
      for index in said { out.append(head[index]) }
    } else {
      out.append(contentsOf: (isTLS ? "https" : "http").utf8)
    }
    out.append(contentsOf: "\r\n".utf8)
    if let host = fields.single("x-forwarded-host", head) {
      out.append(contentsOf: "X-Forwarded-Host: ".utf8)
      for index in host { out.append(head[index]) }
      out.append(contentsOf: "\r\n".utf8)
    }
  }

  /// Whether ``write(_:_:client:isTLS:to:)`` names the host.
  public static func saysHost(_ head: Span<UInt8>, _ fields: FieldBlock) -> Bool {
    fields.single("x-forwarded-host", head) != nil
  }

  private static func isScheme(_ head: Span<UInt8>, _ range: Range<Int>) -> Bool {
    head.matches("http", in: range) || head.matches("https", in: range)
  }
}
