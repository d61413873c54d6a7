import Foundation
import SegueModel
import TrafficRouting

/// Tables as the router reads them: from the control plane, and from its own file.
enum TableInvariants {
  static func tables(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let data = Data(bytes)
    if let table = try? JSONDecoder().decode(ServiceTable.self, from: data) { try take(table) }
    if let set = try? JSONDecoder().decode(TableSet.self, from: data) { try follow(set) }
  }

  private static func take(_ table: ServiceTable) throws(BrokenInvariant) {
    var set = TableSet.empty
    guard (try? set.apply(table)) == true else {
      return try require(set == .empty, "a table that was refused is in force")
    }
    try require((try? set.apply(table)) == false, "a table is new when it comes again")
    try require(
      table.versions.reduce(0) { $0 + $1.weight.value } == (table.versions.isEmpty ? 0 : 1_000),
      "the shares do not add to 1000")
    try follow(set)
    try require(
      (try? set.remove(table.key, generation: table.generation)) == true, "it cannot be removed")
    try require((try? set.apply(table)) == nil, "a removed table came back")
  }

  private static func follow(_ set: TableSet) throws(BrokenInvariant) {
    guard let data = try? JSONEncoder().encode(set),
      let again = try? JSONDecoder().decode(TableSet.self, from: data)
    else { throw BrokenInvariant(description: "tables cannot be written and read again") }
    try require(again == set, "tables are others when they are read again")
    let request = Array("GET /a/b?c HTTP/1.1\r\nHost: a.test:80\r\nCookie: a=b\r\n\r\n".utf8)
    var parser = RequestParser()
    guard (try? parser.parse(request.span)) == true else { return }
    let matcher = RouteMatcher(set.tables.map(\.route))
    let index = matcher.match(
      request.span, authority: parser.authority, path: parser.path, block: parser.block)
    try require(index.map { set.tables.indices.contains($0) } ?? true, "no such route")
    for table in set.tables {
      let split = StickySplit(
        table.versions.map { ($0.release, $0.weight) }, service: table.key)
      let choice = split.choose(StickyUnit("somebody"))
      let hasShare = table.versions.contains { $0.weight > .none }
      try require((choice != nil) == hasShare, "nobody is chosen, or somebody without a share")
      try require(choice.map { table.versions[$0].weight > .none } ?? true, "no share, but chosen")
    }
  }
}
