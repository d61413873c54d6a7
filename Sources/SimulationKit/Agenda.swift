import SegueModel

/// Something that will happen in a simulated world.
enum Action {
  /// The control plane looks whether a deadline has passed.
  case wake(shell: Int)
  case perform(row: Int, shell: Int)
  /// A table that was sent before gets to the router.
  case deliver(row: Int)
  /// The result of an effect gets to the control plane.
  case finish(row: Int, shell: Int)
  case restart
  case booted(process: Int)
  case probe(process: Int, shell: Int)
  case dies(process: Int)
  case exitSeen(process: Int, shell: Int)
  case exits(process: Int, killed: Bool)
  case flap(process: Int, isPassing: Bool)
  case loopSwitch(loop: Int)
  case routerAnswers
  case routerUp
  case migrationEnds(run: Int)
  case order
  /// Nobody waits any longer for the rollout before.
  case orderAnyway
  case meddle
  case strike
  case faultsEnd
}

/// What is to happen, by time; at the same moment, by the order in which it was planned.
struct Agenda {
  private struct Entry {
    var time: Int64
    var order: Int
    var action: Action
  }

  private var heap: [Entry] = []
  private var planned = 0

  var isEmpty: Bool { heap.isEmpty }

  mutating func plan(_ action: Action, at time: Int64) {
    planned += 1
    heap.append(Entry(time: time, order: planned, action: action))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard comes(child, before: parent) else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func next() -> (time: Int64, action: Action)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink()
    }
    return (first.time, first.action)
  }

  private mutating func sink() {
    var parent = 0
    while true {
      let left = parent * 2 + 1
      guard left < heap.count else { return }
      let right = left + 1
      let child = right < heap.count && comes(right, before: left) ? right : left
      guard comes(child, before: parent) else { return }
      heap.swapAt(child, parent)
      parent = child
    }
  }

  private func comes(_ one: Int, before other: Int) -> Bool {
    let (one, other) = (heap[one], heap[other])
    return one.time == other.time ? one.order < other.order : one.time < other.time
  }
}
