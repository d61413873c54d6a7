/// Why a time zone cannot be used, in words for whoever wrote its name or installed its file.
public struct ZoneFault: Error, Hashable, Sendable, CustomStringConvertible {
  public var zone: String
  public var problem: String
  public var nextStep: String

  public init(zone: String, problem: String, nextStep: String) {
    self.zone = zone
    self.problem = problem
    self.nextStep = nextStep
  }

  public var description: String { "\(problem). \(nextStep)." }
}

extension TimeZoneRules {
  /// The largest file that is read: ten times what the largest zone has.
  public static let fileLimit = 65_536

  /// Reads a zone's file: TZif, RFC 8536, version 2 or later, as below `/usr/share/zoneinfo`.
  ///
  /// Throws when the bytes are not such a file, when it is of version 1 (which knows nothing after
  /// 2037), and when it counts leap seconds, which the moments of Segue do not.
  public init(name: String, file: [UInt8]) throws(ZoneFault) {
    func fault(_ problem: String) -> ZoneFault {
      ZoneFault(
        zone: name, problem: "the file of the time zone \(name) \(problem)",
        nextStep: "Install the system's time zones again (on Debian: the package tzdata)")
    }
    guard file.count <= Self.fileLimit else { throw fault("is too large") }
    var reader = TZifReader(bytes: file)
    guard let old = reader.header() else { throw fault("is not in the format TZif") }
    guard old.version >= 2 else { throw fault("is of version 1, which ends in the year 2037") }
    guard reader.skip(old.length(timeSize: 4)), let counts = reader.header(), counts.version >= 2,
      let block = reader.block(counts), let footer = reader.footer()
    else { throw fault("is cut off or damaged") }
    guard counts.leaps == 0 else { throw fault("counts leap seconds") }
    let rule = footer.isEmpty ? nil : PosixZone(footer)
    guard footer.isEmpty || rule != nil else { throw fault("ends in a rule that nobody knows") }
    self.init(name: name, first: block.first, changes: block.changes, rule: rule)
  }
}

private struct TZifCounts {
  var version: Int
  /// Flags on how rules were meant, of which nothing here depends.
  var universal: Int
  var standard: Int
  var leaps: Int
  var times: Int
  var types: Int
  var characters: Int

  /// In octets. None of the counts is negative, and each fits in 32 bits.
  func length(timeSize: Int) -> Int {
    times * (timeSize + 1) + types * 6 + characters + leaps * (timeSize + 4) + standard + universal
  }
}

/// Takes fields off the front; what is not there is `nil`.
private struct TZifReader {
  var bytes: [UInt8]
  var index = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func skip(_ count: Int) -> Bool {
    guard count <= bytes.count - index else { return false }
    index += count
    return true
  }

  private mutating func integer(_ size: Int) -> UInt64? {
    guard size <= bytes.count - index else { return nil }
    let value = bytes[index..<index + size].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    index += size
    return value
  }

  private mutating func count() -> Int? { integer(4).map { Int($0) } }

  mutating func header() -> TZifCounts? {
    guard bytes.dropFirst(index).starts(with: Array("TZif".utf8)), skip(4),
      let version = integer(1), skip(15), let universal = count(), let standard = count(),
      let leaps = count(), let times = count(), let types = count(), let characters = count()
    else { return nil }
    return TZifCounts(
      version: version == 0 ? 1 : Int(version) - 0x30, universal: universal, standard: standard,
      leaps: leaps, times: times, types: types, characters: characters)
  }

  mutating func block(_ counts: TZifCounts) -> (first: ZoneOffset, changes: [TimeZoneRules.Change])?
  {
    let end = counts.length(timeSize: 8)
    // So every field below is there, and nothing is reserved for what is not.
    guard end <= bytes.count - index, counts.types >= 1 else { return nil }
    let blockEnd = index + end
    let times = (0..<counts.times).compactMap { _ in integer(8).map { Int64(bitPattern: $0) } }
    let kinds = (0..<counts.times).compactMap { _ in integer(1).map { Int($0) } }
    let records = (0..<counts.types).compactMap { _ -> (Int, Bool, Int)? in
      guard let offset = integer(4), let daylight = integer(1), let name = integer(1) else {
        return nil
      }
      return (Int(Int32(truncatingIfNeeded: offset)), daylight == 1, Int(name))
    }
    let names = bytes[index..<index + counts.characters]
    index = blockEnd
    let offsets = records.compactMap { seconds, isDaylightTime, name -> ZoneOffset? in
      guard Int64(seconds.magnitude) < TimeZoneRules.furthestOffset, name < names.count else {
        return nil
      }
      let text = names.dropFirst(name).prefix { $0 != 0 }
      return ZoneOffset(
        seconds: seconds, abbreviation: String(decoding: text, as: UTF8.self),
        isDaylightTime: isDaylightTime)
    }
    guard offsets.count == counts.types, kinds.allSatisfy({ $0 < offsets.count }),
      zip(times, times.dropFirst()).allSatisfy({ $0 < $1 })
    else { return nil }
    var before = offsets[0]
    let changes = zip(times, kinds).map { time, kind in
      defer { before = offsets[kind] }
      return TimeZoneRules.Change(at: time, before: before, after: offsets[kind])
    }
    return (offsets[0], changes)
  }

  /// What stands between the two line ends after the last block.
  mutating func footer() -> ArraySlice<UInt8>? {
    let newline = UInt8(ascii: "\n")
    guard index < bytes.count, bytes[index] == newline,
      let end = bytes[(index + 1)...].firstIndex(of: newline)
    else { return nil }
    return bytes[(index + 1)..<end]
  }
}
