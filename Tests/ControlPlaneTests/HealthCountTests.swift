import Ports
import SegueModel
import Testing

@testable import ControlPlane

/// Rows 16 and 17 of the catalogue of losses: one answer decides nothing.
@Suite struct HealthCountTests {
  /// The changes that answers lead to, `+` for a pass and `-` for a failure: `R` ready, `U` unready.
  private static func changes(_ answers: String, rise: Int, fall: Int) -> String {
    var count = HealthCount(health: HealthSpec(rise: rise, fall: fall))
    var isReady = false
    return String(
      answers.enumerated().map { index, answer -> Character in
        let change = count.count(
          answer == "+" ? .pass : .fail("no"), wasReady: isReady,
          at: Instant(milliseconds: Int64(index)))
        switch change {
        case .none: return "."
        case .ready:
          isReady = true
          return "R"
        case .unready:
          isReady = false
          return "U"
        }
      })
  }

  @Test(arguments: [
    ("+-+-+-", "......"), ("++", ".R"), ("-+-++", "....R"), ("++-+-+-+", ".R......"),
    ("++--+--+", ".R......"), ("++---", ".R..U"), ("++---+-++", ".R..U...R"), ("++----", ".R..U."),
  ])
  func onlySeveralAnswersInARowCount(_ answers: String, _ expected: String) {
    #expect(Self.changes(answers, rise: 2, fall: 3) == expected)
  }
}
