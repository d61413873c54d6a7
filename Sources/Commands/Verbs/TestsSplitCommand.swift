internal import ArgumentParser
internal import ControlProtocol
internal import Evidence
internal import Foundation
internal import SegueModel

/// Which tests this shard runs.
struct TestsSplitCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "split",
    abstract: "Print the part of a list of tests that one shard is to run.",
    discussion: """
      Reads tests from standard input, one on each line, as the program names them that runs them; \
      files, classes or packages that hold tests will do. Prints those of one shard, so that all \
      shards take about the same time by what is known of earlier runs. Every shard computes the \
      same plan, and each test is in exactly one.

      In a step with `shards`, Segue tells which shard it is, and how long tests took.

      EXAMPLES:
        segue tests split --shard 2 --of 4 < all-tests
        segue tests split --of 4 --json < all-tests          the whole plan
        "$SEGUE_PROGRAM" tests split < all-tests             in a step
      """)

  @OptionGroup var common: CommonOptions
  @Option(
    help: ArgumentHelp("Which shard, from 1. Default: what Segue told the step.", valueName: "n"))
  var shard: Int?
  @Option(help: ArgumentHelp("How many shards. Default: what Segue told the step.", valueName: "n"))
  var of: Int?

  private struct Part: Encodable {
    var number: Int
    var expected: Milliseconds
    var tests: [String]
  }

  private struct Plan: Encodable {
    var shards: [Part]
    /// Listed, and never seen to run: taken to need the median.
    var unknown: Int
  }

  private static let mostShards = 100

  func validate() throws {
    if let of, !(1...Self.mostShards).contains(of) {
      throw ValidationError("--of must be from 1 to \(Self.mostShards).")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let (number, count) = try place(context.environment)
    let listing = await context.input()
    guard listing.utf8.count < Console.inputLimit else {
      throw ControlError(
        .invalid, "the list of tests is too long to be read whole",
        nextStep: "List files, classes or packages in place of single tests")
    }
    let units = listing.split(whereSeparator: \.isNewline)
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    guard !units.isEmpty else {
      throw ControlError(
        .invalid, "no test is listed on standard input",
        nextStep: "Give one test on each line: segue tests split --shard 1 --of 4 < all-tests")
    }
    let times = ShardPlan.times(of: units, history: try await history(context))
    let plan = ShardPlan(tests: units, times: times, count: count)
    if common.json {
      let parts = plan.shards.enumerated().map {
        Part(number: $0 + 1, expected: $1.expected, tests: $1.tests)
      }
      try await console.print(
        JSONText.document(Plan(shards: parts, unknown: Set(units).count - times.count)))
      return .success
    }
    guard let number else {
      throw ControlError(
        .invalid, "which shard is meant?", nextStep: "Say `--shard 1`, or `--json`")
    }
    let own = Set(plan.shards[number - 1].tests)
    guard !own.isEmpty else {
      throw ControlError(
        .invalid, "shard \(number) of \(count) has nothing to run: \(units.count) tests are listed",
        nextStep: "Split them into fewer shards")
    }
    var seen: Set<String> = []
    // In the order of the list: programs may care for it.
    let chosen = units.filter { own.contains($0) && seen.insert($0).inserted }
    try await console.print(chosen.joined(separator: "\n"))
    return .success
  }

  private func place(_ environment: [String: String]) throws -> (number: Int?, count: Int) {
    let number = shard ?? environment["SEGUE_SHARD"].flatMap { Int($0) }
    guard let count = of ?? environment["SEGUE_SHARDS"].flatMap({ Int($0) }),
      (1...Self.mostShards).contains(count)
    else {
      throw ControlError(
        .invalid, "into how many shards?",
        nextStep: "Say `--of 4`, or call this in a step with `shards: 4`")
    }
    if let number, !(1...count).contains(number) {
      throw ControlError(.invalid, "there is no shard \(number) of \(count)")
    }
    return (number, count)
  }

  /// From the file that a step is given; elsewhere, from the control plane.
  private func history(_ context: Context) async throws -> [String: Milliseconds] {
    guard let path = context.environment["SEGUE_TEST_TIMES"] else {
      let known = Known()
      _ = try await context.withAPI(common) { api in
        await known.set(try await api.testTimes().times)
        return .success
      }
      return await known.times
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ControlError(.failed, "\(path) cannot be read")
    }
    var times: [String: Milliseconds] = [:]
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "\t", maxSplits: 1)
      guard parts.count == 2, let time = Int64(parts[0]) else { continue }
      times[String(parts[1])] = Milliseconds(time)
    }
    return times
  }

  private actor Known {
    var times: [String: Milliseconds] = [:]
    func set(_ times: [String: Milliseconds]) { self.times = times }
  }
}
