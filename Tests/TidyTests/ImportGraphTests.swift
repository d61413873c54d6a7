import Testing

@Suite struct ImportGraphTests {
  private let sample = """
    let yams = Target.Dependency.product(
      name: "Yams", package: "Yams")
    let package = Package(
      targets: [
        // .target(name: "Nothing"),
        .target(name: "SegueModel", swiftSettings: core),
        .target(
          name: "Proxy",
          dependencies: [
            "SegueModel", yams,
          ], swiftSettings: strict),
        .testTarget(name: "ProxyTests", dependencies: ["Proxy"], path: "Elsewhere"),
      ]
    )
    """

  @Test func readsTheManifest() throws {
    let manifest = try Manifest(sample)
    #expect(
      manifest.targets == [
        .init(
          name: "SegueModel", isTest: false, path: "Sources/SegueModel", targets: [], products: []),
        .init(
          name: "Proxy", isTest: false, path: "Sources/Proxy", targets: ["SegueModel"],
          products: ["Yams"]),
        .init(
          name: "ProxyTests", isTest: true, path: "Elsewhere", targets: ["Proxy"], products: []),
      ])
  }

  @Test func refusesADependencyItCannotRead() {
    #expect(throws: Manifest.Problem.self) {
      try Manifest(#".target(name: "A", dependencies: [.product(name: "B", package: "C")])"#)
    }
  }

  @Test(arguments: [
    "import Yams", "public import Yams", "@testable import Yams",
    "@preconcurrency public import Yams",
    "import struct Yams.Node", "  internal import Yams",
  ])
  func findsImports(_ statement: String) {
    let found = ImportRules.imports(of: TextFile("Sources/A/B.swift", "// import C\n" + statement))
    #expect(found.map(\.module) == ["Yams"])
    #expect(found.map(\.line) == [2])
  }

  @Test func noticesAnUndeclaredImport() throws {
    let manifest = try Manifest(sample)
    let file = TextFile("Sources/Proxy/Pool.swift", "import SegueModel\nimport GRDB\nimport Yams\n")
    #expect(ImportRules.undeclared(file, manifest).map(\.line) == [2])
  }

  @Test func noticesFoundationInTheCore() {
    let text = "import Foundation\n"
    #expect(ImportRules.impureCore(TextFile("Sources/SegueModel/A.swift", text)).count == 1)
    #expect(ImportRules.impureCore(TextFile("Sources/Proxy/A.swift", text)).isEmpty)
    #expect(ImportRules.impureCore(TextFile("Sources/Ports/CanonicalJSON.swift", text)).isEmpty)
  }

  @Test func noticesAWrongArrow() throws {
    let manifest = try Manifest(
      """
      .target(name: "Ports", dependencies: ["Proxy"]),
      .target(name: "Proxy", dependencies: ["Ports", "SpecFile"]),
      .target(name: "Commands", dependencies: ["SpecFile"]),
      """)
    #expect(
      ImportRules.wrongArrows(manifest).map(\.message) == [
        "Ports depends on Proxy, but the core knows only the core",
        "Proxy depends on SpecFile, but adapters do not know one another",
      ])
  }

  @Test func noticesStrayTargets() throws {
    let manifest = try Manifest(#".target(name: "A"), .target(name: "Helpers")"#)
    let violations = ImportRules.strayTargets(manifest, folders: ["Sources/Helpers", "Sources/B"])
    #expect(violations.map(\.path) == ["Package.swift", "Sources/B", "Sources/Helpers"])
  }

  @Test func everyImportIsDeclared() throws {
    let manifest = try Manifest(Repository.manifest.text)
    expectNone(Repository.swiftFiles.flatMap { ImportRules.undeclared($0, manifest) })
  }

  @Test func theCoreIsPure() {
    expectNone(Repository.sources.flatMap(ImportRules.impureCore))
  }

  @Test func theArrowsPointInwards() throws {
    expectNone(ImportRules.wrongArrows(try Manifest(Repository.manifest.text)))
  }

  @Test func targetsAndFoldersAgree() throws {
    let folders = ["Sources", "Tests"].flatMap { parent in
      Repository.folders(in: parent).map { parent + "/" + $0 }
    }
    expectNone(ImportRules.strayTargets(try Manifest(Repository.manifest.text), folders: folders))
  }
}
