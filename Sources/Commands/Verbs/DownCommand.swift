internal import ArgumentParser
internal import ControlProtocol

struct DownCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "down",
    abstract: "Stop everything: the control plane, the instances and the proxy.",
    discussion: """
      Requests are no longer served. The state directory stays: `segue up` brings the last live \
      release back. To restart the control plane alone, stop `segue serve`: the rest goes on \
      without it.
      """)

  @OptionGroup var common: CommonOptions

  func run(in context: Context) async throws -> ExitStatus {
    let state = try context.state(common)
    let message = try await context.composition.down(state: state)
    let console = context.console(common)
    if common.json {
      try await console.print(JSONText.line(["message": message]))
    } else {
      try await console.print(message)
    }
    return .success
  }
}
