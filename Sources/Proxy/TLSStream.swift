import NIOCore
import TransportSecurity

/// A stream inside TLS: what its handler writes is encrypted, what it reads was.
final class TLSStream: ByteStream, StreamHandler {
  private let worker: Worker
  private let wire: ByteStream
  private let tls: TLSConnection
  /// Called once, when the handshake is over; sets the handler.
  private var established: ((TLSStream, ApplicationProtocol) -> Void)?
  private let deadline: UInt64

  /// - Throws: `TLSFault` when there is no memory for it.
  init(
    worker: Worker, wire: ByteStream, store: CertificateStore,
    established: @escaping (TLSStream, ApplicationProtocol) -> Void
  ) throws(TLSFault) {
    self.worker = worker
    self.wire = wire
    self.established = established
    tls = try TLSConnection(store: store, alpn: .http2AndHTTP1)
    deadline = worker.now + worker.spans.readHead
    super.init()
  }

  /// Gives up a handshake that takes too long.
  func check(now: UInt64) { if now >= deadline { close() } }

  // MARK: From the wire

  func streamRead(_ octets: inout ByteBuffer) {
    do throws(TLSFault) {
      var failure: TLSFault?
      octets.withUnsafeReadableBytes { bytes in
        do throws(TLSFault) {
          try tls.receive(bytes) { take($0) }
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      if tls.isEstablished { announce() }
    } catch {
      // What went wrong is on its way as an alert.
      flush()
      return wire.closeOutput { [self] in wire.close() }
    }
    flush()
    guard isOpen, tls.hasEnded else { return }
    if handler == nil { close() } else { handler?.streamInputEnded() }
  }

  private func take(_ plaintext: UnsafeRawBufferPointer) {
    announce()
    guard let handler else { return }
    var buffer = worker.borrowBuffer()
    buffer.writeBytes(plaintext)
    handler.streamRead(&buffer)
    worker.giveBack(&buffer)
  }

  private func announce() {
    guard let body = established else { return }
    established = nil
    worker.remove(self)
    // A certificate authority has seen what it wanted to.
    if tls.applicationProtocol == .acme { return close() }
    body(self, tls.applicationProtocol)
  }

  func streamReadComplete() { handler?.streamReadComplete() }

  /// An end that TLS did not announce may be an attacker's, but for HTTP what is whole is whole.
  func streamInputEnded() {
    if handler == nil { close() } else if !tls.hasEnded { handler?.streamInputEnded() }
  }

  func streamWritabilityChanged() {
    isWritable = wire.isWritable
    handler?.streamWritabilityChanged()
  }

  func streamClosed(hasFailed: Bool) { end(hasFailed: hasFailed) }

  private func end(hasFailed: Bool) {
    guard isOpen else { return }
    isOpen = false
    isWritable = false
    established = nil
    worker.remove(self)
    let handler = handler
    self.handler = nil
    handler?.streamClosed(hasFailed: hasFailed)
  }

  private func flush() {
    guard tls.outputCount > 0 else { return }
    var octets = worker.borrowBuffer()
    tls.withOutput { bytes in
      octets.writeBytes(bytes)
      return bytes.count
    }
    wire.write(octets)
    worker.giveBack(&octets)
  }

  // MARK: To the wire

  override var pendingOctets: Int { wire.pendingOctets }

  override func write(_ octets: ByteBuffer) {
    guard isOpen else { return }
    octets.withUnsafeReadableBytes { bytes in
      // It fails only after the connection has: the next read says so.
      try? tls.send(bytes)
    }
    flush()
  }

  override func setReading(_ isReading: Bool) { wire.setReading(isReading) }

  override func closeOutput(then body: @escaping () -> Void) {
    tls.close()
    flush()
    wire.closeOutput(then: body)
  }

  override func close() {
    wire.close()
    end(hasFailed: false)
  }

  override func breakOnClose() { wire.breakOnClose() }
}
