internal import Dispatch
internal import Foundation
internal import Glibc
internal import Synchronization

/// The terminal, or what is in its place.
///
/// Writing to a terminal or pipe may block for as long as its reader likes, so it happens on a queue
/// of its own, and a command waits for it: output has no other buffer.
final class Console: Sendable {
  /// Nobody reads the output any more. Not a failure: `segue logs | head` ends so.
  struct Closed: Error {}

  let isTerminal: Bool
  /// Whether escape sequences for colours are welcome: a terminal, no `NO_COLOR`, not dumb.
  let color: Bool
  let glyphs: Glyphs
  private let output: CInt
  private let errors: CInt
  private let queue = DispatchQueue(label: "segue.console")

  init(
    output: CInt = STDOUT_FILENO, errors: CInt = STDERR_FILENO,
    environment: [String: String] = [:], color: Bool = true
  ) {
    self.output = output
    self.errors = errors
    isTerminal = isatty(output) == 1 && environment["TERM"] != "dumb"
    self.color = isTerminal && color && (environment["NO_COLOR"] ?? "").isEmpty
    glyphs = Glyphs(environment: environment)
  }

  /// Columns and rows of the terminal; 100 columns where there is none.
  var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(output, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return (100, 40)
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Writes `text` and a line break to standard output.
  func print(_ text: String) async throws(Closed) { try await write(text + "\n") }

  func print(_ lines: [Line]) async throws(Closed) {
    let width = isTerminal ? size.columns : Int.max
    try await write(
      lines.map { $0.rendered(width: width, color: color) + "\n" }.joined())
  }

  /// Sentences with what to do, however long: a terminal breaks them by itself.
  func printWhole(_ lines: [Line]) async throws(Closed) {
    try await write(lines.map { $0.rendered(width: .max, color: color) + "\n" }.joined())
  }

  /// Writes to standard output as it is.
  func write(_ text: String) async throws(Closed) {
    guard await write(text, to: output) else { throw Closed() }
  }

  /// Writes `text` and a line break to standard error; when nobody reads that, there is nobody to
  /// tell.
  func printError(_ text: String) async { _ = await write(text + "\n", to: errors) }

  private func write(_ text: String, to descriptor: CInt) async -> Bool {
    await withCheckedContinuation { continuation in
      queue.async {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
          let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
          if count > 0 {
            rest = rest.dropFirst(count)
          } else if errno == EAGAIN {
            var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&poller, 1, -1)
          } else if errno != EINTR {
            return continuation.resume(returning: false)
          }
        }
        continuation.resume(returning: true)
      }
    }
  }

  /// Bytes of standard input that are read; what comes after them is left.
  static let inputLimit = 16 << 20

  /// Everything on standard input, as text; empty when it cannot be read.
  static func standardInput(limit: Int = inputLimit) async -> String {
    await withCheckedContinuation { continuation in
      DispatchQueue(label: "segue.input").async {
        let data = (try? FileHandle.standardInput.read(upToCount: limit)) ?? Data()
        continuation.resume(returning: String(decoding: data, as: UTF8.self))
      }
    }
  }
}
