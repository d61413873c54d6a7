/// How much longer a client's cheap frames are put up with.
///
/// A frame that costs its sender a few octets and the receiver real work is no offence; thousands
/// are an attack (CVE-2023-44487, CVE-2019-9512, CVE-2019-9515, CVE-2019-9518, CVE-2025-8671).
struct CheapFrameBudget {
  private let limit: Int
  private let perSecond: Int
  private var spent = 0
  private var refilled: Duration?
  /// Window updates that what was sent accounts for.
  private var expectedUpdates = 0

  init(limit: Int, perSecond: Int) {
    self.limit = limit
    self.perSecond = perSecond
  }

  var isSpent: Bool { spent > limit }

  mutating func spend() { spent += 1 }

  /// Every DATA frame may be answered by an update of its stream and one of the connection.
  mutating func expectUpdates() { expectedUpdates = min(expectedUpdates + 2, 100_000) }

  mutating func spendUpdate() {
    if expectedUpdates > 0 { expectedUpdates -= 1 } else { spend() }
  }

  /// - Parameter now: any clock that does not go back.
  mutating func refill(now: Duration) {
    guard let before = refilled else {
      refilled = now
      return
    }
    let seconds = (now - before).components.seconds
    guard seconds > 0 else { return }
    refilled = before + .seconds(seconds)
    let (back, overflow) = Int(seconds).multipliedReportingOverflow(by: perSecond)
    spent = overflow ? 0 : max(0, spent - back)
  }
}
