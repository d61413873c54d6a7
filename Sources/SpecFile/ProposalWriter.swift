/// Writes a proposal as YAML with comments.
struct ProposalWriter {
  private(set) var text = ""

  init(_ proposal: Proposal) {
    line("# What Segue does with this repository. Written by `segue init`: read it, and change it.")
    line("version: 1")
    line("project: \(Self.quoted(proposal.project))")
    line("# The branch whose newest commit goes live.")
    line("deploy: { branch: main }")
    line("")
    if proposal.steps.isEmpty, proposal.services.isEmpty {
      template()
    } else {
      pipeline(proposal.steps)
      line("")
      services(proposal.services)
    }
  }

  private mutating func pipeline(_ steps: [ProposedStep]) {
    if steps.isEmpty {
      line("# Commands that must pass before a commit goes live:")
      line("# pipeline:")
      line("#   - step: test")
      line("#     run: make test")
    } else {
      line("# Every step must pass before a commit goes live. All run in one clean checkout.")
      line("pipeline:")
      for step in steps { write(step) }
    }
  }

  private mutating func services(_ services: [ProposedService]) {
    if services.isEmpty {
      line("# Nothing was found that runs for long. A service would be written like this:")
      line("# services:")
      line("#   web:")
      line("#     run: ./build/web --port $PORT")
      line("#     health: /up")
    } else {
      line("services:")
      for service in services { write(service) }
    }
  }

  private mutating func template() {
    line("# Nothing was recognised in this directory. Take away the `#` and put your commands in.")
    line("#")
    line("# Commands that must pass before a commit goes live:")
    line("# pipeline:")
    line("#   - step: test")
    line("#     run: make test")
    line("#")
    line(
      "# What runs. The program listens on 127.0.0.1, on the port in $PORT, ends on SIGTERM, and")
    line("# answers 200 at its health path when it can serve:")
    line("# services:")
    line("#   web:")
    line("#     run: ./build/web --port $PORT")
    line("#     health: /up")
  }

  private mutating func write(_ step: ProposedStep) {
    for comment in step.comments { line("  # \(comment)") }
    line("  - step: \(step.name)")
    scalar("run", step.run, indent: "    ")
    if !step.needs.isEmpty { line("    needs: [\(step.needs.joined(separator: ", "))]") }
    if !step.cache.isEmpty {
      line("    cache: [\(step.cache.map(Self.quoted).joined(separator: ", "))]")
    }
    if let junit = step.junit { line("    reports: { junit: \(Self.quoted(junit)) }") }
  }

  private mutating func write(_ service: ProposedService) {
    line("  \(service.name):")
    for comment in service.comments { line("    # \(comment)") }
    scalar("run", service.run, indent: "    ")
    if service.isWorker {
      line("    # It takes no traffic.")
      line("    worker: true")
      return
    }
    line("    instances: 2")
    if let path = service.healthPath {
      line("    # Asked before an instance gets traffic, and for as long as it lives.")
      line("    health: \(path)")
    } else {
      line(
        "    # Without a health path an instance counts as ready when its port is open, which is")
      line("    # often too early. Answer 200 at a path when the program can serve, and name it:")
      line("    # health: /up")
    }
    line("    # Every host, until you name one:")
    line("    # route: { host: \(service.name).example.com }")
    line("    strategy: rolling")
  }

  private mutating func scalar(_ key: String, _ value: String, indent: String) {
    let lines = value.textLines
    guard lines.count > 1 else { return line("\(indent)\(key): \(Self.quoted(value))") }
    line("\(indent)\(key): |")
    for each in lines { line(each.isEmpty ? "" : "\(indent)  \(each)") }
  }

  private mutating func line(_ content: String) { text += content + "\n" }

  /// Plain where that is safe everywhere, also inside `[…]` and `{…}`; in double quotes otherwise.
  static func quoted(_ text: String) -> String {
    let special: Set<Character> = [
      ",", "[", "]", "{", "}", "#", "&", "*", "!", "|", ">", "'", "\"", "%", "@", "`", ":", "\\",
      "\t",
    ]
    let reserved = ["true", "false", "null", "~", "yes", "no", "on", "off"]
    let isPlain =
      !text.isEmpty && !text.hasPrefix("-") && !text.hasPrefix("?") && !text.hasPrefix("=")
      && text.trimmed == text && !text.contains { special.contains($0) }
      && !text.unicodeScalars.contains(where: Printable.isInvisible)
      && !reserved.contains(text.lowercased()) && text.first?.isNumber != true
    return isPlain ? text : JSONText.string(text).rendered()
  }
}
