internal import ArgumentParser
internal import ControlProtocol
internal import Dispatch
internal import Foundation
internal import SpecFile

struct InitCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Write a first segue.yaml for this repository.",
    discussion: """
      Looks at what is in the repository and proposes steps and services; runs nothing. Read what it \
      wrote before you commit it.

      EXAMPLES:
        segue init
        segue init --print         only shows it
      """)

  @OptionGroup var common: CommonOptions
  @Flag(help: "Write over the segue.yaml that is there.")
  var force = false
  @Flag(name: .customLong("print"), help: "Print the proposal instead of writing it.")
  var printsOnly = false

  private struct Report: Encodable {
    var path: String?
    var text: String
    var notes: [String]
    var complete: Bool
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let root = try Repository.requiredRoot(from: context.directory)
    let path = root + "/segue.yaml"
    guard printsOnly || force || !FileManager.default.fileExists(atPath: path) else {
      throw ControlError(
        .refused, "\(path) is there already",
        nextStep: "`segue init --print` shows the proposal, --force writes over the file")
    }
    let proposal = try await Self.proposal(for: root)
    if !printsOnly { try write(proposal.text, to: path) }
    if common.json {
      let report = Report(
        path: printsOnly ? nil : path, text: proposal.text, notes: proposal.notes,
        complete: proposal.isComplete)
      try await console.print(JSONText.document(report))
      return .success
    }
    if printsOnly { try await console.write(proposal.text) }
    // Beside the proposal, so that it can be redirected into a file.
    for note in proposal.notes { await console.printError(Printable.text(note)) }
    guard !printsOnly else { return .success }
    try await console.print("Wrote \(path).")
    try await console.print(
      proposal.isComplete
        ? "Read it, commit it, and run `segue up`."
        : "Fill in what it asks for, commit it, and run `segue up`.")
    return .success
  }

  /// Reads the repository on a queue of its own: it may be slow, and it blocks.
  private static func proposal(for root: String) async throws -> ProposedSpec {
    let files: ProjectFiles = try await withCheckedThrowingContinuation { continuation in
      DispatchQueue(label: "segue.init").async {
        continuation.resume(
          with: Result { try ProjectFiles(directory: URL(filePath: root)) })
      }
    }
    let name = root.split(separator: "/").last.map(String.init) ?? "app"
    return Initialiser.propose(name: name, files: files)
  }

  private func write(_ text: String, to path: String) throws(ControlError) {
    do {
      try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw ControlError(.failed, "cannot write \(path)", causes: [error.localizedDescription])
    }
  }
}

struct SchemaCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "schema",
    abstract: "Print the JSON Schema of segue.yaml, for editors.",
    discussion: """
      EXAMPLES:
        segue schema > segue.schema.json
      """)

  @OptionGroup var common: CommonOptions

  func run(in context: Context) async throws -> ExitStatus {
    try await context.console(common).write(SpecSchema.json)
    return .success
  }
}
