/// What is wrong with a text that was to say a time, where in it, and what may stand there.
public struct CalendarTextFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The text as it was given, shortened when it is too long to be meant.
  public var text: String
  /// Where the fault is: so many Unicode scalars from the beginning of the text.
  public var offset: Int
  /// `'Mo' is no day of the week`
  public var problem: String
  /// `Write Mon, Tue, Wed, Thu, Fri, Sat or Sun`
  public var nextStep: String

  public init(text: String, offset: Int, problem: String, nextStep: String) {
    self.text = text
    self.offset = offset
    self.problem = problem
    self.nextStep = nextStep
  }

  /// `'Mo' is no day of the week (at character 5 of "Sun-Mo UTC"). Write Mon, …`
  public var description: String {
    "\(problem) (at character \(offset + 1) of \"\(text)\"). \(nextStep)."
  }

  /// The text with a caret below the place.
  public var excerpt: String { "\(text)\n\(String(repeating: " ", count: offset))^" }
}
