/// One request and its response.
final class HTTP2Stream {
  let id: Int32
  /// The request's head while its fields come in.
  var head: RequestHead?
  var trailers: RequestTrailers?
  var body = RequestBody(.none)
  /// The engine knows it, and has not ended it.
  var isAttached = false
  /// The client has said that it is done.
  var hasInputEnded = false
  var credit = FlowCredit()

  var response = ResponseReader(isHead: false)
  /// Octets of the response's body that are not yet frames.
  var pending = OctetQueue()
  var responseTrailers: FieldList?
  /// The final head is on its way.
  var hasResponded = false
  /// Nothing follows what is pending.
  var isResponseWhole = false
  /// The frame layer found nothing pending and waits to be told.
  var isIdle = false
  /// The engine was told by the count to stop, and is told when it may go on.
  var isEngineWaiting = false
  /// END_STREAM is out.
  var hasOutputEnded = false
  /// A reset of ours is on its way.
  var isReset = false

  init(id: Int32, limits: HTTP2Limits) {
    self.id = id
    head = RequestHead(limits: limits)
  }
}

/// How much credit the client gets back for what the engine has taken.
///
/// The engine counts octets of HTTP/1.1, the client octets of the body. Where they differ, by a
/// head or the size of a chunk, whatever the engine has not taken counts as body: credit comes a
/// little late, never too early.
struct FlowCredit {
  private var delivered = 0
  private var body = 0
  private var taken = 0
  private var returned = 0

  mutating func deliver(_ octets: Int, ofBody body: Int) {
    delivered += octets
    self.body += body
  }

  /// - Returns: how many octets of the body are credited now.
  mutating func take(_ octets: Int) -> Int {
    taken = min(taken + octets, delivered)
    let due = max(0, body - (delivered - taken) - returned)
    returned += due
    return due
  }

  /// - Returns: the octets of the body that were never credited.
  mutating func takeRest() -> Int { take(delivered - taken) }
}
