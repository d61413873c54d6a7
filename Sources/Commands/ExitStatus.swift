public import ControlProtocol

/// How every `segue` command ends: what a script may rely on.
public enum ExitStatus: Int32, Sendable, CaseIterable {
  /// It is done, and it went well.
  case success = 0
  /// Segue did as asked and the answer is no: a commit was refused, a rollout was taken back, a
  /// check found a problem.
  case negative = 1
  /// The command, one of its names, or `segue.yaml` makes no sense.
  case usage = 2
  /// The control plane is not running, or does not answer.
  case unreachable = 3
  /// It cannot be done now; the message says what can.
  case refused = 4
  /// Something outside Segue failed: the disk, the network, Git.
  case failure = 5
  /// Stopped by Ctrl-C before the answer was known.
  case interrupted = 130

  /// One line of `segue --help`.
  public var meaning: String {
    switch self {
    case .success: "done, and it went well"
    case .negative: "the answer is no: refused, rolled back, or a problem was found"
    case .usage: "the command, one of its names, or segue.yaml makes no sense"
    case .unreachable: "the control plane is not running or does not answer"
    case .refused: "it cannot be done now; the message says what can"
    case .failure: "something outside Segue failed"
    case .interrupted: "stopped by Ctrl-C before the answer was known"
    }
  }

  /// How a command ends that got this error.
  public init(_ kind: ControlError.Kind) {
    self =
      switch kind {
      case .invalid, .notFound: .usage
      case .refused: .refused
      case .failed: .failure
      case .unreachable: .unreachable
      }
  }

  /// How a command ends that waited for a commit's fate and was told this.
  public init(fate: FeedItem) {
    self =
      switch fate.level {
      case .info, .success, .output: .success
      case .warning, .failure: .negative
      }
  }
}
