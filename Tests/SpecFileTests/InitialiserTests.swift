import Foundation
import SegueModel
import SpecFile
import Testing

/// What `segue init` writes is accepted by the reader, for every kind of repository and mixture.
@Suite struct InitialiserTests {
  static let kinds: [String: [String: String]] = [
    "swift": [
      "Package.swift": """
      let package = Package(name: "shop", targets: [
        .executableTarget(name: "Shop", dependencies: [
          .product(name: "Hummingbird", package: "hummingbird")]),
        .executableTarget(
          name: "migrate"), .testTarget(name: "ShopTests")])
      """,
      "Tests/ShopTests/ShopTests.swift": "import Testing\n",
      "Sources/Shop/main.swift": "router.get(\"health\") { _, _ in HTTPResponse.Status.ok }",
    ],
    "swift-xctest": [
      "Package.swift": ".executableTarget(name: \"App\")\n// vapor/vapor",
      "Tests/AppTests/AppTests.swift": "import XCTest\n",
    ],
    "swift-library": ["Package.swift": ".target(name: \"Lib\")"],
    "node": [
      "package.json": """
      {"scripts": {"start": "node server.js", "test": "node --test test/", "build": "tsc",
        "lint": "eslint ."}, "dependencies": {"express": "^5"}}
      """,
      "package-lock.json": "", "server.js": "app.get('/healthz', ok); app.listen(port)",
    ],
    "node-pnpm-next": [
      "package.json": """
      {"scripts": {"start": "next start", "build": "next build", "test": "vitest"},
       "devDependencies": {"vitest": "3", "next": "15"}}
      """, "pnpm-lock.yaml": "",
    ],
    "node-yarn": [
      "package.json": """
      {"packageManager": "yarn@4.1.0", "scripts": {"start": "PORT=3000 nodemon x & wait",
        "test": "jest --ci"}, "devDependencies": {"jest": "29", "jest-junit": "16"}}
      """, "yarn.lock": "",
    ],
    "node-bare": ["package.json": "{}", "index.js": "http.createServer(f).listen(p)"],
    "node-broken": ["package.json": "{"],
    "python-flask": [
      "requirements.txt": "flask\ngunicorn\npytest\n",
      "app.py": "server = Flask(__name__)\n@server.get(\"/up\")\n",
    ],
    "python-fastapi": [
      "pyproject.toml": "dependencies = [\"fastapi\", \"uvicorn\"]", "uv.lock": "",
      "app/main.py": "api = FastAPI()\n", "tests/test_api.py": "def test_it(): pass\n",
    ],
    "python-django": [
      "manage.py": "", "requirements.txt": "django\n", "shop/wsgi.py": "", "shop/settings.py": "",
    ],
    "python-poetry": ["pyproject.toml": "[tool.poetry]", "poetry.lock": ""],
    "go": ["go.mod": "module example.com/x/shop\n", "main.go": "\"/healthz\""],
    "go-commands": [
      "go.mod": "module example.com/shop\ntool gotest.tools/gotestsum\n",
      "cmd/shop/main.go": "", "cmd/worker/main.go": "", "cmd/tool/main.go": "",
    ],
    "rust": [
      "Cargo.toml": "[package]\nname = \"shop\"\n[dependencies]\naxum = \"0.8\"\n",
      "Cargo.lock": "", "src/main.rs": "Router::new().route(\"/up\", get(up))",
    ],
    "dockerfile": [
      "Dockerfile": "FROM x\nEXPOSE 8080\nCMD [\"./server\", \"--motto\", \"don't: stop\"]\n"
    ],
    "procfile": [
      "Procfile": """
      # comment
      web: bundle exec puma -p $PORT
      release: rake db:migrate
      mailer: cd mail && ./mailer 'a: b' # x
      web: twice
      Bad Name!: ./bad
      """
    ],
    "makefile": [
      "Makefile": "X := 1\n.PHONY: build\nbuild: main.c\n\tcc: x\ntest lint: build\nrun:\n\t./x\n"
    ],
  ]

  @Test("one kind", arguments: kinds.keys.sorted())
  func oneKind(_ name: String) throws {
    let files = try #require(Self.kinds[name])
    let proposed = Initialiser.propose(name: "My Shop", files: ProjectFiles(files))
    try expectAccepted(proposed, name)
  }

