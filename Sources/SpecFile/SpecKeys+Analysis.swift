import SegueModel

extension SpecKeys {
  private static let judged = AnalysisSpec()

  static let analysis = SpecSection(
    id: "analysis", title: "`analysis` of a service",
    summary: """
      The two releases are compared by a sequential test, which is valid whenever it is looked at. \
      It knows three answers: good, bad, and not enough evidence yet.
      """,
    keys: [
      SpecKey(
        name: "watch", type: .wordList(AnalysisSpec.Signal.allCases.map(\.rawValue)),
        standard: "[errors]",
        summary: """
          What is compared. `errors`: answers of status 5xx, and requests without a whole answer. \
          `latency`: the whole distribution. `[]`: nothing is judged.
          """,
        example: "[errors, latency]"),
      SpecKey(
        name: "tolerate", type: .integer(SpecLimits.tolerance), standard: "\(judged.tolerance)",
        summary: """
          By how much the new release's error rate may be higher, in per cent of the old one's. Two \
          groups of instances of the same release never behave quite the same.
          """,
        example: "50", otherNames: ["tolerance"]),
      SpecKey(
        name: "false-alarms", type: .share(SpecLimits.falseAlarms),
        standard: ShareText.render(judged.falseAlarms.value),
        summary: "The chance that a release within that is taken back all the same, at most.",
        example: "1%", otherNames: ["alpha", "significance"]),
      SpecKey(
        name: "minimum", type: .duration(SpecLimits.wait),
        standard: DurationText.render(judged.hold.minimum),
        summary: "`until: verdict` waits at least so long, whatever the evidence.", example: "1m",
        otherNames: ["min"]),
      SpecKey(
        name: "maximum", type: .duration(SpecLimits.wait),
        standard: DurationText.render(judged.hold.maximum),
        summary: "`until: verdict` waits at most so long for evidence.", example: "30m",
        otherNames: ["max", "limit", "timeout"]),
      SpecKey(
        name: "on-insufficient",
        type: .word(VerdictHold.OnInsufficient.allCases.map(\.rawValue)),
        standard: judged.hold.onInsufficient.rawValue,
        summary: """
          What happens at the `maximum` when there is not enough evidence. `hold`: a person decides, \
          within as long again; `roll-back`; `promote`.
          """,
        example: "roll-back"),
      SpecKey(
        name: "bake", type: .duration(SpecLimits.bake),
        summary: """
          How long a release is still watched once it has all of the traffic, against the hour before \
          its rollout. Nothing serves beside it any more, so that what changes by itself looks like \
          the release's fault.
          """,
        example: "30m", otherNames: ["bake-time", "soak"]),
      SpecKey(
        name: "on-regression", type: .word(AnalysisSpec.OnRegression.allCases.map(\.rawValue)),
        standard: AnalysisSpec.OnRegression.offer.rawValue,
        summary: """
          What happens when it fails more often while it is baked. `offer`: people are told; \
          `roll-back`: the release before comes back.
          """,
        example: "roll-back"),
    ])
}
