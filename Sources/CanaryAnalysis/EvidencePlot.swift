public import SegueModel

/// Evidence over time, to be drawn: bounded, however long the rollout lasts.
public struct EvidenceHistory: Hashable, Codable, Sendable {
  public struct Point: Hashable, Codable, Sendable {
    /// Since the judging began.
    public var seconds: Double
    /// Logarithms of the e-values against the release and for its promotion.
    public var againstIt: Double
    public var forIt: Double

    public init(seconds: Double, againstIt: Double, forIt: Double) {
      self.seconds = seconds
      self.againstIt = againstIt
      self.forIt = forIt
    }
  }

  public static let limit = 512

  public private(set) var points: [Point] = []
  private var stride = 1
  private var skipped = 0

  public init() {}

  /// Beyond ``limit`` every second point goes, and from then on only every second comes in.
  public mutating func add(_ point: Point) {
    guard point.seconds.isFinite, point.againstIt.isFinite, point.forIt.isFinite else { return }
    skipped += 1
    guard skipped >= stride else { return }
    skipped = 0
    points.append(point)
    guard points.count > Self.limit else { return }
    points = points.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    stride = min(stride * 2, 1 << 40)
  }
}

/// Draws how the evidence grew, against the release and for its promotion, with
/// a dotted line where either suffices.
public struct EvidencePlot: Hashable, Sendable {
  public var history: EvidenceHistory
  /// The logarithms at which a release is bad, and at which it is good.
  public var badAt: Double
  public var goodAt: Double

  public init(history: EvidenceHistory, badAt: Double, goodAt: Double) {
    self.history = history
    self.badAt = badAt
    self.goodAt = goodAt
  }

  public init(history: EvidenceHistory, settings: JudgeSettings) {
    self.history = history
    badAt = Planning.threshold(settings.alpha * settings.partOfErrors)
    goodAt = Planning.threshold(settings.beta)
  }

  /// Both are drawn as parts of what suffices, so that one line serves for both: 1 is enough.
  private var curves: [(name: String, values: [Double])] {
    [
      ("against the release", history.points.map { clamped($0.againstIt / badAt) }),
      ("for promotion", history.points.map { clamped($0.forIt / goodAt) }),
    ]
  }

  private func clamped(_ part: Double) -> Double { part.isNaN ? 0 : min(max(part, 0), 1.25) }

  /// At most `width` columns (at least 20) and `height` rows of braille, two lines of words below.
  public func terminal(width: Int, height: Int = 8) -> String {
    let columns = max(20, min(width, 400)) - 8
    let rows = max(4, min(height, 50))
    let points = history.points
    guard let last = points.last?.seconds, points.count > 1, last > 0 else {
      return "no evidence to draw yet"
    }
    var canvas = Braille(columns: columns, rows: rows)
    let enough = canvas.row(of: 1)
    for x in stride(from: 0, to: columns * 2, by: 4) { canvas.set(x, enough) }
    for curve in curves {
      var before: (x: Int, y: Int)?
      for (point, value) in zip(points, curve.values) {
        let x = Int(max(0, point.seconds) / last * Double(columns * 2 - 1))
        let here = (x: min(x, columns * 2 - 1), y: canvas.row(of: value))
        canvas.line(from: before ?? here, to: here)
        before = here
      }
    }
    let labels = (0..<rows).map { row in
      row == enough / 4 ? "enough  " : row == rows - 1 ? "nothing " : "        "
    }
    let picture = zip(labels, canvas.lines).map { $0 + $1 }
    let ends = curves.map { "\($0.name) \(AnalysisText.percent($0.values.last ?? 0))" }
    return
      (picture + [
        "        0 s to \(AnalysisText.rounded(max(1, last))) s, in parts of what suffices:",
        "        " + ends.joined(separator: ", "),
      ]).joined(separator: "\n")
  }

  /// A drawing of 640 by 240 that stands alone; colours that are told apart without red and green.
  public var svg: String {
    let last = max(history.points.last?.seconds ?? 0, 1e-9)
    let enough = 220 - 200 / 1.25
    var lines = [
      #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 240" role="img" font-family="sans-serif" font-size="12">"#,
      "<title>Evidence over time, in parts of what suffices</title>",
      #"<path d="M60 20V220H630" fill="none" stroke="gray"/>"#,
      #"<path d="M60 \#(Self.tenths(enough))H630" stroke="gray" stroke-dasharray="4 4"/>"#,
      #"<text x="54" y="\#(Self.tenths(enough + 4))" text-anchor="end">enough</text>"#,
      #"<text x="630" y="235" text-anchor="end">\#(AnalysisText.rounded(last)) s</text>"#,
    ]
    let colours = ["#b35900", "#0059b3"]
    for (index, curve) in curves.enumerated() {
      let points = zip(history.points, curve.values).map { point, value in
        Self.tenths(60 + 570 * max(0, point.seconds) / last) + ","
          + Self.tenths(220 - 200 * value / 1.25)
      }
      let colour = colours[index % colours.count]
      lines.append(
        #"<polyline points="\#(points.joined(separator: " "))" fill="none" stroke="\#(colour)" stroke-width="2"/>"#
      )
      lines.append(#"<text x="70" y="\#(32 + 16 * index)" fill="\#(colour)">\#(curve.name)</text>"#)
    }
    return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private static func tenths(_ value: Double) -> String {
    let tenths = Int((min(max(value, -1e6), 1e6) * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\((tenths % 10).magnitude)"
  }
}

/// A canvas of braille characters: two points wide and four high each.
private struct Braille {
  let columns: Int
  let rows: Int
  private var cells: [UInt8]

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    cells = Array(repeating: 0, count: columns * rows)
  }

  /// The row of points for a value of 0 at the bottom to 1.25 at the top.
  func row(of value: Double) -> Int {
    let top = Double(rows * 4 - 1)
    return Int((top - value / 1.25 * top).rounded())
  }

  mutating func set(_ x: Int, _ y: Int) {
    guard x >= 0, y >= 0, x < columns * 2, y < rows * 4 else { return }
    // Unicode numbers the points down the first column, then the second, and the fourth row last.
    let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
    cells[y / 4 * columns + x / 2] |= bits[y % 4][x % 2]
  }

  mutating func line(from: (x: Int, y: Int), to: (x: Int, y: Int)) {
    let steps = max((to.x - from.x).magnitude, (to.y - from.y).magnitude, 1)
    for step in 0...steps {
      let part = Double(step) / Double(steps)
      set(
        from.x + Int((Double(to.x - from.x) * part).rounded()),
        from.y + Int((Double(to.y - from.y) * part).rounded()))
    }
  }

  var lines: [String] {
    (0..<rows).map { row in
      let scalars = cells[row * columns..<(row + 1) * columns].compactMap {
        Unicode.Scalar(0x2800 + UInt32($0))
      }
      var line = String.UnicodeScalarView(scalars)
      while line.last?.value == 0x2800 { line.removeLast() }
      return String(line)
    }
  }
}

extension ReleaseJudge {
  /// What the evidence is at `now`, to be drawn.
  public func point(at now: Instant) -> EvidenceHistory.Point {
    let guardrails = guardrails
    return EvidenceHistory.Point(
      seconds: began.map { max(0, Double(now.milliseconds) - Double($0.milliseconds)) / 1_000 }
        ?? 0,
      againstIt: guardrails.map(\.againstIt).max() ?? 0,
      forIt: guardrails.compactMap(\.forIt).min() ?? 0)
  }
}
