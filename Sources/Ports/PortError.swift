public import SegueModel

/// What went wrong at the border between Segue and the world: what, whose fault, and whether trying
/// again can help.
public struct PortError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Whose fault it is, and so who must act.
  public enum Fault: String, Hashable, Codable, Sendable {
    /// The machine or container platform: out of memory, disk full, cannot start a process.
    case platform
    /// The router.
    case traffic
    /// Something between two machines.
    case network
    /// The user's repository, commands or configuration.
    case user
    /// A defect of Segue.
    case segue
  }

  public enum Retry: Hashable, Codable, Sendable {
    /// Trying again cannot help until somebody changes something.
    case never
    /// Trying again is harmless.
    case safe
    /// Only if nothing reached the other side.
    case onlyIfNotSent
    case after(Milliseconds)
  }

  /// One sentence without a final period.
  public var what: String
  public var fault: Fault
  public var retry: Retry
  /// Further sentences, from the nearest cause to the farthest.
  public var causes: [String]
  /// What the reader can do now, in the imperative; `nil` when there is nothing.
  public var nextStep: String?

  public init(
    _ what: String, fault: Fault, retry: Retry, causes: [String] = [], nextStep: String? = nil
  ) {
    self.what = what
    self.fault = fault
    self.retry = retry
    self.causes = causes
    self.nextStep = nextStep
  }

  /// The same failure seen from one level up.
  public func wrapped(_ what: String, nextStep: String? = nil) -> PortError {
    PortError(
      what, fault: fault, retry: retry, causes: [self.what] + causes,
      nextStep: nextStep ?? self.nextStep)
  }

  public var description: String {
    ([what] + causes).joined(separator: ": ") + (nextStep.map { ". \($0)" } ?? "")
  }
}
