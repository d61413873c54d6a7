import NIOCore
import SegueModel
import TrafficRouting

/// Where one event loop notes who was answered in an experiment, and what it reached.
final class ExperimentTap {
  let book: ExperimentBook
  private let books: ExperimentBooks
  private let reader: GoalReader
  private let control: VersionTally
  private let variant: VersionTally
  private var batch = ExperimentBook.Batch()

  /// Answers that are noted before they are handed over at once.
  private static let batchLimit = 4_096

  init(
    _ book: ExperimentBook, books: ExperimentBooks, control: VersionTally, variant: VersionTally
  ) {
    self.book = book
    self.books = books
    self.control = control
    self.variant = variant
    reader = GoalReader(book.target.goals)
  }

  /// An instance has answered a request of `client`.
  func note(_ client: ClientConnection, _ answer: ResponseParser, head: ByteBuffer) {
    guard client.way == .versions, let tally = client.tally else { return }
    guard tally === control || tally === variant else { return }
    let arm: UInt8 = tally === variant ? 1 : 0
    let unit = client.unit
    var isNoted = false
    func add(_ goal: UInt8?, _ value: Double) {
      isNoted = true
      batch.entries.append(UnitLedger.Entry(unit: unit, arm: arm, goal: goal, value: value))
    }
    let request = client.head
    reader.forEachGoal(
      ofPath: client.parser.path, in: request.readableBytesUInt8Span, status: answer.status
    ) { add($0, 1) }
    reader.forEachGoal(in: answer.block, head.readableBytesUInt8Span) { goal, value in
      if let value { add(goal, value) } else { batch.unreadable += 1 }
    }
    if !isNoted { add(nil, 0) }
    if batch.entries.count >= Self.batchLimit { flush() }
  }

  func flush() {
    guard !batch.entries.isEmpty || batch.unreadable > 0 else { return }
    book.take(batch, on: books.queue)
    batch = ExperimentBook.Batch()
  }
}
