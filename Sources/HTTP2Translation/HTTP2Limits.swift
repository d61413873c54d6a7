/// How much of everything one HTTP/2 connection may use.
public struct HTTP2Limits: Hashable, Sendable {
  /// Requests of one client at the same time.
  public var concurrentStreams: UInt32
  /// Octets of a request's fields as RFC 9113 section 6.5.2 counts them: 32 more for each field.
  public var headerListOctets: Int
  /// Fields of a request, pseudo-header fields included.
  public var fields: Int
  /// Octets of one request's body on their way to the engine.
  public var streamWindow: UInt32
  /// Octets of all requests' bodies on their way to the engine.
  public var connectionWindow: UInt32
  /// Octets of one frame's payload, 16,384 to 16,777,215.
  public var frameOctets: UInt32
  /// Octets of frames ready for the wire from which on no more of any body is turned into frames.
  public var outputMark: Int
  /// Octets of one response that wait for their turn, above which the engine should stop sending.
  public var pendingHighWater: Int
  /// Octets of one response that wait, from which down the engine is told that it may go on.
  public var pendingLowWater: Int
  /// How many frames that cost their sender nothing are put up with at once: resets of unanswered
  /// requests, settings, pings, empty frames, malformed requests.
  public var cheapFrames: Int
  /// By how many a second that allowance grows back.
  public var cheapFramesPerSecond: Int

  public init(
    concurrentStreams: UInt32 = 128, headerListOctets: Int = 65_536, fields: Int = 128,
    streamWindow: UInt32 = 65_536, connectionWindow: UInt32 = 1_048_576,
    frameOctets: UInt32 = 16_384, outputMark: Int = 65_536, pendingHighWater: Int = 65_536,
    pendingLowWater: Int = 16_384, cheapFrames: Int = 100, cheapFramesPerSecond: Int = 20
  ) {
    self.concurrentStreams = concurrentStreams
    self.headerListOctets = headerListOctets
    self.fields = fields
    self.streamWindow = min(streamWindow, 0x7FFF_FFFF)
    self.connectionWindow = min(connectionWindow, 0x7FFF_FFFF)
    self.frameOctets = min(max(frameOctets, 16_384), 16_777_215)
    self.outputMark = outputMark
    self.pendingHighWater = pendingHighWater
    self.pendingLowWater = min(pendingLowWater, pendingHighWater)
    self.cheapFrames = cheapFrames
    self.cheapFramesPerSecond = cheapFramesPerSecond
  }
}

/// Why a stream or a connection ends (RFC 9113 section 7).
public enum HTTP2ErrorCode: UInt32, Hashable, Sendable {
  case noError = 0
  case protocolError = 1
  case internalError = 2
  case flowControlError = 3
  case settingsTimeout = 4
  case streamClosed = 5
  case frameSizeError = 6
  /// Nothing was done with the request: the client may send it again.
  case refusedStream = 7
  case cancel = 8
  case compressionError = 9
  case connectError = 10
  case enhanceYourCalm = 11
  case inadequateSecurity = 12
  case http11Required = 13
}

/// Why a connection cannot go on: the code its GOAWAY carries, and one sentence without a final
/// period.
public struct HTTP2Fault: Error, Hashable, Sendable {
  public var code: HTTP2ErrorCode
  public var reason: String

  public init(_ code: HTTP2ErrorCode, _ reason: String) {
    self.code = code
    self.reason = reason
  }
}

/// What the first octets of a connection say about it.
public enum HTTP2PrefaceMatch: Hashable, Sendable {
  case yes
  case no
  /// As far as they go they are HTTP/2's.
  case needMore
}
