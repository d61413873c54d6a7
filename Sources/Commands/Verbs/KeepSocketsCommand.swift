internal import ArgumentParser
internal import ControlProtocol

/// What holds sockets open from one control plane to the next.
struct KeepSocketsCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "keep-sockets",
    abstract: "Hold the sockets that instances share; the control plane starts it by itself.",
    discussion: """
      Instances of a service with `listen: { inherit: … }` accept from one socket. This process has a \
      copy of it, so that it stays open, with every connection that waits in it, when the control \
      plane is stopped, killed or upgraded.
      """)

  @OptionGroup var common: CommonOptions

  func run(in context: Context) async throws -> ExitStatus {
    guard context.environment["LISTEN_FDS"] == "1" else {
      throw ControlError(
        .refused, "there is no socket to be asked on",
        nextStep: "Leave this command to `segue serve`, which starts it when it is needed")
    }
    try await context.composition.keepSockets()
    return .success
  }
}
