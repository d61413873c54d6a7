/// Lifts the payload of one kind of event from one schema to the next, when it is read. What is
/// recorded never changes.
public struct Upcaster: Sendable {
  public let kind: String
  /// The schema it reads; it writes `from + 1`.
  public let from: Int
  private let lift: @Sendable ([UInt8]) throws(PortError) -> [UInt8]

  /// An upcaster that works on bytes. `lift` must be pure: the same bytes always give the same.
  public init(
    kind: String, from: Int, lift: @escaping @Sendable ([UInt8]) throws(PortError) -> [UInt8]
  ) {
    self.kind = kind
    self.from = from
    self.lift = lift
  }

  /// An upcaster from the old shape of a payload to the new one.
  public init<Old: Decodable & SendableMetatype, New: Encodable & SendableMetatype>(
    kind: String, from: Int, _ convert: @escaping @Sendable (Old) -> New
  ) {
    self.init(kind: kind, from: from) { (payload) throws(PortError) in
      try CanonicalJSON.encode(convert(try CanonicalJSON.decode(Old.self, from: payload)))
    }
  }

  func callAsFunction(_ payload: [UInt8]) throws(PortError) -> [UInt8] { try lift(payload) }
}

/// Every upcaster there is.
public struct Upcasters: Sendable {
  private struct Step: Hashable {
    var kind: String
    var from: Int
  }

  private var steps: [Step: Upcaster] = [:]

  /// - Precondition: no two upcasters of one kind start from the same schema.
  public init(_ upcasters: [Upcaster] = []) {
    for upcaster in upcasters {
      let previous = steps.updateValue(
        upcaster, forKey: Step(kind: upcaster.kind, from: upcaster.from))
      precondition(previous == nil, "two upcasters of \(upcaster.kind) from \(upcaster.from)")
    }
  }

  /// The event with its payload in the shape that `schema` names.
  ///
  /// - Throws: fault `user` when the event is of a newer schema than this program knows; fault
  ///   `segue` when a step between the two schemas is missing or fails.
  public func upcast(
    _ event: RecordedEvent, to schema: Int
  ) throws(PortError) -> RecordedEvent {
    guard event.schema <= schema else {
      throw PortError(
        "event \(event.sequence) (\(event.kind)) was written by a newer version of Segue: its schema "
          + "is \(event.schema), and this version reads up to \(schema)",
        fault: .user, retry: .never, nextStep: "Run the newer version of Segue again")
    }
    var event = event
    while event.schema < schema {
      guard let step = steps[Step(kind: event.kind, from: event.schema)] else {
        throw PortError(
          "nothing lifts \(event.kind) from schema \(event.schema) to \(event.schema + 1)",
          fault: .segue, retry: .never, nextStep: "Report this as a defect of Segue")
      }
      do {
        event.payload = try step(event.payload)
      } catch {
        throw error.wrapped(
          "event \(event.sequence) (\(event.kind)) cannot be lifted to schema \(event.schema + 1)")
      }
      event.schema += 1
    }
    return event
  }
}
