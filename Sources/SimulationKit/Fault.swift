/// Something that goes wrong in a simulated world, or somebody who meddles. Named as in
/// `segue simulate --faults`.
public enum Fault: String, CaseIterable, Hashable, Sendable {
  /// The control plane dies before a commit, after it, or between an effect and its result.
  case crash
  /// The disk is full or the journal is busy: an append is refused.
  case journal
  /// An effect is never carried out, or its result is never heard of.
  case lost
  /// An effect is carried out twice.
  case duplicate
  /// Effects take long, and so overtake one another.
  case late
  /// Releases whose instances never get ready or cannot be started.
  case unready
  /// Instances that fail their checks for a while.
  case flap
  /// Instances that die, at any moment or with their first request.
  case death
  /// Instances that ignore SIGTERM.
  case stubborn
  /// Instances whose stop is never confirmed.
  case leak
  /// Requests that outlive the drain deadline.
  case drain
  /// The proxy is restarted: requests in flight are lost, its table is not.
  case proxy
  /// The proxy does not answer for a while, or its event loops are generations behind.
  case lag
  /// The wall clock jumps, forward and back.
  case clock
  /// A second control plane, while the first still believes that it owns the journal.
  case writers
  /// The machine restarts.
  case reboot
  /// Abort, pause, resume, promote, roll back, deploy again, older, superseding: at any moment.
  case people
  /// A gate turns releases down late, and lets them through again.
  case gate
  /// A judge says good or bad, or nothing.
  case verdict
  /// Database changes that fail, hang or are interrupted.
  case migration

  /// Its place in a ``FaultSet``.
  var bit: UInt32 { 1 << UInt32(Self.allCases.firstIndex(of: self) ?? 0) }
}

/// Which faults are on.
public struct FaultSet: Hashable, Sendable, CustomStringConvertible {
  private var bits: UInt32

  public init(_ faults: some Sequence<Fault>) {
    bits = faults.reduce(0) { $0 | $1.bit }
  }

  public static let none = FaultSet([])
  public static let all = FaultSet(Fault.allCases)

  public func contains(_ fault: Fault) -> Bool { bits & fault.bit != 0 }

  mutating func remove(_ fault: Fault) { bits &= ~fault.bit }

  /// In the order of their declaration.
  public var faults: [Fault] { Fault.allCases.filter(contains) }

  /// As `--faults` takes it: `all`, `none`, or names separated by commas.
  public init?(parsing text: String) {
    switch text {
    case "all": self = .all
    case "none": self = .none
    default:
      var faults: [Fault] = []
      for name in text.split(separator: ",", omittingEmptySubsequences: false) {
        guard let fault = Fault(rawValue: String(name)) else { return nil }
        faults.append(fault)
      }
      self.init(faults)
    }
  }

  public var description: String {
    if self == .all { return "all" }
    if self == .none { return "none" }
    return faults.map(\.rawValue).joined(separator: ",")
  }
}
