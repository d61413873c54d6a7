internal import ControlProtocol
internal import Synchronization

/// How many streams may be open at once.
final class StreamSlots: Sendable {
  private let limit: Int
  private let open = Mutex(0)

  init(limit: Int) { self.limit = limit }

  /// One place; it is given back when the last reference goes.
  final class Slot: Sendable {
    private let slots: StreamSlots
    fileprivate init(_ slots: StreamSlots) { self.slots = slots }
    deinit { slots.open.withLock { $0 -= 1 } }
  }

  func take() throws(ControlError) -> Slot {
    let taken = open.withLock { open in
      guard open < limit else { return false }
      open += 1
      return true
    }
    guard taken else {
      throw ControlError(
        .refused, "\(limit) streams are open already", nextStep: "Close one and try again")
    }
    return Slot(self)
  }
}
