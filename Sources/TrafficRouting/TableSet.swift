public import SegueModel

/// Why a table was not taken.
public enum TableRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// A greater generation is in force, or the service was removed under one.
  case stale(offered: Generation, inForce: Generation)
  /// The same generation with other content: two writers believe they own the service.
  case conflict(Generation)
  /// Not a table that a router can follow: one sentence.
  case unsound(String)

  public var description: String {
    switch self {
    case .stale(let offered, let inForce):
      "generation \(offered) is older than generation \(inForce), which is in force"
    case .conflict(let generation):
      "generation \(generation) is in force with other content"
    case .unsound(let reason): reason
    }
  }
}

/// The tables of all services, each fenced by its generation.
public struct TableSet: Hashable, Codable, Sendable {
  /// Ordered by key, so that equal sets encode equally.
  public private(set) var tables: [ServiceTable]
  /// The generation each forgotten service was removed under, so that a late writer stays refused.
  public private(set) var removed: [Removal]

  public struct Removal: Hashable, Codable, Sendable {
    public var key: ServiceKey
    public var generation: Generation
  }

  public static let empty = TableSet()
  static let removalLimit = 1_000

  private init() {
    tables = []
    removed = []
  }

  public func table(_ key: ServiceKey) -> ServiceTable? { tables.first { $0.key == key } }

  /// - Returns: whether anything changed; `false` when this very table is in force already.
  public mutating func apply(_ table: ServiceTable) throws(TableRefusal) -> Bool {
    try TableCheck.check(table)
    if let index = tables.firstIndex(where: { $0.key == table.key }) {
      let current = tables[index]
      if table.generation < current.generation {
        throw .stale(offered: table.generation, inForce: current.generation)
      }
      if table.generation == current.generation {
        guard table == current else { throw .conflict(table.generation) }
        return false
      }
      tables[index] = table
      return true
    }
    if let gone = removed.first(where: { $0.key == table.key }) {
      guard table.generation > gone.generation else {
        throw .stale(offered: table.generation, inForce: gone.generation)
      }
      removed.removeAll { $0.key == table.key }
    }
    let index = tables.firstIndex { $0.key > table.key } ?? tables.endIndex
    tables.insert(table, at: index)
    return true
  }

  /// - Returns: whether there was anything to forget.
  public mutating func remove(
    _ key: ServiceKey, generation: Generation
  ) throws(TableRefusal) -> Bool {
    guard let index = tables.firstIndex(where: { $0.key == key }) else {
      return false
    }
    guard generation >= tables[index].generation else {
      throw .stale(offered: generation, inForce: tables[index].generation)
    }
    tables.remove(at: index)
    removed.append(Removal(key: key, generation: generation))
    if removed.count > Self.removalLimit { removed.removeFirst() }
    return true
  }
}
