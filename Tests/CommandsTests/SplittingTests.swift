import ControlProtocol
import Foundation
import SegueModel
import Testing

@testable import Commands

@Suite struct SplittingTests {
  static let list = "tests/c.py\ntests/a.py\n\n  tests/b.py\ntests/new.py\ntests/a.py\n"

  /// `a` takes 10 s, `b` and the unknown one 6 s, `c` 3 s.
  @Test(arguments: [
    (1, "tests/c.py\ntests/a.py\n"), (2, "tests/b.py\ntests/new.py\n"),
  ])
  func eachShardIsGivenItsPart(number: Int, output: String) async throws {
    let outcome = try await segue(
      "tests", "split", "--shard", "\(number)", "--of", "2", input: Self.list)
    #expect(outcome.status == .success, "\(outcome.errors)")
    #expect(outcome.output == output)
  }

  /// In a step the environment says which shard it is and how long tests took; the control plane is
  /// not asked.
  @Test func inAStepNothingNeedsToBeSaid() async throws {
    try await withDirectory { directory in
      let times = directory + "/times"
      try "9000\tx > tests.c.one\n1\tx > tests.a.one\nnonsense\n".write(
        toFile: times, atomically: true, encoding: .utf8)
      let outcome = try await segue(
        ["tests", "split"], api: ScriptedAPI(failure: .init(.unreachable, "not here")),
        environment: ["SEGUE_SHARD": "1", "SEGUE_SHARDS": "2", "SEGUE_TEST_TIMES": times],
        input: "tests/a.py\ntests/c.py\n")
      #expect(outcome.output == "tests/c.py\n", "\(outcome.errors)")
    }
  }

  @Test func theWholePlanIsToldAsJSON() async throws {
    struct Plan: Decodable {
      struct Part: Decodable {
        var number: Int
        var expected: Int64
        var tests: [String]
      }
      var shards: [Part]
      var unknown: Int
    }
    let outcome = try await segue("tests", "split", "--of", "2", "--json", input: Self.list)
    let plan = try JSONDecoder().decode(Plan.self, from: Data(outcome.output.utf8))
    #expect(plan.shards.map(\.number) == [1, 2])
    #expect(plan.shards.map(\.expected) == [13_000, 12_000])
    #expect(plan.shards.flatMap(\.tests).count == 4)
    #expect(plan.unknown == 1)
  }

  @Test(arguments: [
    (["--shard", "1"], "a", "into how many shards?"),
    (["--of", "2"], "a", "which shard is meant?"),
    (["--shard", "3", "--of", "2"], "a", "there is no shard 3 of 2"),
    (["--shard", "1", "--of", "2"], " \n", "no test is listed"),
    (["--shard", "2", "--of", "2"], "a", "shard 2 of 2 has nothing to run"),
    (["--shard", "1", "--of", "101"], "a", "--of must be from 1 to 100"),
  ])
  func whatCannotBeSplitIsSaid(options: [String], input: String, words: String) async throws {
    let outcome = try await segue(["tests", "split"] + options, input: input)
    #expect(outcome.status == .usage)
    #expect(outcome.errors.contains(words), "\(outcome.errors)")
  }

  @Test func aTrendIsAskedForAlone() async throws {
    let both = try await segue("tests", "--trend", "--slow")
    #expect(both.status == .usage)
    let trend = try await segue("tests", "--trend", "--json")
    #expect(trend.output.contains("\"subject\" : \"Basket.add\""), "\(trend.output)")
  }
}
