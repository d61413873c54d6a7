import CanaryAnalysis
import Yams

/// The `analysis` of a Canary, and the MetricTemplates that came with it.
struct FlaggerReader {
  var analysis: Node?
  var templates: [Node]

  func read(into result: inout ImportedAnalysis) {
    guard let analysis else {
      result.notes.append("The Canary has no analysis.")
      return
    }
    // Any failed check counts, and at the threshold the release goes back.
    let allowed = max(0, (analysis["threshold"]?.int ?? 1) - 1)
    let every = AnalysisImporter.seconds(analysis["interval"]?.string) ?? 60
    result.notes.append(
      "Flagger counts the failed checks of all metrics together; here each metric counts its own.")
    for metric in analysis["metrics"]?.array() ?? [] {
      read(metric, allowed: allowed, every: every, into: &result)
    }
    let instead = [
      "webhooks": "a step of the pipeline or a command as a metric can do that",
      "match": "a rollout with side routes does that", "mirror": "the shadow strategy does that",
      "maxWeight": "the strategy's stages say that", "stepWeight": "the strategy's stages say that",
      "stepWeights": "the strategy's stages say that",
      "iterations": "the strategy's holds say that",
      "sessionAffinity": "sticky units do that", "alerts": "notifications do that",
    ]
    for (key, what) in instead.sorted(by: { $0.key < $1.key }) where analysis[key] != nil {
      result.notes.append("`\(key)` was left out; \(what).")
    }
  }

  private func read(
    _ metric: Node, allowed: Int, every: Int, into result: inout ImportedAnalysis
  ) {
    let name = metric["name"]?.string ?? "metric"
    let range = metric["thresholdRange"]
    // `threshold` is the older spelling of the upper bound, or of the lower one for success.
    let old = metric["threshold"]?.float
    let isSuccess = name == "request-success-rate"
    let check = ThresholdCheck(
      atLeast: range?["min"]?.float ?? (isSuccess ? old : nil),
      atMost: range?["max"]?.float ?? (isSuccess ? nil : old), every: every,
      failuresAllowed: allowed)
    guard check.atLeast != nil || check.atMost != nil else {
      result.notes.append("\(name): it has no thresholdRange, so it was left out.")
      return
    }
    guard let source = source(of: metric, name, &result.notes) else { return }
    result.metrics.append(.init(name: name, source: source, check: check))
  }

  private func source(
    of metric: Node, _ name: String, _ notes: inout [String]
  ) -> ImportedAnalysis.Source? {
    let interval = AnalysisImporter.seconds(metric["interval"]?.string).map { "\($0)s" }
    guard let reference = metric["templateRef"]?["name"]?.string else {
      switch name {
      case "request-success-rate": return .successRate
      case "request-duration": return .latency
      default:
        guard let query = metric["query"]?.string else {
          notes.append("\(name): it has neither a templateRef nor a query, so it was left out.")
          return nil
        }
        return prometheus("http://127.0.0.1:9090", query, name, interval, metric, &notes)
      }
    }
    let template = templates.first { $0["metadata"]?["name"]?.string == reference }
    guard let template else {
      notes.append(
        "\(name): the MetricTemplate \(reference) is not in the file; add it, as a further document."
      )
      return nil
    }
    let provider = template["spec"]?["provider"]
    guard provider?["type"]?.string == "prometheus" else {
      notes.append(
        "\(name): its provider (\(provider?["type"]?.string ?? "none")) has no counterpart, so it "
          + "was left out; a command that prints JSON can ask it.")
      return nil
    }
    if provider?["secretRef"] != nil {
      notes.append("\(name): the credentials of its provider were left out.")
    }
    return prometheus(
      provider?["address"]?.string ?? "http://127.0.0.1:9090",
      template["spec"]?["query"]?.string ?? "", name, interval, metric, &notes)
  }

  private func prometheus(
    _ address: String, _ query: String, _ name: String, _ interval: String?, _ metric: Node,
    _ notes: inout [String]
  ) -> ImportedAnalysis.Source {
    let filled = AnalysisImporter.filled(query) { placeholder in
      switch placeholder {
      case "target", "service": return "{{service}}"
      case "interval": return interval ?? "{{seconds}}s"
      default:
        guard placeholder.hasPrefix("variables.") else { return nil }
        return metric["templateVariables"]?[String(placeholder.dropFirst(10))]?.string
      }
    }
    AnalysisImporter.note(name, query: filled.text, unknown: filled.unknown, in: &notes)
    return .prometheus(address: address, query: filled.text.trimmed)
  }
}
