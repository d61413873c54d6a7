import Foundation

/// A Markdown file, without its code.
struct MarkdownDocument {
  let path: String
  /// The lines, with fenced blocks and code spans blanked out.
  let prose: [String]
  /// The anchors of its headings, as GitHub makes them.
  let anchors: Set<String>

  init(_ file: TextFile) {
    path = file.path
    var lines: [String] = []
    var anchors: [String: Int] = [:]
    var fence: String?
    for line in file.lines {
      let trimmed = line.trimmingCharacters(in: .whitespaces)
      if let open = fence {
        if trimmed.hasPrefix(open) { fence = nil }
        lines.append("")
        continue
      }
      if let mark = ["```", "~~~"].first(where: trimmed.hasPrefix) {
        fence = mark
        lines.append("")
        continue
      }
      if let heading = trimmed.wholeMatch(of: #/#{1,6}\s+(.+?)\s*#*/#) {
        anchors[Self.anchor(String(heading.1)), default: 0] += 1
      }
      lines.append(String(line.replacing(#/`[^`]*`/#, with: "")))
    }
    prose = lines
    self.anchors = Set(
      anchors.flatMap { name, count in
        (0..<count).map { $0 == 0 ? name : "\(name)-\($0)" }
      })
  }

  /// Lower case, punctuation dropped, spaces to hyphens.
  static func anchor(_ heading: String) -> String {
    let text = heading.replacing(#/\[([^\]]*)\]\([^)]*\)/#) { String($0.1) }
    return String(
      text.lowercased().compactMap { character -> Character? in
        if character == " " { return "-" }
        if character.isLetter || character.isNumber { return character }
        return character == "-" || character == "_" ? character : nil
      })
  }

  /// Targets of links and images, with their lines.
  var links: [(target: String, line: Int)] {
    prose.enumerated().flatMap { index, line in
      line.matches(of: #/\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)/#).map {
        (String($0.1), index + 1)
      }
        + line.matches(of: #/^\s{0,3}\[[^\]]+\]:\s+<?([^>\s]+)/#).map { (String($0.1), index + 1) }
    }
  }
}

/// What the documents promise about the repository is so.
enum DocumentRules {
  /// Links within the repository that lead nowhere.
  ///
  /// - Parameter others: every document by its path, for the anchors.
  static func deadLinks(
    _ document: MarkdownDocument, others: [String: MarkdownDocument], exists: (String) -> Bool
  ) -> [Violation] {
    document.links.compactMap { link -> Violation? in
      if link.target.contains(#/^[a-z][a-z0-9+.-]*:/#) { return nil }
      let parts = link.target.split(
        separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let path = parts[0].isEmpty ? document.path : resolve(String(parts[0]), from: document.path)
      guard exists(path) else {
        return Violation(
          path: document.path, line: link.line, message: "links to \(path), which does not exist")
      }
      guard parts.count == 2, let target = others[path],
        !target.anchors.contains(String(parts[1]))
      else { return nil }
      return Violation(
        path: document.path, line: link.line, message: "\(path) has no heading #\(parts[1])")
    }
  }

  /// `docs/guide/a.md` and `../adr/0001.md` give `docs/adr/0001.md`.
  static func resolve(_ relative: String, from document: String) -> String {
    var parts = document.split(separator: "/").dropLast().map(String.init)
    for part in relative.split(separator: "/") {
      if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
    }
    return parts.joined(separator: "/")
  }

  /// One word per concept: those that must stand in the glossary.
  static let vocabulary = [
    "project", "service", "environment", "platform", "router", "instance", "pipeline", "step",
    "evidence", "gate", "release", "rollout", "strategy", "receipt", "window", "freeze", "incident",
  ]

  /// A definition is a line that begins with the word in bold.
  static func undefinedWords(_ glossary: TextFile) -> [Violation] {
    let defined = Set(
      glossary.lines.compactMap { $0.firstMatch(of: #/^\*\*([a-z -]+)\*\*/#).map { String($0.1) } })
    return vocabulary.filter { !defined.contains($0) }.map {
      Violation(path: glossary.path, line: 0, message: "does not define '\($0)'")
    }
  }

  /// Decisions are numbered from 0001 without a gap, and each says its number in its title.
  static func misnumberedDecisions(_ files: [TextFile]) -> [Violation] {
    files.filter { !$0.path.hasSuffix("/template.md") }.sorted { $0.path < $1.path }.enumerated()
      .compactMap { index, file in
        let name = file.path.split(separator: "/").last.map(String.init) ?? ""
        guard let number = name.firstMatch(of: #/^(\d{4})-[a-z0-9-]+\.md$/#).flatMap({ Int($0.1) })
        else {
          return Violation(path: file.path, line: 0, message: "is not named NNNN-title.md")
        }
        guard number == index + 1 else {
          return Violation(
            path: file.path, line: 0, message: "is the \(index + 1). decision by the order of names"
          )
        }
        let numbers = file.lines.first?.matches(of: #/\d+/#).compactMap { Int($0.output) } ?? []
        guard file.text.hasPrefix("# "), numbers.contains(number) else {
          return Violation(path: file.path, line: 1, message: "its title does not say its number")
        }
        return nil
      }
  }

  /// Tests that a document names, as `ProxyTests.keepsTheLastGoodTable()`, and nobody wrote.
  static func missingTests(_ document: TextFile, tests: [TextFile]) -> [Violation] {
    document.lines.enumerated().flatMap { index, line in
      line.matches(of: #/`(\w+Tests)\.(\w+)\(\)`/#).filter { match in
        !tests.contains {
          $0.target == String(match.1) && $0.text.contains("func \(match.2)(")
        }
      }.map {
        Violation(
          path: document.path, line: index + 1, message: "there is no test \($0.1).\($0.2)()")
      }
    }
  }

  /// Rows of the catalogue of losses for which there is no test yet.
  static let uncoveredLosses: Set<Int> = [10]

  /// Rows of the catalogue of losses that are missing, stand there twice, or show nothing. That a
  /// named test exists is for ``missingTests(_:tests:)`` to say.
  ///
  /// - Parameter uncovered: rows that must say `not yet` with a reason, and no others may.
  static func unshownLosses(
    _ document: TextFile, count: Int, uncovered: Set<Int>
  ) -> [Violation] {
    var seen: Set<Int> = []
    var found: [Violation] = []
    for (index, line) in document.lines.enumerated() {
      guard let row = line.prefixMatch(of: #/\| (\d+) \|/#), let number = Int(row.1) else {
        continue
      }
      func note(_ message: String) {
        found.append(
          Violation(path: document.path, line: index + 1, message: "row \(number) \(message)"))
      }
      if !seen.insert(number).inserted { note("stands here twice") }
      if !(1...count).contains(number) { note("is not one of the \(count)") }
      let isUncovered = line.contains(#/\*\*not yet:\*\* \S/#)
      if isUncovered != uncovered.contains(number) {
        note(isUncovered ? "says 'not yet'" : "does not say 'not yet' and why")
      }
      if !isUncovered, !line.contains(#/`\w+Tests\.\w+\(\)`/#) { note("names no test") }
    }
    return found
      + (1...count).filter { !seen.contains($0) }.map {
        Violation(path: document.path, line: 0, message: "lacks row \($0)")
      }
  }

  /// `make` targets that a document names and the Makefile lacks.
  static func missingTargets(_ document: TextFile, makefile: String) -> [Violation] {
    let known = Set(makefile.matches(of: #/(?m)^([a-z-]+):/#).map { String($0.1) })
    return document.lines.enumerated().flatMap { index, line in
      line.matches(of: #/(?:`|^\s*(?:\$ )?(?:sudo )?)make ([a-z-]+)/#).map { String($0.1) }
        .filter { !known.contains($0) }.map {
          Violation(path: document.path, line: index + 1, message: "there is no 'make \($0)'")
        }
    }
  }

  /// The table of targets in the architecture says what the manifest says.
  static func driftedTargets(_ architecture: TextFile, _ manifest: Manifest) -> [Violation] {
    var rows: [String: (line: Int, imports: Set<String>)] = [:]
    for (index, line) in architecture.lines.enumerated() {
      guard let row = line.wholeMatch(of: #/\| `([\w-]+)` \| [^|]+ \|(.*)\|/#) else { continue }
      rows[String(row.1)] = (
        index + 1, Set(row.2.matches(of: #/`([\w-]+)`/#).map { String($0.1) })
      )
    }
    return manifest.targets.filter { $0.path.hasPrefix("Sources/") }.compactMap { target in
      guard let row = rows[target.name] else {
        return Violation(
          path: architecture.path, line: 0, message: "the table of targets lacks \(target.name)")
      }
      // The composition root knows everything; the table says so in a word.
      let declared = target.name == "segue" ? [] : Set(target.targets + target.products)
      guard row.imports == declared else {
        let difference = row.imports.symmetricDifference(declared).sorted()
        return Violation(
          path: architecture.path, line: row.line,
          message:
            "\(target.name) differs from Package.swift in \(difference.joined(separator: ", "))"
        )
      }
      return nil
    }
  }
}
