import Evidence
import SegueModel

/// A project with the published flaky tests among sound ones, commit by commit: which test really fails
/// without cause, and which was broken by a commit, is known here and to nobody who judges.
struct FlakyWorld {
  struct Settings {
    var soundTests = 2_000
    /// One run in so many meets a machine that fails tests at random; `nil`: none does.
    var troubleEvery: Int? = 200
    /// Thousandths of the tests that fail in such a run.
    var troubleShare = 5
    /// One commit in so many breaks a test for good; it is mended two commits later.
    var breakEvery = 10
    /// How many commits a broken test stays broken.
    var brokenFor = 2
    var retries = 2
  }

  /// What one commit came to.
  struct Commit {
    /// Attempts that failed and passed, of tests that failed at all.
    var odd: [Int: FlakyModel.Attempts] = [:]
    /// The tests that are broken at this commit, and whether it is the one that broke them.
    var broken: [Int: Bool] = [:]
  }

  let settings: Settings
  private(set) var statistics: [FlakyModel.Statistics]
  private var random: Numbers
  private var brokenUntil: [Int: Int] = [:]
  private var commits = 0

  init(_ settings: Settings, seed: UInt64) {
    self.settings = settings
    random = Numbers(state: seed)
    statistics = Array(
      repeating: .init(), count: PublishedRates.failures.count + settings.soundTests)
  }

  /// The flaky tests come first.
  var tests: Range<Int> { 0..<statistics.count }
  func isFlaky(_ test: Int) -> Bool { test < PublishedRates.failures.count }

  /// Times that a test fails without cause, in ``PublishedRates/runs``.
  func failures(of test: Int) -> Int { isFlaky(test) ? PublishedRates.failures[test] : 0 }

  /// Runs the tests of the next commit, and those that failed again.
  mutating func next() -> Commit {
    commits += 1
    brokenUntil = brokenUntil.filter { $0.value > commits }
    var commit = Commit()
    for test in brokenUntil.keys { commit.broken[test] = false }
    if random.below(settings.breakEvery) == 0 {
      let test = random.below(tests.count)
      brokenUntil[test] = commits + settings.brokenFor
      commit.broken[test] = true
    }
    let isTrouble = settings.troubleEvery.map { random.below($0) == 0 } ?? false
    for test in tests {
      var attempts = FlakyModel.Attempts(failures: 0, passes: 0)
      for attempt in 0...settings.retries where attempts.passes == 0 {
        let isStruck = isTrouble && attempt == 0 && random.below(1_000) < settings.troubleShare
        let fails =
          commit.broken[test] != nil || isStruck
          || random.below(PublishedRates.runs) < failures(of: test)
        if fails { attempts.failures += 1 } else { attempts.passes += 1 }
      }
      statistics[test].add(attempts)
      if attempts.failures > 0 { commit.odd[test] = attempts }
    }
    return commit
  }
}

/// Numbers that look random and are the same every time (SplitMix64).
struct Numbers {
  var state: UInt64

  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((mixed ^ (mixed >> 31)) % UInt64(max(1, bound)))
  }
}
