import NIOCore
import TrafficRouting

/// Writes a head into memory that was measured before. A buffer asks at each of its writes whether
/// nobody else uses it and whether there is room; a head has dozens of pieces, so it asks once.
struct HeadWriter {
  private let target: UnsafeMutableRawBufferPointer
  private(set) var count = 0

  fileprivate init(_ target: UnsafeMutableRawBufferPointer) { self.target = target }

  /// Where so many octets go. What was measured wrongly must not be written elsewhere.
  @inline(__always)
  private mutating func place(_ length: Int) -> UnsafeMutableRawPointer? {
    precondition(length <= target.count - count, "a head is longer than was measured")
    defer { count += length }
    return target.baseAddress.map { $0 + count }
  }

  @inline(__always)
  mutating func write(_ text: StaticString) {
    let length = text.utf8CodeUnitCount
    place(length)?.copyMemory(from: text.utf8Start, byteCount: length)
  }

  @inline(__always)
  mutating func copy(_ range: Range<Int>, of bytes: UnsafeRawBufferPointer) {
    let source = UnsafeRawBufferPointer(rebasing: bytes[range])
    guard let start = source.baseAddress, !source.isEmpty else { return }
    place(source.count)?.copyMemory(from: start, byteCount: source.count)
  }

  mutating func write(buffer: ByteBuffer) {
    buffer.withUnsafeReadableBytes { copy(0..<$0.count, of: $0) }
  }

  mutating func write(text: String) {
    var text = text
    text.withUTF8 { copy(0..<$0.count, of: UnsafeRawBufferPointer($0)) }
  }

  /// `X-Request-Id` with its CRLF.
  mutating func writeRequestID(_ words: RequestWords) {
    write("X-Request-Id: ")
    write(Hexadecimal.digits(UInt32(truncatingIfNeeded: words.high >> 32)))
    write(Hexadecimal.digits(UInt32(truncatingIfNeeded: words.high)))
    write(Hexadecimal.digits(UInt32(truncatingIfNeeded: words.low >> 32)))
    write(Hexadecimal.digits(UInt32(truncatingIfNeeded: words.low)))
    write("\r\n")
  }

  /// `Content-Length` with its CRLF.
  mutating func writeLength(_ length: UInt64) {
    write("Content-Length: ")
    var divisor: UInt64 = 1
    while length / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      place(1)?.storeBytes(of: UInt8(48 + length / divisor % 10), as: UInt8.self)
      divisor /= 10
    }
    write("\r\n")
  }

  /// In network byte order, as all of them.
  @inline(__always)
  private mutating func write(_ digits: UInt64) {
    place(8)?.storeBytes(of: digits.bigEndian, as: UInt64.self)
  }
}

extension ByteBuffer {
  /// - Parameter bound: octets that are written at most.
  @inline(__always)
  mutating func writeHead(atMost bound: Int, _ body: (inout HeadWriter) -> Void) {
    writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { target in
      var writer = HeadWriter(target)
      body(&writer)
      return writer.count
    }
  }
}
