/// What live traffic said of a release, in whole numbers.
public struct JudgementLine: Hashable, Codable, Sendable {
  public enum Answer: String, Hashable, Codable, Sendable {
    case good, bad
    case notEnoughEvidence = "not-enough-evidence"
  }

  /// The evidence at one moment, in thousandths of what suffices.
  public struct Point: Hashable, Codable, Sendable {
    /// Milliseconds since the judging began.
    public var after: Int64
    /// Against the release, and for its promotion.
    public var against: Int64
    public var inFavour: Int64

    public init(after: Int64, against: Int64, inFavour: Int64) {
      self.after = after
      self.against = against
      self.inFavour = inFavour
    }
  }

  public var answer: Answer
  /// For people.
  public var sentence: String
  /// Of the new release, and of the old one beside it.
  public var requests: UInt64
  public var errors: UInt64
  public var requestsBefore: UInt64
  public var errorsBefore: UInt64
  /// The ratio of the error rates and the bounds around it, in thousandths; `nil`: nobody can say.
  public var ratio: Int64?
  public var ratioAtLeast: Int64?
  public var ratioAtMost: Int64?
  /// The chance of so many errors of a release within the tolerance, at most, in millionths.
  public var chance: Int64
  /// Requests of the new release until it could be promoted, if all stays as it is.
  public var requestsStillNeeded: Int64?
  /// Oldest first, at most ``pointLimit``.
  public var points: [Point]

  public static let pointLimit = 120

  public init(
    answer: Answer, sentence: String, requests: UInt64, errors: UInt64, requestsBefore: UInt64,
    errorsBefore: UInt64, ratio: Int64? = nil, ratioAtLeast: Int64? = nil,
    ratioAtMost: Int64? = nil, chance: Int64, requestsStillNeeded: Int64? = nil,
    points: [Point] = []
  ) {
    self.answer = answer
    self.sentence = sentence
    self.requests = requests
    self.errors = errors
    self.requestsBefore = requestsBefore
    self.errorsBefore = errorsBefore
    self.ratio = ratio
    self.ratioAtLeast = ratioAtLeast
    self.ratioAtMost = ratioAtMost
    self.chance = chance
    self.requestsStillNeeded = requestsStillNeeded
    self.points = points
  }
}
