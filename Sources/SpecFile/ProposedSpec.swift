/// A first `segue.yaml` for a repository, with comments, and what its author should know.
public struct ProposedSpec: Hashable, Codable, Sendable {
  /// The file. ``SpecReader`` accepts it without an error exactly when ``isComplete``.
  public var text: String
  /// Sentences: what was recognised, what was guessed, what could not be.
  public var notes: [String]
  /// Whether something was recognised that can be built or run. When not, the file is a template
  /// whose commands somebody has to fill in.
  public var isComplete: Bool

  public init(text: String, notes: [String], isComplete: Bool) {
    self.text = text
    self.notes = notes
    self.isComplete = isComplete
  }
}

/// A step that a detector proposes.
struct ProposedStep: Equatable {
  var name: String
  var run: String
  var needs: [String] = []
  var cache: [String] = []
  var junit: String?
  /// Written above the step.
  var comments: [String] = []
}

/// A service that a detector proposes.
struct ProposedService: Equatable {
  var name: String
  var run: String
  var isWorker = false
  var healthPath: String?
  /// Written above `run`.
  var comments: [String] = []
}

/// What one detector found.
struct Detection: Equatable {
  /// Such as "Node.js (package.json)".
  var kind: String
  var steps: [ProposedStep] = []
  var services: [ProposedService] = []
  var notes: [String] = []
}
