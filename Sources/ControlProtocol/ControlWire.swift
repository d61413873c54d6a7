/// The names that the control API's HTTP form is made of: what `ControlServer` serves and
/// `ControlClient` asks for. One place, so that the two cannot drift apart.
public enum ControlWire {
  /// Carries ``controlProtocolVersion`` in every request and every response.
  public static let versionHeader = "segue-protocol"

  public enum Path {
    public static let status = "/v1/status"
    public static let deploy = "/v1/deploy"
    public static let rollback = "/v1/rollback"
    public static let abort = "/v1/abort"
    public static let pause = "/v1/pause"
    public static let resume = "/v1/resume"
    public static let promote = "/v1/promote"
    public static let promoteRelease = "/v1/promote-release"
    public static let facts = "/v1/facts"
    public static let history = "/v1/history"
    public static let receipt = "/v1/receipt"
    public static let explain = "/v1/explain"
    public static let gates = "/v1/gates"
    public static let experiment = "/v1/experiment"
    public static let goal = "/v1/goal"
    public static let tests = "/v1/tests"
    public static let testDurations = "/v1/test-durations"
    public static let testTimes = "/v1/test-times"
    public static let feed = "/v1/feed"
    public static let logs = "/v1/logs"
    public static let freeze = "/v1/freeze"
    public static let lift = "/v1/lift"
    public static let approve = "/v1/approve"
    public static let calendar = "/v1/calendar"
    public static let calendarFeed = "/v1/calendar.ics"
    public static let diagnose = "/v1/diagnose"
    public static let pushed = "/v1/pushed"
  }

  /// The events of a stream. A stream that stops without ``end`` or ``error`` was cut.
  public enum StreamEvent {
    /// The data is one element of the stream.
    public static let item = "item"
    /// Nothing more will come: the stream is complete.
    public static let end = "end"
    /// The data is a ``ControlError``; nothing more will come.
    public static let error = "error"
  }
}
