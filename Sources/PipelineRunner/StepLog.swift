internal import Glibc
internal import Ports
internal import SecretMasking
internal import Synchronization

/// Where a step's output goes: masked and repaired to the log file, and, as fast as somebody reads
/// them, as lines to whoever watches.
final class StepLog: Sendable {
  /// Bytes of a line; longer ones are split.
  static let lineLimit = 8_192
  static let tailLines = 40

  private struct State: ~Copyable {
    var file: LogFile
    var masker: SecretMasker
    /// A line that has not ended yet.
    var partial: [UInt8] = []
    /// The end of what was written, for ``tail()``.
    var recent: [UInt8] = []
  }

  private let state: Mutex<State>
  let live: LiveLines

  init(
    path: String, masker: SecretMasker, bounds: LogFile.Bounds, live: LiveLines
  ) throws(PortError) {
    state = Mutex(State(file: try LogFile(path: path, bounds: bounds), masker: masker))
    self.live = live
  }

  /// Takes output as it comes.
  func take(_ bytes: UnsafeRawBufferPointer) {
    state.withLock { state in
      state.partial += state.masker.mask(bytes)
      write(&state, isLast: false)
    }
  }

  /// Adds a line of our own.
  func note(_ text: String) {
    state.withLock { state in
      endLine(&state)
      state.partial += Array("[segue] \(text)\n".utf8)
      write(&state, isLast: false)
    }
  }

  /// Writes what is left; after that nothing more is taken.
  func finish() {
    state.withLock { state in
      endLine(&state)
      state.file.finish()
    }
    live.close()
  }

  /// The last lines, safe to print.
  func tail() -> [String] {
    state.withLock { state in
      String(decoding: state.recent, as: UTF8.self)
        .split(separator: "\n", omittingEmptySubsequences: false)
        .dropLast().suffix(Self.tailLines).map(TerminalText.safe)
    }
  }

  /// The error that stopped the log from being written, if any.
  var failure: Int32? { state.withLock { $0.file.failure } }

  private func endLine(_ state: inout State) {
    state.partial += state.masker.finish()
    if !state.partial.isEmpty, state.partial.last != UInt8(ascii: "\n") {
      state.partial.append(UInt8(ascii: "\n"))
    }
    write(&state, isLast: true)
  }

  /// Passes on the whole lines of what has come.
  private func write(_ state: inout State, isLast: Bool) {
    let (lines, rest) = Self.wholeLines(state.partial)
    state.partial = rest
    guard !lines.isEmpty else { return }
    let text = String(decoding: lines, as: UTF8.self)
    state.file.append(Array(text.utf8)[...])
    let kept = Self.lineLimit * 4
    if lines.count >= kept {
      state.recent = Array(lines.suffix(kept))
    } else {
      state.recent.removeFirst(max(0, state.recent.count + lines.count - kept))
      state.recent += lines
    }
    live.offer(text)
  }

  /// Splits off what ends in a newline, with newlines put into lines that are too long. Looks for the
  /// last newline within each stretch, so that the cost does not depend on how short lines are.
  static func wholeLines(_ bytes: [UInt8]) -> (lines: [UInt8], rest: [UInt8]) {
    var lines: [UInt8] = []
    var position = 0
    while bytes.count - position > lineLimit {
      if let end = lastNewline(in: bytes, position..<(position + lineLimit)) {
        lines += bytes[position...end]
        position = end + 1
      } else {
        var cut = position + lineLimit
        // Not within a character: its continuation bytes are 10xxxxxx.
        for _ in 0..<3 where bytes[cut] & 0xC0 == 0x80 { cut -= 1 }
        lines += bytes[position..<cut]
        lines.append(UInt8(ascii: "\n"))
        position = cut
      }
    }
    if let end = lastNewline(in: bytes, position..<bytes.count) {
      lines += bytes[position...end]
      position = end + 1
    }
    return (lines, Array(bytes[position...]))
  }

  private static func lastNewline(in bytes: [UInt8], _ range: Range<Int>) -> Int? {
    bytes.withUnsafeBufferPointer { bytes in
      var index = range.upperBound
      while index > range.lowerBound {
        index -= 1
        if bytes[index] == 10 { return index }
      }
      return nil
    }
  }
}

/// Lines on their way to whoever watches a step. When the watcher is slower than the step, lines are
/// left out here, with a note; the step is never held up, and its log has them all.
final class LiveLines: Sendable {
  private struct State {
    var lines: [String] = []
    var bytes = 0
    var leftOut = 0
    var isClosed = false
  }

  static let byteLimit = 1 << 20
  private let state = Mutex(State())
  private let wake: AsyncStream<Void>.Continuation
  private let wakes: AsyncStream<Void>

  init() {
    (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Whole lines, each with its newline.
  func offer(_ text: String) {
    state.withLock { state in
      let size = text.utf8.count
      guard state.bytes + size <= Self.byteLimit else {
        state.leftOut += size
        return
      }
      noteLoss(&state)
      state.bytes += size
      state.lines.append(text)
    }
    wake.yield()
  }

  func close() {
    state.withLock { $0.isClosed = true }
    wake.yield()
    wake.finish()
  }

  private func noteLoss(_ state: inout State) {
    guard state.leftOut > 0 else { return }
    state.lines.append("[segue] … \(state.leftOut) bytes not shown here; the log has them …\n")
    state.leftOut = 0
  }

  /// Hands over lines until the step has ended and everything was handed over. When `deliver` fails,
  /// nothing more is handed over.
  func deliver(_ deliver: ([String]) async throws -> Void) async throws {
    for await _ in wakes { try await pass(deliver) }
    // Cancelling the task ends the stream early; what has come by then is still handed over.
    try await pass(deliver)
  }

  private func pass(_ deliver: ([String]) async throws -> Void) async throws {
    let texts = state.withLock { state in
      noteLoss(&state)
      defer {
        state.lines = []
        state.bytes = 0
      }
      return state.lines
    }
    let lines = texts.flatMap { text in
      text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        .map(TerminalText.safe)
    }
    if !lines.isEmpty { try await deliver(lines) }
  }
}
