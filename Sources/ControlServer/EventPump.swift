internal import ControlProtocol
internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Writes one stream of the API as server-sent events.
///
/// The source is asked for an element only when there is credit for it, and the reader's taking one
/// gives the credit back: a slow reader slows the source down and never fills memory. A reader that
/// takes nothing at all for several heartbeats is cut off.
struct EventPump<Element: Encodable & Sendable>: Sendable {
  let heartbeat: Duration
  let window: Int
  let patience: Int
  /// The `id:` of an element's event.
  let id: @Sendable (Element) -> String?
  let source: @Sendable () -> AsyncThrowingStream<Element, any Error>

  private enum Signal: Sendable {
    case element(Element)
    case heartbeat
    case end
    case failure(ControlError)
  }

  /// - Parameter cut: Ends the connection under a write that waits too long.
  @concurrent func run(
    into writer: inout any ResponseBodyWriter, cut: @escaping @Sendable () -> Void
  ) async throws {
    let (signals, inlet) = AsyncStream.makeStream(
      of: Signal.self, bufferingPolicy: .bufferingOldest(window + patience + 2))
    let (credits, mint) = AsyncStream.makeStream(
      of: Void.self, bufferingPolicy: .bufferingOldest(window))
    for _ in 0..<window { mint.yield() }
    let due = Due()

    try await withThrowingTaskGroup { group in
      group.addTask { await pull(credits: credits, into: inlet) }
      group.addTask { try await beat(due, into: inlet, cut: cut) }
      defer { group.cancelAll() }
      try await writer.write(ByteBuffer(string: ": segue\n\n"))
      for await signal in signals {
        try await writer.write(ByteBuffer(bytes: try text(of: signal).utf8))
        due.clear()
        switch signal {
        case .element: mint.yield()
        case .heartbeat: break
        case .end, .failure:
          inlet.finish()
        }
      }
      try Task.checkCancellation()
    }
    try await writer.finish(nil)
  }

  /// Moves elements while there is credit, then says how the source ended.
  private func pull(
    credits: AsyncStream<Void>, into inlet: AsyncStream<Signal>.Continuation
  ) async {
    let elements = source().cancelOnGracefulShutdown()
    var iterator = elements.makeAsyncIterator()
    do {
      for await _ in credits.cancelOnGracefulShutdown() {
        guard let element = try await iterator.next() else { break }
        inlet.yield(.element(element))
      }
      let stopping = Task.isShuttingDownGracefully
      inlet.yield(stopping ? .failure(Self.stopping) : .end)
    } catch let error as ControlError {
      inlet.yield(.failure(error))
    } catch {
      inlet.yield(.failure(ControlError(.failed, "the stream broke off", causes: ["\(error)"])))
    }
  }

  /// How many heartbeats fell due since something was written.
  private final class Due: Sendable {
    private let count = Mutex(0)
    func clear() { count.withLock { $0 = 0 } }
    func increment() -> Int {
      count.withLock { count in
        count += 1
        return count
      }
    }
  }

  private func beat(
    _ due: Due, into inlet: AsyncStream<Signal>.Continuation, cut: @Sendable () -> Void
  ) async throws {
    while true {
      try await Task.sleep(for: heartbeat)
      if due.increment() > patience { return cut() }
      inlet.yield(.heartbeat)
    }
  }

  private func text(of signal: Signal) throws -> String {
    switch signal {
    case .element(let element):
      let data = String(decoding: try ControlRouter.encode(element), as: UTF8.self)
      let id = id(element).map { "id: \($0)\n" } ?? ""
      return "\(id)event: \(ControlWire.StreamEvent.item)\ndata: \(data)\n\n"
    case .heartbeat:
      return ": alive\n\n"
    case .end:
      return "event: \(ControlWire.StreamEvent.end)\ndata: {}\n\n"
    case .failure(let error):
      let data = String(decoding: try ControlRouter.encode(error), as: UTF8.self)
      return "event: \(ControlWire.StreamEvent.error)\ndata: \(data)\n\n"
    }
  }

  private static var stopping: ControlError {
    ControlError(
      .unreachable, "the control plane is stopping", nextStep: "Start it again with `segue up`")
  }
}
