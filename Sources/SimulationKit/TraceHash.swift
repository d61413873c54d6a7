import RolloutEngine
import SegueModel

/// A hash of everything that a run did, the same in every process.
struct TraceHash {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ number: UInt64) {
    value = Generator.mix(value ^ number) &* 0x0000_0100_0000_01B3
  }

  mutating func add(_ number: Int64) { add(UInt64(bitPattern: number)) }

  mutating func add(_ text: String) {
    var word: UInt64 = 0
    var shift: UInt64 = 0
    for byte in text.utf8 {
      word |= UInt64(byte) << shift
      shift += 8
      if shift == 64 {
        add(word)
        (word, shift) = (0, 0)
      }
    }
    add(word ^ shift)
  }

  mutating func add(_ event: RolloutEvent, at now: Instant) {
    add(now.milliseconds)
    add(event.kind)
    switch event {
    case .instanceOrdered(let id, _, _), .instanceStarted(let id, _),
      .instanceBecameReady(let id, _), .instanceCheckFailed(let id, _),
      .instanceBecameUnready(let id, _), .instanceDied(let id, _), .instanceVanished(let id, _),
      .drainBegan(let id, _), .instanceDrained(let id, _), .stopOrdered(let id, _),
      .instanceStopped(let id, _), .instanceAbandoned(let id):
      add(id.rawValue)
    case .tableProposed(let table, _):
      add(table.generation.number)
      for version in table.versions {
        add(version.release.rawValue)
        add(Int64(version.weight.value))
        for endpoint in version.endpoints { add(Int64(endpoint.port)) }
      }
    case .rolloutStarted(let start): add(start.to.id.rawValue)
    case .rolloutEnded(_, let outcome, let reason):
      add(outcome.rawValue)
      add(reason ?? "")
    case .wayBackBegan(_, let reason, _, _): add(reason)
    case .stageEntered(let index): add(Int64(index))
    default: break
    }
  }
}
