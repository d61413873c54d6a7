import Glibc

/// A connection that became a websocket.
extension LoadConnection {
  /// `surplus` are the bytes that came with the answer to the upgrade.
  func becomeWebsocket(_ surplus: UnsafeRawBufferPointer) throws(ResponseParser.Failure) {
    guard parser.accept.elementsEqual(WebsocketFrames.accept.utf8) else {
      throw .malformed("the upgrade is not confirmed as RFC 6455 has it")
    }
    var frames = WebsocketFrames()
    frames.append(surplus)
    self.frames = frames
  }

  /// What bytes on a websocket mean to the message whose echo is awaited.
  func takeFrames(
    _ input: UnsafeRawBufferPointer
  ) throws(ResponseParser.Failure) -> Progress {
    frames?.append(input)
    while let frame = try frames?.next() {
      switch frame {
      case .text(let text):
        return text == message ? .answered : .failed(.echo, "another message came back")
      case .ping(let payload): answer(.pong, payload)
      case .pong: break
      case .close(let status): return closed(status)
      }
    }
    return .pending
  }

  /// Looks what came since the last echo, before another message is sent.
  ///
  /// - Returns: `pending` when the websocket can be used.
  func readBetweenMessages(_ buffer: UnsafeMutableRawBufferPointer) -> Progress {
    message = []
    do throws(ResponseParser.Failure) {
      let early = try takeFrames(UnsafeRawBufferPointer(rebasing: buffer[..<0]))
      guard case .pending = early else { return early }
      while true {
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if count == 0 { return .failed(.eof, "the websocket was cut without a close frame") }
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == EAGAIN { return .pending }
        if count < 0 {
          let failure = SocketFailure(number: errno)
          return .failed(failure.kind, "the websocket was cut: \(errnoText(failure.number))")
        }
        let progress = try takeFrames(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        guard case .pending = progress else { return progress }
      }
    } catch {
      switch error {
      case .malformed(let why): return .failed(.malformed, why)
      }
    }
  }

  private func closed(_ status: Int?) -> Progress {
    // The answer to a close is a close with the same status (section 5.5.1).
    answer(.close, status.map { [UInt8($0 >> 8), UInt8($0 & 0xff)] } ?? [])
    guard let status, WebsocketFrames.politeCloses.contains(status) else {
      return .failed(.closed, "closed with status \(status.map(String.init) ?? "none")")
    }
    return .closedPolitely
  }

  /// A control frame is small, and the socket takes it, or the other side does not read.
  private func answer(_ opcode: WebsocketFrames.Opcode, _ payload: [UInt8]) {
    var frame: [UInt8] = []
    WebsocketFrames.write(opcode, payload, mask: .random(in: 0 ... .max), into: &frame)
    _ = Glibc.send(descriptor, frame, frame.count, Int32(MSG_NOSIGNAL))
  }
}
