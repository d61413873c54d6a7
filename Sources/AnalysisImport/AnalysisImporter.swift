import CanaryAnalysis
import Yams

/// Reads the analyses of Argo Rollouts (`AnalysisTemplate`, `ClusterAnalysisTemplate`) and of Flagger
/// (`Canary` with its metrics, `MetricTemplate`), as their documentation describes them.
///
/// Their meaning is kept: a bound on the canary's own value, so many failures allowed. What has no
/// counterpart here is told in words and left out.
public enum AnalysisImporter {
  /// A file larger than this is no analysis.
  public static let sizeLimit = 1 << 20

  /// Reads all documents of a YAML file together: a `Canary` finds its `MetricTemplate` there.
  public static func read(_ text: String) throws(ImportFault) -> ImportedAnalysis {
    guard text.utf8.count <= sizeLimit else {
      throw ImportFault(
        description: "the file is larger than 1 MiB; give one with the analysis only")
    }
    var documents: [Node] = []
    do {
      var found = try Yams.compose_all(yaml: text)
      while let document = found.next() { documents.append(document) }
      // A sequence cannot throw; it ends early and keeps the error.
      if let error = found.error { throw error }
    } catch {
      throw ImportFault(description: "the file is not YAML: \(error)")
    }
    let templates = documents.filter { kind(of: $0) == "MetricTemplate" }
    var result = ImportedAnalysis()
    var found = !templates.isEmpty
    for document in documents {
      switch kind(of: document) {
      case "AnalysisTemplate", "ClusterAnalysisTemplate":
        found = true
        ArgoReader(spec: document["spec"]).read(into: &result)
      case "Canary":
        found = true
        FlaggerReader(analysis: document["spec"]?["analysis"], templates: templates)
          .read(into: &result)
      case "MetricTemplate": break
      case let kind?: result.notes.append("\(kind) is no analysis and was left out.")
      case nil: break
      }
    }
    guard found else {
      throw ImportFault(
        description: "the file has no AnalysisTemplate, ClusterAnalysisTemplate, Canary or "
          + "MetricTemplate; give one that has")
    }
    if result.metrics.isEmpty, templates.count == documents.count {
      result.notes.append(
        "A MetricTemplate has no bounds of its own: give the Canary that refers to it as well.")
    }
    return result
  }

  private static func kind(of document: Node) -> String? { document["kind"]?.string }

  /// `30s`, `5m`, `1h`; `nil` for anything else.
  static func seconds(_ text: String?) -> Int? {
    guard let text, let unit = text.last, let count = Int(text.dropLast()), count > 0,
      count < 1_000_000
    else { return nil }
    switch unit {
    case "s": return count
    case "m": return count * 60
    case "h": return count * 3_600
    default: return nil
    }
  }

  /// Replaces `{{ name }}` by what `value` says; what it does not know stays, and is returned.
  static func filled(
    _ template: String, _ value: (String) -> String?
  ) -> (text: String, unknown: [String]) {
    var text = ""
    var unknown: [String] = []
    var rest = template[...]
    while let open = rest.firstRange(of: "{{"),
      let close = rest[open.upperBound...].firstRange(of: "}}")
    {
      let name = String(rest[open.upperBound..<close.lowerBound].filter { $0 != " " })
      text += rest[..<open.lowerBound]
      if let value = value(name) {
        text += value
      } else {
        text += rest[open.lowerBound..<close.upperBound]
        unknown.append(name)
      }
      rest = rest[close.upperBound...]
    }
    return (text + rest, unknown)
  }

  /// Segue asks once for each version, so that a query has to tell them apart.
  static func note(_ metric: String, query: String, unknown: [String], in notes: inout [String]) {
    for name in unknown {
      notes.append("\(metric): {{\(name)}} is not known here; write its value into the query.")
    }
    if !query.contains("{{version}}") {
      notes.append(
        "\(metric): the query does not tell versions apart; add a label with {{version}} to it.")
    }
  }
}
