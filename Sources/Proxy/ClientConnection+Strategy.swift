import NIOCore
import SegueModel
import TrafficRouting

/// What only some tables ask for: several versions, a release beside them, copies, waiting.
extension ClientConnection {
  /// Finds out where the request goes when there is more than one place, or none.
  func findWay(_ isPreview: Bool) {
    guard let service else { return }
    way = isPreview ? .sideOnly : service.way(of: parser.block, head)
    if way == .versions {
      guard !service.versions.isEmpty else { return noInstance() }
      if !service.held.isEmpty, !worker.isDraining, worker.heldCount < worker.limits.heldRequests {
        return hold()
      }
    }
    identify()
    if case .mirror(let lane) = service.side?.role { prepareCopy(for: lane) }
    startAttempt(onFreshConnection: false)
  }

  /// No instance can be tried: the request waits, or is told so.
  func noInstance() {
    guard let service else { return respondLocally(502, "no instance of it answered") }
    guard service.versions.isEmpty, way != .sideOnly else {
      return respondLocally(502, "no instance of \(service.key) answered")
    }
    if mayBeHeld { return hold() }
    service.unavailable += 1
    respondLocally(503, "\(service.key) has no instance that is ready")
  }

  // MARK: Who is asking

  /// Finds the unit of the request, if there is a choice to make for it.
  func identify() {
    guard let service, way != .sideOnly, service.versions.count > 1, issued == nil else { return }
    let head = head
    if let own = service.sticky.unit(of: parser.block, head.readableBytesUInt8Span) {
      unit = own
    } else if let name = service.sticky.issuedCookie {
      issueCookie(name)
    } else {
      unit = addressUnit
    }
  }

  /// By its address, which a trusted peer tells us.
  private var addressUnit: StickyUnit {
    guard peer.isTrusted else { return peer.unit }
    let head = head
    let bytes = head.readableBytesUInt8Span
    let said = ForwardedChain.client(bytes, parser.block, trusted: worker.naming.trusted)
    return said.map { StickyUnit(bytes, $0) } ?? peer.unit
  }

  /// Gives the client a value of its own, which counts for this very request already.
  private func issueCookie(_ name: String) {
    let value = [UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max)]
      .map { word in
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
      }.joined()
    unit = StickyUnit(value)
    issued = ByteBuffer(
      string: "Set-Cookie: \(name)=\(value); Path=/; HttpOnly; SameSite=Lax\r\n")
  }

  // MARK: Copies

  private func prepareCopy(for lane: MirrorLane) {
    guard way == .versions, !upgrades, lane.wants(parser.method, random: &worker.random) else {
      return
    }
    mirror = lane
    if framing != .none, replay == nil { replay = worker.empty }
  }

  /// Sends the copy as soon as the request is whole; the request itself is on its way already.
  func offerCopy() {
    guard let lane = mirror else { return }
    guard framing == .none || replay != nil else {
      mirror = nil
      return lane.tally.noteSkipped()
    }
    guard framer.isComplete else { return }
    mirror = nil
    copy = worker.startCopy(of: self, to: lane)
  }

  func endCopy(isWhole: Bool) {
    let ended = copy
    copy = nil
    ended?.primaryEnded(isWhole: isWhole)
  }

  // MARK: Waiting for an instance

  /// Whether the service is between two sets of instances, and the request may wait for the next.
  var mayBeHeld: Bool {
    guard let service, way != .sideOnly, !worker.isDraining else { return false }
    return service.versions.isEmpty && service.holdLimit != nil
  }

  private func hold() {
    guard let service else { return }
    guard let limit = service.hold(self) else {
      return respondLocally(503, "too many requests wait for \(service.key)")
    }
    isHeld = true
    heldSince = worker.readClock()
    // Instances that failed before the wait are not those that come after it.
    tried.removeAll(keepingCapacity: true)
    set(.held, limit)
    if inputEnded { probeClient() }
    updateReading()
  }

  /// Nanoseconds since the request began to wait.
  var heldSpan: UInt64 {
    let now = worker.readClock()
    return now > heldSince ? now - heldSince : 0
  }

  /// On its way again; the service has taken it off its list.
  func leaveHold() {
    heldTotal += heldSpan
    isHeld = false
    wasHeld = true
    needsRoom = true
    set(.nothing, 0)
    if case .mirror(let lane) = service?.side?.role, sentAttempts == 0 { prepareCopy(for: lane) }
    startAttempt(onFreshConnection: false)
  }

  func withdraw() {
    heldTotal += heldSpan
    isHeld = false
    service?.withdraw(self)
  }

  /// The client has ended its side. It may still wait for its answer, or have gone; the kernel tells
  /// the two apart only when something is sent. An interim response that was not asked for means
  /// nothing (RFC 9110 section 15.2.1), and who has gone answers it with a reset.
  func probeClient() {
    guard parser.minorVersion >= 1 else { return }
    openOut()
    out.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
    flushOut()
  }

  // MARK: Going on at a measured pace

  func takeRoom(on instance: Instance) {
    needsRoom = false
    room = instance
    instance.released += 1
    releasedAt = worker.now
    service?.noteUnderWay(self)
  }

  func returnRoom() {
    room?.released -= 1
    room = nil
    service?.noteDone(self)
  }
}
