extension CoverageReport {
  /// The coverable lines of a file as spans of lines that were all run, or all not.
  public struct Span: Hashable, Sendable {
    public var first: Int
    public var count: Int
    public var isRun: Bool

    public init(first: Int, count: Int, isRun: Bool) {
      self.first = first
      self.count = count
      self.isRun = isRun
    }
  }

  /// Each file's spans, in ascending order. How often a line was run is lost.
  public var spans: [String: [Span]] {
    files.mapValues { file in
      var spans: [Span] = []
      for (line, hits) in file.hits.sorted(by: { $0.key < $1.key }) {
        if let last = spans.last, last.isRun == (hits > 0), last.first + last.count == line {
          spans[spans.count - 1].count += 1
        } else {
          spans.append(Span(first: line, count: 1, isRun: hits > 0))
        }
      }
      return spans
    }
  }

  /// The report that spans are of. Spans that no file could have are passed over.
  public init(spans: [String: [Span]]) {
    self.init(
      files: spans.mapValues { spans in
        var file = File()
        for span in spans where span.first > 0 && (1...10_000_000).contains(span.count) {
          for line in span.first..<(span.first &+ span.count) where line > 0 {
            file.hits[line] = span.isRun ? 1 : 0
          }
        }
        return file
      })
  }
}
