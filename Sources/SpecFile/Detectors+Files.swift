/// `Procfile`: what runs, in its author's words.
enum ProcfileDetector {
  static func detect(_ files: ProjectFiles) -> Detection? {
    guard let text = files["Procfile"] else { return nil }
    var detection = Detection(kind: "Procfile")
    var names: Set<String> = []
    for line in text.textLines {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, !line.hasPrefix("#"),
        let name = TextRules.nameMade(from: String(parts[0]).trimmed),
        case let command = String(parts[1]).trimmed, !command.isEmpty
      else { continue }
      guard name != "release" else {
        detection.notes.append(
          "The Procfile's `release: \(command)` was left out: this version of Segue runs nothing "
            + "between the pipeline and the rollout.")
        continue
      }
      guard names.insert(name).inserted else { continue }
      detection.services.append(
        ProposedService(
          name: name, run: Self.startable(python(command, files)), isWorker: name != "web",
          comments: ["From the Procfile."]))
    }
    return detection
  }

  /// The command as it may stand behind `exec`.
  static func startable(_ command: String) -> String {
    guard ShellCommand(command).problemBehindExec != nil else { return command }
    return "sh -c '" + command.replacing("'", with: "'\\''") + "'"
  }

  private static let pythonModules = ["gunicorn", "uvicorn", "celery", "flask", "hypercorn", "rq"]

  /// What pip installed is in `.venv`, which nobody activates here.
  private static func python(_ command: String, _ files: ProjectFiles) -> String {
    guard PythonDetector.detect(files) != nil else { return command }
    let word = command.prefix { $0 != " " }
    let rest = command.dropFirst(word.count)
    if word == "python" || word == "python3" { return ".venv/bin/python\(rest)" }
    guard pythonModules.contains(String(word)) else { return command }
    return ".venv/bin/python -m \(word)\(rest)"
  }
}

/// `Makefile`: used where nothing else says how to build, test and run.
enum MakefileDetector {
  static func detect(_ files: ProjectFiles) -> Detection? {
    guard let name = files.first(of: ["GNUmakefile", "makefile", "Makefile"]) else { return nil }
    let targets = targets(files[name] ?? "")
    var detection = Detection(kind: name)
    if targets.contains("build") {
      detection.steps.append(ProposedStep(name: "build", run: "make build"))
    }
    let needs = targets.contains("build") ? ["build"] : []
    for target in ["lint", "test", "check"] where targets.contains(target) {
      detection.steps.append(ProposedStep(name: target, run: "make \(target)", needs: needs))
    }
    if let target = ["serve", "run", "start"].first(where: targets.contains) {
      detection.services.append(
        ProposedService(
          name: "web", run: "make \(target)",
          comments: [
            "Better: the program itself, so that SIGTERM reaches it without make in between."
          ]))
    }
    return detection
  }

  static func targets(_ text: String) -> Set<String> {
    var targets: Set<String> = []
    for line in text.textLines {
      guard let colon = line.firstIndex(of: ":"), !line.hasPrefix("\t"), !line.hasPrefix("#"),
        !line[line.index(after: colon)...].hasPrefix("=")
      else { continue }
      let names = line[..<colon].split(separator: " ").map(String.init)
      targets.formUnion(names.filter { !$0.hasPrefix(".") })
    }
    return targets
  }
}

/// `Dockerfile`: a hint at best, since this version runs processes.
enum DockerfileDetector {
  static func detect(_ files: ProjectFiles) -> Detection? {
    guard let text = files["Dockerfile"] else { return nil }
    var detection = Detection(kind: "Dockerfile")
    detection.notes.append(
      "This version of Segue runs processes, not containers: the Dockerfile is not used.")
    var port: String?
    var command: String?
    for line in text.textLines {
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      guard words.count == 2 else { continue }
      switch words[0].uppercased() {
      case "EXPOSE": port = String(words[1].prefix { $0.isNumber })
      case "CMD", "ENTRYPOINT": command = Self.command(words[1].trimmed) ?? command
      default: break
      }
    }
    if let port, !port.isEmpty {
      detection.notes.append(
        "The Dockerfile says port \(port): under Segue the program takes its port from $PORT.")
    }
    if let command {
      detection.services.append(
        ProposedService(
          name: "web", run: ProcfileDetector.startable(command),
          comments: [
            "From the Dockerfile, which is not used: this version runs processes, not containers.",
            "Let the pipeline build what the image would hold.",
          ]))
    }
    return detection
  }

  /// `["node", "server.js"]` or `node server.js`, as a shell command.
  private static func command(_ text: String) -> String? {
    guard text.hasPrefix("[") else { return text.hasSuffix("\\") ? nil : text }
    guard text.hasSuffix("]") else { return nil }
    let words = text.dropFirst().dropLast().split(separator: ",").map { String($0).trimmed }
    let isList = words.allSatisfy { $0.count >= 2 && $0.hasPrefix("\"") && $0.hasSuffix("\"") }
    guard isList, !words.isEmpty else { return nil }
    return words.map { word in
      let bare = String(word.dropFirst().dropLast())
      let isPlain = bare.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:@%+,".contains($0) }
      return isPlain ? bare : "'" + bare.replacing("'", with: "'\\''") + "'"
    }.joined(separator: " ")
  }
}
