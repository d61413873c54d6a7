import NIOCore
import TrafficRouting

/// The connection that carries one copy of a request, and only that.
final class MirrorConnection: StreamHandler {
  private let worker: Worker
  private let stream: ByteStream
  private var copy: MirroredRequest?
  private var parser: ResponseParser
  private var framer = BodyFramer(.none)
  private var input: ByteBuffer
  private var headIsDone = false

  init(worker: Worker, stream: ByteStream) {
    self.worker = worker
    self.stream = stream
    parser = ResponseParser(limits: worker.headLimits)
    input = worker.empty
    stream.handler = self
  }

  func send(_ message: ByteBuffer, for copy: MirroredRequest) {
    guard stream.isOpen else { return copy.shadowEnded(isWhole: false) }
    self.copy = copy
    stream.write(message)
  }

  /// Closes without a word to the copy.
  func close() {
    copy = nil
    stream.close()
  }

  func streamRead(_ octets: inout ByteBuffer) {
    guard let copy else { return }
    if headIsDone { return deliver(octets, to: copy) }
    input.writeBuffer(&octets)
    readHeads(for: copy)
  }

  private func readHeads(for copy: MirroredRequest) {
    while true {
      let octets = input
      guard let isWhole = try? parser.parse(octets.readableBytesUInt8Span) else {
        return end(isWhole: false)
      }
      guard isWhole, let head = input.readSlice(length: parser.length) else { return }
      guard parser.isInterim else {
        // Nobody asked for another protocol.
        guard parser.status != 101 else { return end(isWhole: false) }
        let framing = parser.bodyFraming(answering: copy.method)
        headIsDone = true
        framer = BodyFramer(framing)
        copy.shadowBegan(parser, head: head, framing: framing)
        break
      }
      parser.reset()
    }
    deliver(input, to: copy)
    input = worker.empty
  }

  private func deliver(_ buffer: ByteBuffer, to copy: MirroredRequest) {
    guard let count = try? framer.advance(over: buffer.readableBytesUInt8Span) else {
      return end(isWhole: false)
    }
    if let piece = buffer.getSlice(at: buffer.readerIndex, length: count) {
      copy.shadowTook(piece)
    }
    if framer.isComplete { end(isWhole: true) }
  }

  private func end(isWhole: Bool) {
    guard let copy else { return }
    self.copy = nil
    copy.shadowEnded(isWhole: isWhole)
  }

  func streamClosed(hasFailed: Bool) {
    end(isWhole: headIsDone && framer.mayEndHere && !hasFailed)
  }
}
