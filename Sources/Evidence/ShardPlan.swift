public import SegueModel

/// Which tests run on which of several shards, so that all end at about the same time.
///
/// The longest first, each to the shard with the least so far: never longer than 4/3 of the best
/// split (Graham, "Bounds on multiprocessing timing anomalies", 1969). The same tests and times
/// give the same plan in any order, so that every shard can compute it for itself.
public struct ShardPlan: Hashable, Sendable {
  public struct Shard: Hashable, Sendable {
    /// In the order in which they were assigned.
    public var tests: [String]
    public var expected: Milliseconds
  }

  public var shards: [Shard]

  /// - Parameters:
  ///   - tests: each once; repeated names count once.
  ///   - times: how long each took; one without a time is taken to need the median of the others.
  ///   - count: how many shards; below one means one.
  public init(tests: [String], times: [String: Milliseconds], count: Int) {
    let names = Set(tests)
    let known = names.compactMap { times[$0]?.count }.sorted()
    let median = known.isEmpty ? 1 : known[known.count / 2]
    let weighted = names.map { (name: $0, time: max(0, times[$0]?.count ?? median)) }
      .sorted { ($1.time, $0.name) < ($0.time, $1.name) }
    var shards = [Shard](repeating: Shard(tests: [], expected: .zero), count: max(1, count))
    var loads = [Int64](repeating: 0, count: shards.count)
    for test in weighted {
      // Tests without a measurable time are spread by number.
      let place = shards.indices.min {
        (loads[$0], shards[$0].tests.count, $0) < (loads[$1], shards[$1].tests.count, $1)
      }
      guard let place else { continue }
      shards[place].tests.append(test.name)
      loads[place] = loads[place].addingReportingOverflow(Int64(test.time)).partialValue
    }
    for index in shards.indices { shards[index].expected = Milliseconds(loads[index]) }
    self.shards = shards
  }
}

extension ShardPlan {
  /// How long what a program lists takes, by what a history knows.
  ///
  /// What is listed may be tests as their program names them (`tests/test_a.py::test_x`), or files,
  /// classes or packages that hold tests: those take as long as all tests together whose names begin
  /// with theirs. Names are compared by their parts, however these are joined.
  ///
  /// - Parameter history: by ``TestCase/historyName``.
  public static func times(
    of units: [String], history: [String: Milliseconds]
  ) -> [String: Milliseconds] {
    var known: [(name: [UInt8], time: Int64, test: Int)] = []
    for (test, (name, time)) in history.enumerated() {
      known.append((comparable(name), time.count, test))
      // The suite may be the tool's own name, or the file.
      if let range = name.ranges(of: " > ").last {
        known.append((comparable(String(name[range.upperBound...])), time.count, test))
      }
    }
    known.sort { $0.name.lexicographicallyPrecedes($1.name) }
    var times: [String: Milliseconds] = [:]
    for unit in Set(units) {
      let key = comparable(unit)
      guard !key.isEmpty else { continue }
      var low = 0
      var high = known.count
      while low < high {
        let middle = (low + high) / 2
        if known[middle].name.lexicographicallyPrecedes(key) {
          low = middle + 1
        } else {
          high = middle
        }
      }
      var sum: Int64?
      var counted: Set<Int> = []
      for entry in known[low...] {
        guard entry.name.starts(with: key) else { break }
        guard entry.name.count == key.count || ends(entry.name[key.count]),
          counted.insert(entry.test).inserted
        else { continue }
        sum = (sum ?? 0).addingReportingOverflow(max(0, entry.time)).partialValue
      }
      if let sum { times[unit] = Milliseconds(sum) }
    }
    return times
  }

  /// Whether a part of a name ends here: `a.b` is part of `a.bc` by accident only.
  private static func ends(_ byte: UInt8) -> Bool {
    [".", " ", "(", "["].contains(UnicodeScalar(byte))
  }

  /// Names with their parts joined by points, without what is only in paths.
  private static func comparable(_ name: String) -> [UInt8] {
    var text = name
    if text.hasPrefix("./") { text.removeFirst(2) }
    text = text.replacing("::", with: ".").replacing("/", with: ".").replacing(" > ", with: ".")
    if text.hasSuffix(".py") { text.removeLast(3) }
    return Array(text.replacing(".py.", with: ".").utf8)
  }
}
