public import SegueModel

/// The goals of an experiment, made ready to be looked for in every answer.
public struct GoalReader: Sendable {
  private struct Named: Sendable {
    var index: UInt8
    var name: [UInt8]
    var spec: GoalSpec
  }

  /// By the field that they are named in.
  private let fields: [(field: [UInt8], goals: [Named])]
  private let paths: [(path: [UInt8], index: UInt8)]

  /// Items of a field that are looked at; a longer list is no list of goals.
  private static let itemLimit = 64

  public init(_ goals: [GoalSpec]) {
    var fields: [(field: [UInt8], goals: [Named])] = []
    var paths: [(path: [UInt8], index: UInt8)] = []
    for (index, goal) in goals.prefix(GoalSpec.limit).enumerated() {
      switch goal.source {
      case .header(let name):
        let field = name.utf8.map(\.lowercased)
        let named = Named(index: UInt8(index), name: Array(goal.name.utf8), spec: goal)
        if let place = fields.firstIndex(where: { $0.field == field }) {
          fields[place].goals.append(named)
        } else {
          fields.append((field, [named]))
        }
      case .path(let path): paths.append((Array(path.utf8), UInt8(index)))
      case .posted: break
      }
    }
    self.fields = fields
    self.paths = paths
  }

  /// The goals that an answer of this status to a request for this path reaches.
  ///
  /// - Parameter path: of the request, perhaps with a query.
  public func forEachGoal(
    ofPath path: Range<Int>, in bytes: Span<UInt8>, status: Int, _ body: (UInt8) -> Void
  ) {
    guard !paths.isEmpty, (200..<400).contains(status) else { return }
    var end = path.lowerBound
    while end < path.upperBound, bytes[end] != UInt8(ascii: "?") { end += 1 }
    for goal in paths
    where bytes.spells(goal.path, in: path.lowerBound..<end, folding: false) {
      body(goal.index)
    }
  }

  /// The goals that an answer names, each with its value; `nil`: it cannot be read.
  public func forEachGoal(
    in block: FieldBlock, _ bytes: Span<UInt8>, _ body: (UInt8, Double?) -> Void
  ) {
    guard !fields.isEmpty else { return }
    for field in block.fields {
      for wanted in fields where bytes.spells(wanted.field, in: field.name, folding: true) {
        read(field.value, of: wanted.goals, bytes, body)
      }
    }
  }

  private func read(
    _ list: Range<Int>, of goals: [Named], _ bytes: Span<UInt8>, _ body: (UInt8, Double?) -> Void
  ) {
    var start = list.lowerBound
    var items = 0
    while start < list.upperBound, items < Self.itemLimit {
      var stop = start
      while stop < list.upperBound, bytes[stop] != UInt8(ascii: ",") { stop += 1 }
      let item = bytes.trimming(start..<stop)
      start = stop + 1
      items += 1
      var split = item.lowerBound
      while split < item.upperBound, bytes[split] != .equalsSign { split += 1 }
      for goal in goals
      where bytes.spells(goal.name, in: item.lowerBound..<split, folding: false) {
        let value: String? =
          split < item.upperBound
          ? String(decoding: (split + 1..<item.upperBound).map { bytes[$0] }, as: UTF8.self) : nil
        body(goal.index, goal.spec.value(value))
      }
    }
  }
}
