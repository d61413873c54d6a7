/// Why a message cannot be trusted to mean the same to the next reader: the status to answer with,
/// and one sentence without a final period.
public struct HTTPFault: Error, Hashable, Sendable {
  public var status: Int
  public var reason: String

  public init(_ status: Int, _ reason: String) {
    self.status = status
    self.reason = reason
  }
}

/// How much of a head is read before it is refused.
public struct HeadLimits: Hashable, Sendable {
  /// Bytes of the whole head, the empty line included.
  public var bytes: Int
  /// Header fields.
  public var fields: Int
  /// Bytes of the request line or status line, without its CRLF.
  public var firstLine: Int

  public init(bytes: Int = 65_536, fields: Int = 128, firstLine: Int = 8_192) {
    self.bytes = bytes
    self.fields = fields
    self.firstLine = firstLine
  }
}
