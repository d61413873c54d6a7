internal import AnalysisImport
internal import ArgumentParser
internal import CanaryAnalysis
internal import ControlProtocol
internal import Foundation

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Take over what another tool was told.",
    subcommands: [ImportAnalysisCommand.self])
}

struct ImportAnalysisCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "analysis",
    abstract: "Write the `analysis` of a service that an Argo Rollouts or Flagger file means.",
    discussion: """
      An AnalysisTemplate, a Canary or MetricTemplates; the text goes to standard output, ready to be \
      put under a service, with what cannot be expressed as remarks before it.

      EXAMPLES:
        segue import analysis success-rate.yaml
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "The file, or - for standard input.")
  var file: String

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let text = try Self.text(file, from: context.directory)
    let imported: ImportedAnalysis
    do {
      imported = try AnalysisImporter.read(text)
    } catch {
      throw ControlError(.refused, "\(file): \(error)")
    }
    let yaml = AnalysisYAML.text(imported)
    if common.json {
      try await console.print(JSONText.line(["yaml": yaml]))
    } else {
      for note in imported.notes { try await console.print("# \(note)") }
      try await console.print(yaml)
    }
    return .success
  }

  private static func text(_ file: String, from directory: String) throws -> String {
    do {
      let limit = AnalysisImporter.sizeLimit + 1
      let handle =
        file == "-"
        ? FileHandle.standardInput
        : try FileHandle(forReadingFrom: URL(filePath: Parse.path(file, from: directory)))
      let data = try handle.read(upToCount: limit) ?? Data()
      return String(decoding: data, as: UTF8.self)
    } catch {
      throw ControlError(.refused, "\(file) cannot be read", causes: [error.localizedDescription])
    }
  }
}

/// An imported analysis as `segue.yaml` says it.
enum AnalysisYAML {
  static func text(_ imported: ImportedAnalysis) -> String {
    var watch: [String] = []
    var metrics: [String] = []
    for metric in imported.metrics {
      switch metric.source {
      case .successRate: watch.append("errors")
      case .latency: watch.append("latency")
      case .prometheus(let address, let query):
        metrics += lines(metric, ["prometheus: \(quoted(address))", "query: \(quoted(query))"])
      case .json(let address, let path):
        metrics += lines(metric, ["json: \(quoted(address))", "path: \(quoted(path))"])
      }
    }
    var text = "analysis:\n  watch: [\(Set(watch).sorted().joined(separator: ", "))]"
    if !metrics.isEmpty {
      text += "\n  metrics:\n" + metrics.map { "    " + $0 }.joined(separator: "\n")
    }
    return text
  }

  private static func lines(_ metric: ImportedAnalysis.Metric, _ source: [String]) -> [String] {
    var lines = ["\(name(metric.name)):"] + source.map { "  " + $0 }
    if let least = metric.check.atLeast { lines.append("  at-least: \(number(least))") }
    if let most = metric.check.atMost { lines.append("  at-most: \(number(most))") }
    if metric.check.failuresAllowed > 0 {
      lines.append("  failures: \(metric.check.failuresAllowed)")
    }
    return lines + ["  interval: \(max(1, metric.check.every))s"]
  }

  /// A lower-case letter, then letters, digits and hyphens.
  private static func name(_ text: String) -> String {
    let name = text.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
    let cut = String(name.prefix(40))
    return cut.first?.isLetter == true ? cut : "m-" + cut.prefix(38)
  }

  private static func quoted(_ text: String) -> String {
    "'"
      + text.trimmingCharacters(in: .whitespacesAndNewlines).replacing("'", with: "''")
      .replacing("\n", with: " ") + "'"
  }

  private static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e12 ? "\(Int64(value))" : "\(value)"
  }
}
