import Evidence
import Testing

@Suite struct LockFileTests {
  static func names(_ list: ComponentList) -> [String] {
    list.components.map { "\($0.package?.packageName ?? "") \($0.version ?? "")" }
  }

  @Test func npmListsNestedAndScopedPackages() throws {
    let list = try ComponentList.npmLock(
      Array(
        """
        {"lockfileVersion": 3, "packages": {"": {"name": "app"}, "lib": {"version": "1.0.0"},
          "node_modules/lib": {"resolved": "lib", "link": true},
          "node_modules/@s/a": {"version": "2.0.0"},
          "node_modules/@s/a/node_modules/b": {"version": "1.1.0"}}}
        """.utf8))
    #expect(Self.names(list) == ["@s/a 2.0.0", "b 1.1.0"])
    #expect(throws: ReportFailure.self) { try ComponentList.npmLock(Array("{}".utf8)) }
  }

  @Test func composerListsPackages() throws {
    let list = try ComponentList.composerLock(
      Array(#"{"packages": [{"name": "a/b", "version": "1.2.3"}], "packages-dev": []}"#.utf8))
    #expect(Self.names(list) == ["a/b 1.2.3"])
  }

  @Test func dpkgNamesSourcesOfWhatIsInstalled() {
    let list = ComponentList.dpkgStatus(
      Array(
        """
        Package: libc6
        Status: install ok installed
        Source: glibc (2.36-9)
        Version: 2.36-9+b1
        Description: x
         more: text

        Package: gone
        Status: deinstall ok config-files
        Version: 1

        Package: bash
        Status: install ok installed
        Version: 5.2-1
        """.utf8))
    #expect(Self.names(list) == ["glibc 2.36-9", "bash 5.2-1"])
  }
}
