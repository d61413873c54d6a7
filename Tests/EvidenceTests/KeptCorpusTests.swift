import ParserInvariants
import Testing

/// What `make fuzz` checks of the readers of reports, on the inputs that it has left behind.
@Suite struct KeptCorpusTests {
  @Test(arguments: ParserInvariant.evidence.map(\.name)) func keptInputsBreakNothing(
    _ name: String
  ) throws {
    let invariant = try #require(ParserInvariant.evidence.first { $0.name == name })
    let (count, failures) = KeptCorpus.replay(invariant)
    #expect(count > 0, "there are no inputs in Fuzzing/Corpus/\(name)")
    #expect(failures.isEmpty)
  }
}
