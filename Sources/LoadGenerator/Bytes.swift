// Small questions about bytes, answered without making a String of them.

func decimalDigit(_ byte: UInt8) -> Int? {
  byte >= 0x30 && byte <= 0x39 ? Int(byte) - 0x30 : nil
}

func hexadecimalDigit(_ byte: UInt8) -> Int? {
  switch byte {
  case 0x30...0x39: Int(byte) - 0x30
  case 0x41...0x46: Int(byte) - 0x41 + 10
  case 0x61...0x66: Int(byte) - 0x61 + 10
  default: nil
  }
}

/// A non-negative number of up to 18 digits.
func decimal(_ bytes: UnsafeRawBufferPointer) -> Int? {
  guard !bytes.isEmpty, bytes.count <= 18 else { return nil }
  var number = 0
  for byte in bytes {
    guard let digit = decimalDigit(byte) else { return nil }
    number = number * 10 + digit
  }
  return number
}

/// `name` is in lower case and as long as the field's name.
func hasName(_ field: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
  equalsIgnoringCase(
    UnsafeRawBufferPointer(rebasing: field[..<min(field.count, name.utf8CodeUnitCount)]), name)
}

/// `other` is in lower case.
func equalsIgnoringCase(_ bytes: UnsafeRawBufferPointer, _ other: StaticString) -> Bool {
  guard bytes.count == other.utf8CodeUnitCount else { return false }
  for index in 0..<bytes.count {
    let byte = bytes[index]
    let lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if lower != other.utf8Start[index] { return false }
  }
  return true
}

/// What is left of `bytes` from `start` without spaces and tabs on either side.
func trimmed(_ bytes: UnsafeRawBufferPointer, from start: Int) -> UnsafeRawBufferPointer {
  var lower = start
  var upper = bytes.count
  while lower < upper, bytes[lower] == 0x20 || bytes[lower] == 0x09 { lower += 1 }
  while lower < upper, bytes[upper - 1] == 0x20 || bytes[upper - 1] == 0x09 { upper -= 1 }
  return UnsafeRawBufferPointer(rebasing: bytes[lower..<upper])
}

/// Whether a comma-separated list contains `token`, which is in lower case.
func containsToken(_ list: UnsafeRawBufferPointer, _ token: StaticString) -> Bool {
  var start = 0
  while start <= list.count {
    let end = list[start...].firstIndex(of: 0x2c) ?? list.count
    let part = UnsafeRawBufferPointer(rebasing: list[start..<end])
    if equalsIgnoringCase(trimmed(part, from: 0), token) { return true }
    start = end + 1
  }
  return false
}

/// Whether `bytes` contains `part` somewhere.
func contains(_ bytes: [UInt8], _ part: some RandomAccessCollection<UInt8>) -> Bool {
  guard let first = part.first, bytes.count >= part.count else { return part.isEmpty }
  var start = 0
  while start + part.count <= bytes.count {
    guard let found = bytes[start...].firstIndex(of: first), found + part.count <= bytes.count
    else { return false }
    if bytes[found..<(found + part.count)].elementsEqual(part) { return true }
    start = found + 1
  }
  return false
}

/// The beginning of `bytes`, readable in a message.
func quote(_ bytes: UnsafeRawBufferPointer) -> String {
  let text = bytes.prefix(40).map { byte in
    byte >= 0x20 && byte < 0x7f ? String(UnicodeScalar(byte)) : "?"
  }
  return "\"" + text.joined() + (bytes.count > 40 ? "…" : "") + "\""
}
