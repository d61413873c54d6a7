/// `Package.swift`
enum SwiftDetector {
  static func detect(_ files: ProjectFiles) -> Detection? {
    guard let manifest = files["Package.swift"] else { return nil }
    var detection = Detection(kind: "Swift (Package.swift)")
    detection.steps.append(
      ProposedStep(name: "build", run: "swift build -c release", cache: [".build"]))
    if let test = test(files) { detection.steps.append(test) }
    let names = names(after: ".executableTarget(", in: manifest)
    guard let name = names.first(where: { !$0.hasSuffix("-tool") }) ?? names.first else {
      return detection
    }
    var arguments = ""
    if manifest.contains("/vapor") {
      arguments = " serve --hostname 127.0.0.1 --port $PORT"
    } else if manifest.contains("hummingbird") {
      arguments = " --hostname 127.0.0.1 --port $PORT"
    }
    detection.services.append(
      ProposedService(name: "web", run: ".build/release/\(name)\(arguments)"))
    if names.count > 1 {
      let others = names.filter { $0 != name }.map { "`\($0)`" }.joined(separator: ", ")
      detection.notes.append("Only `\(name)` was made a service; there is also \(others).")
    }
    return detection
  }

  /// XCTest and Swift Testing write different files, and a promised file that stays away refuses
  /// the commit: only what the tests import is promised.
  private static func test(_ files: ProjectFiles) -> ProposedStep? {
    let tests = files.paths.filter { $0.hasPrefix("Tests/") && $0.hasSuffix(".swift") }
    guard !tests.isEmpty else { return nil }
    let usesTesting = tests.contains { files[$0]?.contains("import Testing") == true }
    let usesXCTest = tests.contains { files[$0]?.contains("import XCTest") == true }
    var step = ProposedStep(name: "test", run: "swift test", needs: ["build"], cache: [".build"])
    switch (usesTesting, usesXCTest) {
    case (true, false):
      step.run = "swift test --disable-xctest --xunit-output junit.xml"
      step.junit = "junit-swift-testing.xml"
      step.comments = ["Swift Testing adds its own name to that of the report."]
    case (false, true):
      step.run = "swift test --disable-swift-testing --parallel --xunit-output junit.xml"
      step.junit = "junit.xml"
    case (true, true):
      step.run = "swift test --parallel --xunit-output junit.xml"
      step.junit = "junit-swift-testing.xml"
      step.comments = ["XCTest writes junit.xml as well; add it when all tests pass there."]
    case (false, false): break
    }
    return step
  }

  /// The `name:` of each call in the manifest.
  private static func names(after call: String, in manifest: String) -> [String] {
    manifest.split(separator: call, omittingEmptySubsequences: false).dropFirst().compactMap {
      guard let range = $0.firstRange(of: "name:") else { return nil }
      let rest = $0[range.upperBound...].drop { $0.isWhitespace }
      guard rest.first == "\"" else { return nil }
      let name = rest.dropFirst().prefix { $0 != "\"" }
      let isPlain = name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }
      return isPlain && !name.isEmpty ? String(name) : nil
    }
  }
}

/// `go.mod`
enum GoDetector {
  static func detect(_ files: ProjectFiles) -> Detection? {
    guard let module = files["go.mod"] else { return nil }
    var detection = Detection(kind: "Go (go.mod)")
    let commands = files.paths.compactMap { path -> String? in
      let parts = path.split(separator: "/")
      guard parts.count == 3, parts[0] == "cmd", parts[2] == "main.go" else { return nil }
      return String(parts[1])
    }
    let isRoot = files.has("main.go")
    if isRoot || commands.isEmpty {
      detection.steps.append(
        ProposedStep(name: "build", run: isRoot ? "go build -o bin/app ." : "go build ./..."))
    } else {
      detection.steps.append(ProposedStep(name: "build", run: "go build -o bin/ ./cmd/..."))
    }
    let mentions = files.anyFile { _, text in text.contains("gotestsum") }
    if mentions != nil {
      detection.steps.append(
        ProposedStep(
          name: "test", run: "gotestsum --junitfile junit.xml ./...", needs: ["build"],
          junit: "junit.xml"))
    } else {
      detection.steps.append(
        ProposedStep(
          name: "test", run: "go test ./...", needs: ["build"],
          comments: ["With gotestsum, `--junitfile junit.xml` makes a report that Segue reads."]))
    }
    if isRoot {
      detection.services.append(ProposedService(name: "web", run: "bin/app"))
      return detection
    }
    let isWorker = { (name: String) in name.contains("worker") || name.contains("job") }
    let usual = ["web", "server", "api", "http", moduleName(module)]
    let servers = commands.filter { !isWorker($0) }
    if let server = usual.first(where: servers.contains) ?? servers.first {
      detection.services.append(ProposedService(name: "web", run: "bin/\(server)"))
    }
    for worker in commands where isWorker(worker) {
      guard let name = TextRules.nameMade(from: worker), name != "web" else { continue }
      detection.services.append(
        ProposedService(name: name, run: "bin/\(worker)", isWorker: true))
    }
    return detection
  }

  private static func moduleName(_ text: String) -> String {
    let line = text.textLines.first { $0.hasPrefix("module ") } ?? ""
    return line.split(separator: "/").last.map { String($0).trimmed } ?? ""
  }
}

/// `Cargo.toml`
enum RustDetector {
  static func detect(_ files: ProjectFiles) -> Detection? {
    guard let manifest = files["Cargo.toml"] else { return nil }
    var detection = Detection(kind: "Rust (Cargo.toml)")
    let locked = files.has("Cargo.lock") ? " --locked" : ""
    detection.steps = [
      ProposedStep(name: "build", run: "cargo build --release\(locked)", cache: ["target"]),
      ProposedStep(
        name: "test", run: "cargo test\(locked)", needs: ["build"], cache: ["target"],
        comments: ["cargo-nextest can write a JUnit report that Segue reads."]),
    ]
    if files.has("src/main.rs"), let name = name(manifest) {
      detection.services.append(ProposedService(name: "web", run: "target/release/\(name)"))
    }
    return detection
  }

  /// `name = "…"` of `[[bin]]`, or of `[package]`.
  private static func name(_ manifest: String) -> String? {
    var section = ""
    var names: [String: String] = [:]
    for line in manifest.textLines.map(\.trimmed) {
      if line.hasPrefix("[") {
        section = line
      } else if line.hasPrefix("name"), names[section] == nil {
        let quoted = line.split(separator: "\"", omittingEmptySubsequences: false)
        if quoted.count >= 3 { names[section] = String(quoted[1]) }
      }
    }
    return names["[[bin]]"] ?? names["[package]"]
  }
}