  /// Goldens: `init-*.txt` beside the reader's.
  @Test("written text", arguments: kinds.keys.sorted())
  func writtenText(_ name: String) throws {
    let files = try #require(Self.kinds[name])
    let proposed = Initialiser.propose(name: "My Shop", files: ProjectFiles(files))
    let notes = proposed.notes.map { "note: \($0)\n" }.joined()
    let output = notes + "----------\n" + proposed.text
    let file = Fixtures.folder.appending(path: "init/\(name).txt")
    if Fixtures.isUpdating {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(output.utf8).write(to: file)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == output)
  }

  @Test func everyPair() throws {
    let names = Self.kinds.keys.sorted()
    for first in names {
      for second in names where first < second {
        let files = try #require(Self.kinds[first]).merging(try #require(Self.kinds[second])) {
          one, _ in one
        }
        let proposed = Initialiser.propose(name: "shop", files: ProjectFiles(files))
        try expectAccepted(proposed, "\(first) and \(second)")
      }
    }
  }

  @Test func everythingAtOnce() throws {
    var files: [String: String] = [:]
    for name in Self.kinds.keys.sorted() {
      files.merge(try #require(Self.kinds[name])) { one, _ in one }
    }
    let proposed = Initialiser.propose(name: "shop", files: ProjectFiles(files))
    try expectAccepted(proposed, "everything")
  }

  @Test func emptyDirectory() throws {
    let proposed = Initialiser.propose(name: "42", files: ProjectFiles([:]))
    #expect(!proposed.isComplete)
    #expect(proposed.text.contains("project: app\n"))
    let diagnostics = Fixtures.diagnostics(proposed.text)
    #expect(diagnostics.map(\.severity) == [.error])
    #expect(diagnostics.first?.message.contains("nothing to do") == true)

    // Taking the `#` away, as the template says, gives a sound file.
    let lines = proposed.text.components(separatedBy: "\n")
    let uncommented = lines.map { line in
      line.hasPrefix("# ") && (line.contains(": ") || line.hasSuffix(":")) && !line.contains("HTTP")
        ? String(line.dropFirst(2)) : line
    }.filter { !$0.hasSuffix("live:") && !$0.hasSuffix("serve:") && !$0.hasPrefix("What ") }
    #expect(Fixtures.diagnostics(uncommented.joined(separator: "\n")).map(\.rendered) == [])
  }

  @Test(
    "project names",
    arguments: [
      ("My Shop", "my-shop"), ("shop", "shop"), ("42-things_", "things"), ("Ünïcode", "n-code"),
      ("...", "app"), ("", "app"),
      (String(repeating: "a", count: 60), String(repeating: "a", count: 40)),
    ])
  func projectName(_ directory: String, _ name: String) {
    let proposed = Initialiser.propose(name: directory, files: ProjectFiles([:]))
    #expect(proposed.text.contains("\nproject: \(name)\n"))
  }

  @Test func directoryOnDisk() throws {
    let root = FileManager.default.temporaryDirectory.appending(path: "segue-\(UUID())/web-shop")
    defer { try? FileManager.default.removeItem(at: root.deletingLastPathComponent()) }
    for (path, text) in try #require(Self.kinds["node"]) {
      let file = root.appending(path: path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    let hidden = root.appending(path: "node_modules/x/go.mod")
    try FileManager.default.createDirectory(
      at: hidden.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data().write(to: hidden)
    try FileManager.default.createSymbolicLink(
      at: root.appending(path: "loop"), withDestinationURL: root)
    try FileManager.default.createSymbolicLink(
      atPath: root.appending(path: "Cargo.toml").path, withDestinationPath: "/etc/passwd")

    let proposed = try Initialiser.propose(directory: root)
    try expectAccepted(proposed, "on disk")
    #expect(proposed.text.contains("project: web-shop\n"))
    #expect(proposed.text.contains("run: node server.js\n"))
    #expect(proposed.text.contains("health: /healthz\n"))
    #expect(!proposed.text.contains("cargo") && !proposed.text.contains("go build"))
  }

  @Test func missingDirectoryIsAnError() {
    #expect(throws: (any Error).self) {
      try Initialiser.propose(directory: URL(filePath: "/nonexistent/\(UUID())"))
    }
  }

  private func expectAccepted(_ proposed: ProposedSpec, _ name: String) throws {
    let errors = Fixtures.diagnostics(proposed.text).filter { $0.severity == .error }
    if proposed.isComplete {
      #expect(errors.map(\.rendered) == [], "\(name):\n\(proposed.text)")
      let exec = Fixtures.diagnostics(proposed.text).filter { $0.message.contains("exec") }
      #expect(exec.map(\.rendered) == [], "\(name): the proposed command cannot be started")
    } else {
      #expect(errors.map(\.message).allSatisfy { $0.contains("nothing to do") }, "\(name)")
    }
  }
}
