import Dispatch
import NIOCore
import SegueModel
import TrafficRouting

/// Copies of requests.
extension Worker {
  /// Sends a copy of the client's request, which is whole, unless too many are under way.
  func startCopy(of client: ClientConnection, to lane: MirrorLane) -> MirroredRequest? {
    let instances = lane.lane.instances
    let index = InstanceChoice.choose(count: instances.count, random: &random) { index in
      InstanceStanding(
        inFlight: instances[index].inFlight, isPenalised: instances[index].penalisedUntil > now)
    }
    guard let index, copies.count < limits.mirroredRequests else {
      lane.tally.noteSkipped()
      return nil
    }
    let instance = instances[index]
    lastCopy += 1
    let copy = MirroredRequest(client, to: instance, lane: lane, id: lastCopy)
    copies[lastCopy] = copy
    var message = ByteBufferAllocator().buffer(
      capacity: client.head.readableBytes + 384 + (client.replay?.readableBytes ?? 0))
    let own = client.ownLines()
    MessageWriter.writeRequest(
      client.parser, head: client.head,
      edit: MessageWriter.RequestEdit(
        lines: own.lines, name: own.name, replaced: own.replaced, saysHost: own.saysHost,
        fallbackHost: instance.endpoint.host, upgrades: false, framing: client.framing,
        isCopy: true),
      to: &message)
    if let body = client.replay { message.writeImmutableBuffer(body) }
    connect(to: instance.address) { [unowned self] stream in
      copy.connected(stream.map { MirrorConnection(worker: self, stream: $0) }, message: message)
    }
    return copy
  }

  /// Compares off the event loop: reading two bodies takes longer than any client should wait. The
  /// copy counts as under way meanwhile, so that what waits to be compared is bounded.
  func compare(
    _ there: ComparedAnswer, _ here: ComparedAnswer, names: [String], copy id: UInt64
  ) {
    comparer.async { [self] in
      let comparison = AnswerComparison(there: there, here: here, names: names)
      loop.execute { [self] in copies[id]?.compared(comparison) }
    }
  }

  func forgetCopy(_ id: UInt64) { copies[id] = nil }

  func checkCopies(now: UInt64) {
    guard !copies.isEmpty else { return }
    for copy in Array(copies.values) { copy.check(now: now) }
  }

  func abandonCopies() {
    let abandoned = Array(copies.values)
    copies = [:]
    for copy in abandoned { copy.abandon() }
  }
}
