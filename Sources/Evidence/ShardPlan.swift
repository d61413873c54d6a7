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
