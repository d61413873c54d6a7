import NIOCore
import SegueModel
import TrafficRouting

/// What the copies for one release have come to on one event loop.
final class MirrorTally {
  let release: ReleaseID
  private var counts: MirrorReport
  private var groups = DifferenceGroups()
  private var hasCounted = false

  init(release: ReleaseID) {
    self.release = release
    counts = MirrorReport(release: release)
  }

  /// `nil`: nothing was ever copied.
  var report: MirrorReport? {
    guard hasCounted else { return nil }
    var report = counts
    if !groups.groups.isEmpty { report.groups = groups.sorted }
    return report
  }

  func noteSkipped() {
    hasCounted = true
    counts.skipped += 1
  }

  func noteFailed(method: String, path: String) {
    hasCounted = true
    counts.failed += 1
    groups.add("\(method) \(MirrorLabel.pattern(path))", "no answer")
  }

  func note(_ comparison: AnswerComparison, method: String, path: String) {
    hasCounted = true
    counts.compared += 1
    if comparison.isEqual {
      counts.equal += 1
      return
    }
    if comparison.status != nil { counts.status += 1 }
    if comparison.headers != nil { counts.headers += 1 }
    if comparison.body != nil { counts.body += 1 }
    if let kind = comparison.kind {
      groups.add("\(method) \(MirrorLabel.pattern(path))", kind)
    }
    if counts.examples.count >= MirrorReport.exampleLimit { counts.examples.removeFirst() }
    counts.examples.append(
      MirrorDifference(method: method, path: path, what: comparison.sentence))
  }
}

/// The release that gets copies, and which.
final class MirrorLane {
  let lane: VersionLane
  let tally: MirrorTally
  /// The fields to compare, and the same names as octets.
  let names: [String]
  let fields: [[UInt8]]
  private let share: Int
  private let allMethods: Bool

  init(_ spec: MirrorSpec, lane: VersionLane, tally: MirrorTally) {
    self.lane = lane
    self.tally = tally
    names = spec.headers.map { $0.lowercased() }
    fields = names.map { Array($0.utf8) }
    share = spec.share.value
    allMethods = spec.allMethods
  }

  /// Whether to copy a request of this method.
  func wants(_ method: RequestMethod, random: inout FastRandom) -> Bool {
    switch method {
    case .get, .head, .options: break
    case .put, .delete, .trace, .post, .connect, .other: guard allMethods else { return false }
    }
    return share == 1_000 || random.next(below: 1_000) < share
  }
}

/// Keeps one of two answers for as long as they have to be compared.
struct AnswerRecorder {
  enum State {
    case open
    case whole
    /// It did not come, or not to its end.
    case lost
    case tooLarge
  }

  private(set) var state = State.open
  private(set) var answer = ComparedAnswer()
  private var framer = BodyFramer(.none)

  mutating func begin(
    _ parser: ResponseParser, head: ByteBuffer, framing: BodyFraming, fields: [[UInt8]]
  ) {
    let bytes = head.readableBytesUInt8Span
    func octets(_ range: Range<Int>) -> [UInt8] { range.map { bytes[$0] } }
    framer = BodyFramer(framing)
    answer.status = parser.status
    answer.headers = fields.map { name in
      parser.block.value(of: name, in: bytes).map { octets($0) }
    }
    if let type = parser.block.value(of: Self.contentType, in: bytes) {
      answer.contentType = octets(type)
    }
  }

  private static let contentType = Array("content-type".utf8)

  /// Takes octets of the body, with its chunks.
  mutating func take(_ buffer: ByteBuffer, limit: Int) {
    guard state == .open else { return }
    var offset = 0
    while true {
      guard let piece = try? framer.next(buffer.readableBytesUInt8Span, at: &offset) else {
        state = .lost
        return
      }
      switch piece {
      case .needMore, .end: return
      case .framing: continue
      case .data(let range):
        guard answer.body.count + range.count <= limit else {
          state = .tooLarge
          answer.body = []
          return
        }
        buffer.withUnsafeReadableBytes {
          answer.body.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[range]))
        }
      }
    }
  }

  mutating func end(isWhole: Bool) {
    if state == .open { state = isWhole ? .whole : .lost }
  }
}

