import NIOCore

/// Whoever uses a stream. Called on the stream's loop, never from within a call to the stream except
/// where it says so.
protocol StreamHandler: AnyObject {
  /// Octets came. What is not taken is lost, and the buffer must not be kept.
  func streamRead(_ octets: inout ByteBuffer)
  /// What was there for now has been read.
  func streamReadComplete()
  /// The peer sends no more; only where the stream may live on with one direction.
  func streamInputEnded()
  /// More than ``ByteStream/highWater`` octets wait for the peer, or no longer that many. May come from
  /// within ``ByteStream/write(_:)``.
  func streamWritabilityChanged()
  /// It is over, by whichever side. The last call; may come from within ``ByteStream/close()``.
  ///
  /// - Parameter hasFailed: it was not ended but broken.
  func streamClosed(hasFailed: Bool)
}

extension StreamHandler {
  func streamReadComplete() {}
  func streamInputEnded() {}
  func streamWritabilityChanged() {}
}

/// A stream of octets both ways, as its one handler sees it: a socket, or what is carried inside one.
class ByteStream {
  /// Octets that may wait for the peer before the stream counts as not writable, and down to which
  /// they must have gone until it does again.
  static let highWater = 65_536
  static let lowWater = 32_768

  /// Kept until the stream is closed.
  final var handler: (any StreamHandler)?
  final var isOpen = true
  final var isWritable = true

  /// It is carried inside another protocol, and begins with a request.
  var isVirtual: Bool { false }

  /// Octets that the peer has not taken.
  var pendingOctets: Int { 0 }

  /// Sends octets, or keeps them until they can be.
  func write(_ octets: ByteBuffer) { preconditionFailure("a stream must be able to write") }

  /// Closes at once; what waits for the peer is lost.
  func close() { preconditionFailure("a stream must be able to close") }

  /// Ends this direction once everything is written, and then calls `body`; which never happens when
  /// the stream is closed before.
  func closeOutput(then body: @escaping () -> Void) {
    preconditionFailure("a stream must be able to end")
  }

  /// Reads on, or stops, so that the peer has to wait.
  func setReading(_ isReading: Bool) {
    preconditionFailure("a stream must be able to wait")
  }

  /// The next close is one that the peer can tell from an end.
  func breakOnClose() {}

  /// Whether the peer has neither ended the stream nor said anything that nobody has read.
  func isQuiet() -> Bool { isOpen }
}
