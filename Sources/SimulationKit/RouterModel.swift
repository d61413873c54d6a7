import SegueModel
import TrafficRouting

/// The proxy of a simulated world: event loops that each switch to a table in their own time.
struct RouterModel {
  struct Loop {
    var table: ServiceTable?
    /// Only for a table with several versions.
    var split: StickySplit?

    var generation: Generation { table?.generation ?? .zero }

    mutating func switchTo(_ table: ServiceTable) {
      self.table = table
      split =
        table.versions.count > 1
        ? StickySplit(table.versions.map { ($0.release, $0.weight) }, service: table.key) : nil
    }
  }

  var loops: [Loop]
  /// The newest table it took: on its disk, so that it survives a restart.
  var accepted: ServiceTable?
  /// It may be slow to answer the control plane, and still serve.
  var isAnswering = true
  var isServing = true

  init(loops count: Int) { loops = Array(repeating: Loop(), count: count) }

  /// Whether a table is refused: an older one than the one in force.
  func refuses(_ table: ServiceTable) -> Bool {
    guard let accepted else { return false }
    return table.generation < accepted.generation
  }

  func hasSwitched(to generation: Generation) -> Bool {
    loops.allSatisfy { $0.generation >= generation }
  }
}

/// Somebody who sends requests, over one connection, which belongs to one event loop.
struct UserModel {
  let unit: StickyUnit
  /// The rollout in which the newer release answered; 0: none.
  var sawNewerIn = 0
}
