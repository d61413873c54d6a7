public import CanaryAnalysis

/// What was understood of another tool's analysis, and what was not.
public struct ImportedAnalysis: Hashable, Sendable {
  public enum Source: Hashable, Sendable {
    /// The proxy's own counts: the percentage of requests without a server error.
    case successRate
    /// The proxy's own latency: its 99th percentile in milliseconds.
    case latency
    /// Address and query, with Segue's placeholders.
    case prometheus(address: String, query: String)
    case json(address: String, path: String)
  }

  public struct Metric: Hashable, Sendable {
    public var name: String
    public var source: Source
    public var check: ThresholdCheck

    public init(name: String, source: Source, check: ThresholdCheck) {
      self.name = name
      self.source = source
      self.check = check
    }
  }

  public var metrics: [Metric] = []
  /// In whole sentences: what Segue cannot express, and what to do about it.
  public var notes: [String] = []

  public init() {}
}

/// Why nothing could be imported.
public struct ImportFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong and what to do next.
  public var description: String
}
