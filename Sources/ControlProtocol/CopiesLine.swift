/// How many answers to copied requests differ, in whole numbers.
public struct CopiesLine: Hashable, Codable, Sendable {
  public enum Answer: String, Hashable, Codable, Sendable {
    case good, bad
    case notEnoughEvidence = "not-enough-evidence"
  }

  public var answer: Answer
  /// For people.
  public var sentence: String
  public var compared: UInt64
  /// Those without an answer included.
  public var differing: UInt64
  /// The bounds of the part that differs, which hold at any moment, and what is tolerated, in
  /// millionths.
  public var atLeast: Int64
  public var atMost: Int64
  public var tolerated: Int64

  public init(
    answer: Answer, sentence: String, compared: UInt64, differing: UInt64, atLeast: Int64,
    atMost: Int64, tolerated: Int64
  ) {
    self.answer = answer
    self.sentence = sentence
    self.compared = compared
    self.differing = differing
    self.atLeast = atLeast
    self.atMost = atMost
    self.tolerated = tolerated
  }
}
