import Foundation

/// `package.json`
enum NodeDetector {
  private struct Manifest: Decodable {
    var name: String?
    var scripts: [String: String]?
    var dependencies: [String: String]?
    var devDependencies: [String: String]?
    var packageManager: String?

    func depends(on package: String) -> Bool {
      dependencies?[package] != nil || devDependencies?[package] != nil
    }
  }

  /// How packages are installed and scripts run.
  private struct Tool {
    var install: String
    var run: String
    var exec: String
    var cache: [String] = []
    var note: String?
  }

  static func detect(_ files: ProjectFiles) -> Detection? {
    guard let text = files["package.json"] else { return nil }
    var detection = Detection(kind: "Node.js (package.json)")
    guard let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(text.utf8)) else {
      detection.notes.append("package.json could not be read; nothing was taken from it.")
      return detection
    }
    let tool = tool(files, manifest)
    if let note = tool.note { detection.notes.append(note) }
    var last: [String] = []
    let hasPackages =
      manifest.dependencies?.isEmpty == false || manifest.devDependencies?.isEmpty == false
    if hasPackages {
      detection.steps.append(
        ProposedStep(name: "install", run: tool.install, cache: tool.cache))
      last = ["install"]
    }
    if manifest.scripts?["build"] != nil {
      detection.steps.append(
        ProposedStep(name: "build", run: "\(tool.run) build", needs: last))
      last = ["build"]
    }
    if manifest.scripts?["lint"] != nil {
      detection.steps.append(ProposedStep(name: "lint", run: "\(tool.run) lint", needs: last))
    }
    if var test = test(manifest, tool) {
      test.needs = last
      detection.steps.append(test)
    }
    if let service = service(files, manifest, tool) { detection.services.append(service) }
    return detection
  }

  private static func tool(_ files: ProjectFiles, _ manifest: Manifest) -> Tool {
    let named = manifest.packageManager ?? ""
    if files.has("pnpm-lock.yaml") {
      return Tool(install: "pnpm install --frozen-lockfile", run: "pnpm run", exec: "pnpm exec")
    }
    if files.has("yarn.lock") {
      let isModern =
        files.has(".yarnrc.yml") || (named.hasPrefix("yarn@") && !named.hasPrefix("yarn@1"))
      return Tool(
        install: isModern ? "yarn install --immutable" : "yarn install --frozen-lockfile",
        run: "yarn run", exec: isModern ? "yarn exec" : "yarn run")
    }
    if files.has("bun.lockb") || files.has("bun.lock") {
      return Tool(install: "bun install --frozen-lockfile", run: "bun run", exec: "bunx")
    }
    if files.has("package-lock.json") || files.has("npm-shrinkwrap.json") {
      return Tool(
        install: "npm ci --cache .npm --prefer-offline", run: "npm run", exec: "npx --no-install",
        cache: [".npm"])
    }
    return Tool(
      install: "npm install", run: "npm run", exec: "npx --no-install",
      note: "There is no lock file: commit package-lock.json, so that every build gets the same "
        + "packages, and write `npm ci`.")
  }

  // MARK: Tests

  private static func test(_ manifest: Manifest, _ tool: Tool) -> ProposedStep? {
    guard let script = manifest.scripts?["test"], !script.contains("no test specified") else {
      return nil
    }
    var step = ProposedStep(name: "test", run: "\(tool.run) test")
    let isSimple = ShellCommand(script).problemBehindExec == nil && !script.contains("|")
    if isSimple, script == "node --test" || script.hasPrefix("node --test ") {
      let rest = script.dropFirst("node --test".count)
      step.run =
        "node --test --test-reporter=spec --test-reporter-destination=stdout "
        + "--test-reporter=junit --test-reporter-destination=junit.xml\(rest)"
      step.junit = "junit.xml"
    } else if manifest.depends(on: "vitest"), script.hasPrefix("vitest") {
      step.run =
        "\(tool.exec) vitest run --reporter=default --reporter=junit --outputFile.junit=junit.xml"
      step.junit = "junit.xml"
    } else if manifest.depends(on: "jest-junit"), script.hasPrefix("jest") {
      step.run = "\(tool.exec) jest --ci --reporters=default --reporters=jest-junit"
      step.junit = "junit.xml"
    } else if manifest.depends(on: "jest") {
      step.comments = ["With the package jest-junit, jest writes a report that Segue reads."]
    }
    return step
  }

  // MARK: The service

  private static func service(
    _ files: ProjectFiles, _ manifest: Manifest, _ tool: Tool
  ) -> ProposedService? {
    let usual = "It must listen on process.env.PORT."
    for name in ["start:prod", "start"] {
      guard let script = manifest.scripts?[name]?.trimmed, !script.isEmpty else { continue }
      if script == "next start" || script.hasPrefix("next start ") {
        return ProposedService(
          name: "web", run: "node_modules/.bin/next start --hostname 127.0.0.1 --port $PORT")
      }
      if script.hasPrefix("node "), ShellCommand(script).problemBehindExec == nil {
        return ProposedService(
          name: "web", run: script,
          comments: ["What the script `\(name)` runs, without npm in between. \(usual)"])
      }
      return ProposedService(name: "web", run: "\(tool.run) \(name)", comments: [usual])
    }
    guard let file = files.first(of: ["server.js", "server.mjs", "app.js", "index.js"]) else {
      return nil
    }
    let isServer = files[file]?.contains("listen(") == true
    return isServer
      ? ProposedService(name: "web", run: "node \(file)", comments: [usual]) : nil
  }
}
