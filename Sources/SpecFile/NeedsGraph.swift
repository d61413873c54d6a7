/// Who needs whom, among steps, among services, or among environments.
struct NeedsGraph {
  struct Node {
    var name: String
    var span: Span
    var needs: [LocatedText]
  }

  /// "step", "service" or "environment".
  var kind: String
  /// The key that says whom: `needs` or `after`.
  var key: String
  var nodes: [Node] = []

  init(kind: String, key: String = "needs") {
    self.kind = kind
    self.key = key
  }

  /// "step `a` needs itself"
  func sentence(aboutItself name: String) -> String {
    "\(kind) `\(name)` " + (key == "after" ? "comes after itself" : "needs itself")
  }

  /// "steps need one another in a circle"
  var sentenceAboutCircle: String {
    "\(kind)s " + (key == "after" ? "come after" : "need") + " one another in a circle"
  }

  func span(of name: String) -> Span? { nodes.first { $0.name == name }?.span }

  /// A way back to where it started: the names in order, the first one again at the end, and the
  /// place of the `needs` entry that closes it.
  struct Cycle {
    var names: [String]
    var span: Span
  }

  /// One cycle for each entry that closes one, found in the order of the file.
  var cycles: [Cycle] {
    let byName = Dictionary(nodes.map { ($0.name, $0) }) { first, _ in first }
    var finished: Set<String> = []
    var path: [String] = []
    var found: [Cycle] = []
    func visit(_ node: Node) {
      path.append(node.name)
      for need in node.needs where need.text != node.name {
        if let start = path.firstIndex(of: need.text) {
          found.append(Cycle(names: path[start...] + [need.text], span: need.span))
        } else if !finished.contains(need.text), let next = byName[need.text] {
          visit(next)
        }
      }
      path.removeLast()
      finished.insert(node.name)
    }
    for node in nodes where !finished.contains(node.name) { visit(node) }
    return found
  }
}

extension SpecBuilder {
  mutating func check(_ graph: NeedsGraph) {
    let names = graph.nodes.map(\.name)
    let known = Set(names)
    for node in graph.nodes {
      for need in node.needs {
        if need.text == node.name {
          error(
            at: need.span, graph.sentence(aboutItself: node.name), hint: "take it out")
        } else if !known.contains(need.text) {
          let others = names.filter { $0 != node.name }
          error(
            at: need.span, "there is no \(graph.kind) \(Printable.quoted(need.text))",
            hint: didYouMean(need.text, among: others)
              ?? (others.isEmpty
                ? nil
                : "there are: " + others.prefix(20).map { "`\($0)`" }.joined(separator: ", ")))
        }
      }
    }
    for cycle in graph.cycles {
      error(
        at: cycle.span,
        "\(graph.sentenceAboutCircle): " + cycle.names.joined(separator: " -> "),
        hint: "take one of them out of `\(graph.key)`")
    }
  }
}
