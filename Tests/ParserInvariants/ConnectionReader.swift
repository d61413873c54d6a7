public import TrafficRouting

/// One HTTP/1 message as a reader understood it.
public struct WireMessage: Hashable, Sendable {
  public struct Field: Hashable, Sendable {
    public var name: [UInt8]
    public var value: [UInt8]

    public init(name: [UInt8], value: [UInt8]) {
      self.name = name
      self.value = value
    }
  }

  /// Method and target, or the three digits of a status.
  public var start: [[UInt8]]
  public var minorVersion: Int
  public var fields: [Field]
  /// The payload, without what frames it.
  public var body: [UInt8] = []

  public init(start: [[UInt8]], minorVersion: Int, fields: [Field]) {
    self.start = start
    self.minorVersion = minorVersion
    self.fields = fields
  }
}

/// Reads all messages of a connection with the machines of `TrafficRouting`, in whatever pieces their
/// octets come, and stops where a router stops: at a fault, and after a message that is the last.
public struct ConnectionReader: Sendable {
  public enum Side: Hashable, Sendable {
    case requests
    /// What the requests asked with, in their order; answers beyond them are to a GET.
    case responses(to: [RequestMethod])
  }

  /// Those that are complete.
  public private(set) var messages: [WireMessage] = []
  public private(set) var fault: HTTPFault?
  /// Where each of them ended, in octets from the start of the connection.
  public private(set) var boundaries: [Int] = []
  /// A message came that nothing of HTTP/1 follows.
  public private(set) var isLast = false

  private let side: Side
  private var request: RequestParser
  private var response: ResponseParser
  private var framer: BodyFramer?
  private var isLastAfterBody = false
  private var current: WireMessage?
  private var answered = 0
  /// Octets that no machine has taken yet; those before them were `dropped`.
  private var pending: [UInt8] = []
  private var dropped = 0

  public init(_ side: Side, limits: HeadLimits = HeadLimits()) {
    self.side = side
    request = RequestParser(limits: limits)
    response = ResponseParser(limits: limits)
  }

  /// Octets that are held because the head they belong to is not complete.
  public var heldOctets: Int { pending.count }

  /// The start of a message came, and not yet its end.
  public var isInsideMessage: Bool { current != nil || !pending.isEmpty }

  public mutating func feed(_ piece: some Collection<UInt8>) {
    guard fault == nil, !isLast else { return }
    pending += piece
    do {
      while try step() {}
    } catch {
      fault = error
    }
  }

  /// The other side closed: the proper end of a body that nothing else ends.
  public mutating func finish() {
    guard fault == nil, let framer, !framer.isComplete, framer.mayEndHere else { return }
    isLastAfterBody = true
    complete()
  }

  /// - Returns: whether there may be more to do with the octets that are there.
  private mutating func step() throws(HTTPFault) -> Bool {
    guard !isLast else { return false }
    guard var framer else { return try readHead() }
    var offset = 0
    while true {
      let piece = try framer.next(pending.span, at: &offset)
      if case .data(let range) = piece { current?.body += pending[range] }
      if piece == .needMore || piece == .end { break }
    }
    drop(offset)
    self.framer = framer
    guard framer.isComplete else { return false }
    complete()
    return !pending.isEmpty
  }

  private mutating func complete() {
    if let current { messages.append(current) }
    current = nil
    framer = nil
    boundaries.append(dropped)
    isLast = isLastAfterBody
    request.reset()
    response.reset()
  }

  private mutating func drop(_ count: Int) {
    pending.removeFirst(count)
    dropped += count
  }

  private mutating func readHead() throws(HTTPFault) -> Bool {
    let pending = pending
    switch side {
    case .requests:
      guard try request.parse(pending.span) else { return false }
      let block = request.block
      isLastAfterBody = !request.keepsAlive || (block.saysUpgrade && block.upgrade != nil)
      begin(
        start: [Array(pending[request.methodRange]), Array(pending[request.target])],
        request.minorVersion, block, framing: request.bodyFraming, length: request.length)
    case .responses(let methods):
      guard try response.parse(pending.span) else { return false }
      let method = answered < methods.count ? methods[answered] : .get
      if !response.isInterim { answered += 1 }
      let framing = response.bodyFraming(answering: method)
      isLastAfterBody =
        !response.isInterim && (!response.keepsAlive || response.status == 101)
      let status = Array(pending[response.statusRange].prefix(3))
      begin(
        start: [status], response.minorVersion, response.block, framing: framing,
        length: response.length)
    }
    return true
  }

  private mutating func begin(
    start: [[UInt8]], _ minorVersion: Int, _ block: FieldBlock, framing: BodyFraming, length: Int
  ) {
    let fields = block.fields.map { field in
      WireMessage.Field(name: Array(pending[field.name]), value: Array(pending[field.value]))
    }
    current = WireMessage(start: start, minorVersion: minorVersion, fields: fields)
    framer = BodyFramer(framing)
    drop(length)
  }
}
