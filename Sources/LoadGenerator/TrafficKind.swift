/// What a connection sends.
public enum TrafficKind: String, Hashable, Codable, Sendable, CaseIterable {
  case get
  /// With a Content-Length.
  case post
  /// In chunks (RFC 9112 section 7.1).
  case chunkedPost = "chunked-post"
  /// An upgrade, then one text message after another, each of which has to come back (RFC 6455).
  case websocket

  /// Whether each request carries an id that a backend must execute exactly once.
  public var isPost: Bool {
    switch self {
    case .post, .chunkedPost: true
    case .get, .websocket: false
    }
  }

  /// Position in `allCases`.
  var position: Int {
    switch self {
    case .get: 0
    case .post: 1
    case .chunkedPost: 2
    case .websocket: 3
    }
  }
}
