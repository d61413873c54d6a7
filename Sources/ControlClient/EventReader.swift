internal import AsyncHTTPClient
internal import ControlProtocol
internal import Foundation
internal import NIOCore

/// Reads the elements of one stream, on demand: nothing is taken from the socket that nobody asked
/// for. Asking past the end gives `nil`.
actor EventReader<Element: Decodable & Sendable> {
  private enum State {
    case initial
    case reading(HTTPClientResponse.Body.AsyncIterator)
    case finished
  }
  private var state = State.initial
  private var parser = EventParser()
  private var parsed: ArraySlice<EventParser.Event> = []
  private let open: @Sendable () async throws -> HTTPClientResponse.Body
  private let decode: @Sendable (Data) throws -> Element

  init(
    open: @escaping @Sendable () async throws -> HTTPClientResponse.Body,
    decode: @escaping @Sendable (Data) throws -> Element
  ) {
    self.open = open
    self.decode = decode
  }

  /// - Throws: What the server sent as its reason, or ``ControlError`` when the stream was cut.
  func next() async throws -> Element? {
    do {
      while true {
        while let event = parsed.popFirst() {
          switch event.name {
          case ControlWire.StreamEvent.item: return try decode(event.data)
          case ControlWire.StreamEvent.end:
            state = .finished
            return nil
          case ControlWire.StreamEvent.error:
            throw try JSONDecoder().decode(ControlError.self, from: event.data)
          default: continue
          }
        }
        guard let bytes = try await read() else { return nil }
        parsed = try parser.parse(bytes.readableBytesView)[...]
      }
    } catch {
      state = .finished
      throw error
    }
  }

  /// `nil` only after the end mark was seen.
  private func read() async throws -> ByteBuffer? {
    if case .initial = state { state = .reading(try await open().makeAsyncIterator()) }
    guard case .reading(var iterator) = state else { return nil }
    let bytes = try await iterator.next(isolation: self)
    guard let bytes else {
      throw ControlError(.unreachable, "the control plane went away in mid-stream")
    }
    state = .reading(iterator)
    return bytes
  }
}
