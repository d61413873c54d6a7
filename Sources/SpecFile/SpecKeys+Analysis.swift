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
        name: "metrics", type: .sectionsByName(metric, 0...SpecLimits.metrics), standard: "{}",
        summary: """
          Up to \(SpecLimits.metrics) numbers from elsewhere, by their names. One that cannot be had \
          is no data, and nothing is promoted without it.
          """,
        example: "{ queue: { command: ./queue-length, tolerate: 20 } }"),
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
          What happens when it fails more often while it is baked, or uses up what its `objective` \
          allows. `offer`: people are told; `roll-back`: the release before comes back.
          """,
        example: "roll-back"),
      SpecKey(
        name: "objective", type: .objective,
        summary: """
          The part of the requests that is to succeed. For six hours after a rollout, or as long as \
          it is baked, errors that come 14.4 times faster than that allows, over an hour and over \
          the last five minutes, or 6 times over six hours and the last thirty minutes, are a \
          regression: a backstop for the whole service.
          """,
        example: "99.9%", otherNames: ["slo", "availability"]),
      SpecKey(
        name: "score", type: .section(score),
        summary: "Judge by a score of all that is watched, as Kayenta does, and not by the tests.",
        example: "{ pass: 75, marginal: 50 }", otherNames: ["kayenta", "scores"]),
    ])

  private static let scored = ScoreSpec()

  static let score = SpecSection(
    id: "score", title: "`score` of an `analysis`",
    summary: """
      For those who come from Kayenta. Each `interval` gives one value of the error rate, of the \
      99th percentile of latency where that is watched, and of each metric; the two releases' values \
      are compared by the Mann-Whitney test. The score is the part of them that passes. Below \
      `marginal` the release is bad, from five values on; at `pass` or above it is good, once \
      `minimum` is over, which therefore is how long an analysis lasts. It has known wrong verdicts, \
      see [how a release is judged](../analysis.md#a-score-instead).
      """,
    keys: [
      SpecKey(
        name: "pass", type: .integer(SpecLimits.score), standard: "\(scored.pass)",
        summary: "The least score that is good.", example: "95"),
      SpecKey(
        name: "marginal", type: .integer(SpecLimits.score), standard: "\(scored.marginal)",
        summary: "A lower score is bad at once.", example: "75"),
      SpecKey(
        name: "interval", type: .duration(SpecLimits.metricInterval),
        standard: DurationText.render(scored.interval), summary: "Between two values.",
        example: "30s"),
    ])

  private static let watched = MetricSpec(name: "m", source: .command("c", path: ""))

  static let metric = SpecSection(
    id: "metric", title: "One of `metrics` of an `analysis`",
    summary: """
      One of `prometheus`, `json` and `command` says where it comes from. `{{version}}`, \
      `{{service}}` and `{{seconds}}` stand for the release, the service and the length of the time \
      that is asked about; a command has them in `SEGUE_VERSION`, `SEGUE_SERVICE` and \
      `SEGUE_SECONDS`.
      """,
    keys: [
      SpecKey(
        name: "prometheus", type: .command,
        summary: "The address of a Prometheus server, with `query`, or with `events` and `bad`.",
        example: "http://127.0.0.1:9090"),
      SpecKey(
        name: "query", type: .command, summary: "Gives one number for a release.",
        example: "'avg(queue_length{release=\"{{version}}\"})'"),
      SpecKey(
        name: "events", type: .command,
        summary: "Gives how many events there were in the time, of which some are bad.",
        example: "'sum(increase(orders{release=\"{{version}}\"}[{{seconds}}s]))'"),
      SpecKey(
        name: "bad", type: .command, summary: "Gives how many of the `events` were bad.",
        example: "'sum(increase(failed_orders{release=\"{{version}}\"}[{{seconds}}s]))'"),
      SpecKey(
        name: "json", type: .command, summary: "An address that answers with JSON, with `path`.",
        example: "'http://127.0.0.1:9000/metrics.json?version={{version}}'"),
      SpecKey(
        name: "command", type: .command,
        summary: "Prints a number, or JSON with `path`. Ended after ten seconds.",
        example: "./queue-length"),
      SpecKey(
        name: "path", type: .command, summary: "Where in the JSON the number is.",
        example: "\"data.items[0].rate\""),
      SpecKey(
        name: "worse", type: .word(MetricSpec.Direction.allCases.map(\.rawValue)),
        standard: watched.worse.rawValue, summary: "Which way is worse. Not for `events`.",
        example: "lower"),
      SpecKey(
        name: "tolerate", type: .integer(SpecLimits.tolerance), standard: "\(watched.tolerance)",
        summary: "How much worse is accepted, in per cent of the old release's.", example: "20",
        otherNames: ["tolerance"]),
      SpecKey(
        name: "at-most", type: .number,
        summary: """
          The new release's own value may be no more. With a bound nothing is compared with the old \
          release, as other tools' analyses do.
          """,
        example: "500", otherNames: ["max"]),
      SpecKey(
        name: "at-least", type: .number, summary: "The new release's own value may be no less.",
        example: "0.95", otherNames: ["min"]),
      SpecKey(
        name: "failures", type: .integer(SpecLimits.failures), standard: "0",
        summary: "How many looks may find the bound broken; one more, and the release is bad.",
        example: "3", otherNames: ["failure-limit"]),
      SpecKey(
        name: "interval", type: .duration(SpecLimits.metricInterval),
        standard: DurationText.render(watched.interval), summary: "Between two looks.",
        example: "30s"),
    ])
}
