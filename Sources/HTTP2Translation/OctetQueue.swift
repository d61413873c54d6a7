/// Octets that are appended at one end and taken from the other.
struct OctetQueue {
  private var storage: [UInt8] = []
  private var start = 0

  var count: Int { storage.count - start }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ octets: UnsafeRawBufferPointer) {
    makeRoom()
    storage.append(contentsOf: octets)
  }

  mutating func append(_ octets: [UInt8]) {
    octets.withUnsafeBytes { append($0) }
  }

  /// Moves the first `count` octets to the end of another queue.
  mutating func move(_ count: Int, to other: inout OctetQueue) {
    storage.withUnsafeBytes { other.append(.init(rebasing: $0[start..<start + count])) }
    removeFirst(count)
  }

  func withOctets<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    storage.withUnsafeBytes { body(.init(rebasing: $0[start...])) }
  }

  mutating func removeFirst(_ count: Int) {
    precondition(count >= 0 && count <= self.count, "more than there is")
    start += count
    guard start == storage.count else { return }
    // What a burst needed is not kept for ever.
    storage.removeAll(keepingCapacity: storage.capacity <= 131_072)
    start = 0
  }

  mutating func removeAll() {
    storage = []
    start = 0
  }

  /// Drops what was taken once it is the greater part, so that each octet is moved at most once.
  private mutating func makeRoom() {
    guard start >= 16_384, start >= storage.count - start else { return }
    storage.removeFirst(start)
    start = 0
  }
}