/// One copy of a request, and the two answers to it.
///
/// Whatever becomes of it, the client never learns: it writes to nobody but the instance, is bounded
/// in number and size, and ends at its deadline.
final class MirroredRequest {
  let worker: Worker
  let id: UInt64
  let method: RequestMethod
  private let lane: MirrorLane
  private let instance: Instance
  private let head: ByteBuffer
  private let methodRange: Range<Int>
  private let path: Range<Int>
  private let deadline: UInt64
  private var primary = AnswerRecorder()
  private var shadow = AnswerRecorder()
  private var connection: MirrorConnection?
  private var isInFlight = true
  private var isOver = false

  init(
    _ client: ClientConnection, to instance: Instance, lane: MirrorLane, id: UInt64
  ) {
    worker = client.worker
    self.id = id
    method = client.parser.method
    self.lane = lane
    self.instance = instance
    head = client.head
    methodRange = client.parser.methodRange
    path = client.parser.path
    deadline = worker.now + worker.spans.mirrorAnswer
    instance.inFlight += 1
    lane.lane.tally.inFlight += 1
  }

  /// - Parameter connection: `nil`: the instance refused it.
  func connected(_ connection: MirrorConnection?, message: ByteBuffer) {
    guard let connection else {
      worker.penalise(instance)
      return shadowEnded(isWhole: false)
    }
    guard !isOver else { return connection.close() }
    self.connection = connection
    connection.send(message, for: self)
  }

  // MARK: The answer that the client gets

  func primaryBegan(_ parser: ResponseParser, head: ByteBuffer, framing: BodyFraming) {
    guard !isOver else { return }
    primary.begin(parser, head: head, framing: framing, fields: lane.fields)
  }

  func primaryTook(_ buffer: ByteBuffer) {
    guard !isOver else { return }
    primary.take(buffer, limit: worker.limits.mirroredBody)
    if primary.state == .tooLarge { advance() }
  }

  func primaryEnded(isWhole: Bool) {
    guard !isOver else { return }
    primary.end(isWhole: isWhole)
    advance()
  }

  // MARK: The answer that nobody gets

  func shadowBegan(_ parser: ResponseParser, head: ByteBuffer, framing: BodyFraming) {
    shadow.begin(parser, head: head, framing: framing, fields: lane.fields)
  }

  func shadowTook(_ buffer: ByteBuffer) {
    shadow.take(buffer, limit: worker.limits.mirroredBody)
    if shadow.state == .tooLarge { advance() }
  }

  func shadowEnded(isWhole: Bool) {
    guard !isOver else { return }
    shadow.end(isWhole: isWhole)
    leaveInstance()
    advance()
  }

  // MARK: Endings

  func check(now: UInt64) {
    guard now >= deadline, !isOver else { return }
    // The client may simply be slow to take its answer, which is no fault of the mirror's.
    if shadow.state == .open { shadow.end(isWhole: false) } else { primary.end(isWhole: false) }
    advance()
  }

  /// Ends it without a word; nothing is counted.
  func abandon() {
    isOver = true
    leaveInstance()
  }

  private func advance() {
    guard !isOver else { return }
    switch (primary.state, shadow.state) {
    case (_, .lost):
      let (method, path) = labels
      end { $0.noteFailed(method: method, path: path) }
    case (.tooLarge, _), (_, .tooLarge): end { $0.noteSkipped() }
    case (.open, _), (_, .open): break
    case (.lost, .whole): end { $0.noteSkipped() }
    case (.whole, .whole):
      isOver = true
      worker.compare(primary.answer, shadow.answer, names: lane.names, copy: id)
      forgetAnswers()
    }
  }

  private func end(_ note: (MirrorTally) -> Void) {
    isOver = true
    leaveInstance()
    forgetAnswers()
    note(lane.tally)
    worker.forgetCopy(id)
  }

  /// A slow client may keep its end of this for long, and must not keep the answers with it.
  private func forgetAnswers() {
    primary = AnswerRecorder()
    shadow = AnswerRecorder()
  }

  func compared(_ comparison: AnswerComparison) {
    let (method, path) = labels
    lane.tally.note(comparison, method: method, path: path)
    worker.forgetCopy(id)
  }

  /// The method and the path, as they are shown.
  private var labels: (method: String, path: String) {
    let octets = head.readableBytesView
    func part(_ range: Range<Int>) -> ByteBufferView {
      octets[octets.startIndex + range.lowerBound..<octets.startIndex + range.upperBound]
    }
    return (MirrorLabel.method(part(methodRange)), MirrorLabel.path(part(path)))
  }

  private func leaveInstance() {
    connection?.close()
    connection = nil
    guard isInFlight else { return }
    isInFlight = false
    instance.inFlight -= 1
    lane.lane.tally.inFlight -= 1
  }
}
