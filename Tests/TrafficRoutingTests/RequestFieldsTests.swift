import SegueModel
import Testing

@testable import TrafficRouting

@Suite struct RequestFieldsTests {
  /// Reads a head with these lines and asks about it.
  static func ask<Value>(
    _ lines: [String], _ body: (FieldBlock, Span<UInt8>) -> Value
  ) throws -> Value {
    let text = (["GET / HTTP/1.1", "Host: a"] + lines + ["", ""]).joined(separator: "\r\n")
    let bytes = Array(text.utf8)
    var parser = RequestParser()
    #expect(try parser.parse(bytes.span))
    return body(parser.block, bytes.span)
  }

  @Test(arguments: [
    (["Cookie: user=7"], true), (["Cookie: a=1; user=7; b=2"], true),
    (["Cookie: a=1;user=7"], true), (["Cookie: a=1", "cookie: user=7"], true),
    (["Cookie: user=8; user=7"], true), (["Cookie: user=77"], false),
    (["Cookie: user="], false), (["Cookie: user"], false), (["Cookie: USER=7"], false),
    (["Cookie: xuser=7"], false), (["Cookie: ;;; =; user=7"], true), ([], false),
    (["X-Cookie: user=7"], false), (["Cookie: user=7x; "], false),
  ])
  func aCookieMatchesByItsValue(_ lines: [String], _ expected: Bool) throws {
    let test = RequestTest(.cookie(name: "user", value: "7"))
    #expect(try Self.ask(lines) { test.holds(for: $0, $1) } == expected)
  }

  @Test(arguments: [
    (["X-Variant: b"], true), (["x-variant:b"], true), (["X-Variant: B"], false),
    (["X-Variant: a", "X-Variant: b"], true), (["X-Variant: bb"], false), ([], false),
    (["X-Variant-2: b"], false),
  ])
  func aHeaderMatchesByItsValue(_ lines: [String], _ expected: Bool) throws {
    let test = RequestTest(.header(name: "X-Variant", value: "b"))
    #expect(try Self.ask(lines) { test.holds(for: $0, $1) } == expected)
  }

  @Test func theUnitIsWhatTheRequestNames() throws {
    let header = StickySource(.header("x-user"))
    let cookie = StickySource(.cookie("user", isIssued: true))
    func unit(_ source: StickySource, _ lines: String...) throws -> StickyUnit? {
      try Self.ask(lines) { source.unit(of: $0, $1) }
    }
    #expect(try unit(header, "X-User: 7") == StickyUnit("7"))
    #expect(try unit(cookie, "Cookie: a=b; user=7") == StickyUnit("7"))
    #expect(try unit(header, "X-User:") == nil, "an empty value names nobody")
    #expect(try unit(cookie, "Cookie: user=") == nil)
    #expect(try unit(header) == nil)
    #expect(try unit(StickySource(.address), "X-User: 7") == nil)
    #expect(try unit(StickySource(nil), "X-User: 7") == nil)
    #expect(cookie.issuedCookie == "user")
    #expect(StickySource(.cookie("user", isIssued: false)).issuedCookie == nil)
  }

  @Test(arguments: ["X-Segue-Shadow: 1", "x_segue_shadow: 1"])
  func aClientCannotPassForACopy(_ line: String) throws {
    let kept = try Self.ask([line, "X-Other: 1"]) { block, bytes in
      var kept = ""
      block.forEachKeptRun(isRequest: true) { range in
        kept += String(decoding: range.map { bytes[$0] }, as: UTF8.self)
      }
      return kept
    }
    #expect(kept == "X-Other: 1\r\n")
  }
}

/// Tables that somebody got wrong, or means badly.
@Suite struct TableCheckTests {
  static func side(_ role: SideRole, release: ReleaseID = "r-2", port: Int = 81) -> SideTarget {
    SideTarget(role: role, release: release, endpoints: [Endpoint(instance: "i-2", port: port)])
  }

  static func applied(_ change: (inout ServiceTable) -> Void) throws -> TableSet {
    var table = TableSetTests.table(1)
    change(&table)
    var set = TableSet.empty
    _ = try set.apply(table)
    return set
  }

  static let roles: [SideRole] = [
    .host("preview.shop.test"), .requests(.header(name: "X-Variant", value: "b")),
    .requests(.cookie(name: "variant", value: "b")), .mirror(MirrorSpec()),
  ]

  @Test(arguments: roles) func aSideIsSound(_ role: SideRole) throws {
    _ = try Self.applied { $0.side = Self.side(role) }
    _ = try Self.applied {
      $0.side = Self.side(role)
      $0.versions = []
    }
  }

  @Test(arguments: roles) func aSideMustBeReachableAndApart(_ role: SideRole) {
    for side in [
      Self.side(role, release: "r-1"), Self.side(role, port: 0), Self.side(role, port: 65_536),
      SideTarget(role: role, release: "r-2", endpoints: []),
    ] {
      #expect(throws: TableRefusal.self) { try Self.applied { $0.side = side } }
    }
  }

  @Test(arguments: [
    "", "Preview.test", "a b", "preview.test:80", "a\r\nb", "a/b", "shop.test", "pr\u{e9}view",
  ])
  func aPreviewHasAHostOfItsOwn(_ host: String) {
    #expect(throws: TableRefusal.self) {
      try Self.applied {
        $0.route.host = "shop.test"
        $0.side = Self.side(.host(host))
      }
    }
  }

  @Test(arguments: [
    "", "a b", "a\r\nSet-Cookie: b", "a;b", "a=b", String(repeating: "x", count: 300),
  ])
  func namesAreTokens(_ name: String) {
    let changes: [(inout ServiceTable) -> Void] = [
      { $0.route.sticky = .header(name) },
      { $0.route.sticky = .cookie(name, isIssued: true) },
      { $0.side = Self.side(.requests(.header(name: name, value: "v"))) },
      { $0.side = Self.side(.requests(.cookie(name: name, value: "v"))) },
      { $0.side = Self.side(.mirror(MirrorSpec(headers: [name]))) },
    ]
    for change in changes {
      #expect(throws: TableRefusal.self) { try Self.applied(change) }
    }
  }

  @Test(arguments: [-1, Int64.min, 86_400_001, Int64.max])
  func aHoldHasALimit(_ limit: Int64) {
    #expect(throws: TableRefusal.self) {
      try Self.applied {
        $0.versions = []
        $0.holdLimit = Milliseconds(limit)
      }
    }
  }

  @Test func soManyFieldsAreNotCompared() {
    #expect(throws: TableRefusal.self) {
      let names = (0...TableCheck.nameLimit).map { "x-\($0)" }
      _ = try Self.applied { $0.side = Self.side(.mirror(MirrorSpec(headers: names))) }
    }
  }
}
