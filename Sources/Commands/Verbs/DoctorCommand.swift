internal import ArgumentParser
internal import ControlProtocol
internal import Foundation

struct DoctorCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Look for what will hurt later, and say what to do about it.",
    discussion: """
      Works whether the control plane runs or not. Exits with 1 when it finds a problem; warnings \
      and advice alone are no problem.
      """)

  @OptionGroup var common: CommonOptions
  @Option(
    help: ArgumentHelp("The address that the proxy is to have.", valueName: "address"),
    transform: Parse.address)
  var listen = ListenAddress()

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let findings = await Checkup(context: context, common: common, listen: listen).findings()
    if common.json {
      try await console.print(JSONText.document(findings))
    } else {
      try await console.print(
        ReportText(glyphs: console.glyphs, zone: .current).findings(findings))
    }
    return findings.contains { $0.severity == .problem } ? .negative : .success
  }
}
