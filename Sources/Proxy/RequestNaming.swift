public import TrafficRouting

/// What instances are told of a request besides what the client said, and whose word about its way is
/// believed.
public struct RequestNaming: Hashable, Sendable {
  public enum Traces: Hashable, Sendable {
    /// `traceparent` is passed on as it came, and none is added.
    case passOn
    /// A request without a `traceparent` that can be read gets one.
    case begin(isSampled: Bool)
  }

  /// Each request gets an `X-Request-Id`, which stands in the access log and on error pages too.
  public var ids = true
  public var traces = Traces.passOn
  /// `Forwarded` (RFC 7239) is written beside `X-Forwarded-For`, `-Proto` and `-Host`.
  public var forwarded = false
  /// Proxies before this one. What others say of a request's way is replaced.
  public var trusted = TrustedPeers.none

  public init() {}
}
