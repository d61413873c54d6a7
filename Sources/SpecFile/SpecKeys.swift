import SegueModel

/// Every key of `segue.yaml`, in the order of the reference.
enum SpecKeys {
  static let root = SpecSection(
    id: "file", title: "The file",
    summary: "`segue.yaml` stands in the root of the repository. One file is one project.",
    keys: [
      SpecKey(
        name: "version", type: .version, isRequired: true,
        summary: "The version of this format. Always 1.", example: "1"),
      SpecKey(
        name: "project", type: .name, isRequired: true,
        summary: "What the project is called, in every command, message and receipt.",
        example: "shop", otherNames: ["name", "app"]),
      SpecKey(
        name: "deploy", type: .section(deploy), standard: "{}",
        summary: "What is deployed.", example: "{ branch: main }"),
      SpecKey(
        name: "pipeline", type: .sectionList(step), standard: "[]",
        summary: """
          The steps that turn a commit into a release, each in the same clean checkout of exactly \
          that commit. A commit with a failed step is never deployed.
          """,
        example: "[{ step: test, run: make test }]", otherNames: ["steps", "jobs", "build"]),
      SpecKey(
        name: "services", type: .sectionsByName(service), standard: "{}",
        summary: "What runs. A file without services needs at least one step.",
        example: "{ web: { run: ./web --port $PORT } }", otherNames: ["apps", "processes"]),
      SpecKey(
        name: "environments", type: .sectionsByName(environment), standard: "{ production: {} }",
        summary: "Where releases run. This version of Segue has exactly one environment.",
        example: "{ production: {} }", otherNames: ["envs"]),
    ],
    planned: [
      "policy", "gates", "teams", "notify", "calendar", "windows", "freeze", "approvals",
      "platform", "router", "analysis", "migrate", "supersede", "tls",
    ])

  static let deploy = SpecSection(
    id: "deploy", title: "`deploy` of the file", summary: "What is deployed.",
    keys: [
      SpecKey(
        name: "branch", type: .branch, standard: "main",
        summary: "The branch whose newest commit is deployed.", example: "main")
    ],
    planned: ["supersede", "approval", "windows", "tags", "when"])

  static let step = SpecSection(
    id: "pipeline", title: "A step of `pipeline`",
    summary: "One command. Steps that do not need one another run side by side.",
    keys: [
      SpecKey(
        name: "step", type: .name, isRequired: true,
        summary: "What the step is called; unique in the file.", example: "test",
        otherNames: ["name", "id"]),
      SpecKey(
        name: "run", type: .command, isRequired: true,
        summary: """
          Run by `/bin/sh -ec` in the root of the checkout. Several lines (`run: |`) stop at the \
          first command that fails.
          """,
        example: "make test", otherNames: ["command", "cmd", "script", "commands"]),
      SpecKey(
        name: "needs", type: .nameList, standard: "[]",
        summary: "Steps that must have passed before this one starts.", example: "[build]",
        otherNames: ["depends-on", "after", "requires"]),
      environmentVariables, secrets,
      SpecKey(
        name: "timeout", type: .duration(SpecLimits.duration),
        standard: DurationText.render(StepSpec(name: "s", run: "r").timeout),
        summary: "A step that takes longer is ended, with everything it started, and has failed.",
        example: "10m", otherNames: ["timeout-minutes", "deadline"]),
      SpecKey(
        name: "cache", type: .fileList, standard: "[]",
        summary: "Directories in the checkout that are kept from one run of this step to the next.",
        example: "[node_modules]", otherNames: ["caches"]),
      SpecKey(
        name: "reports", type: .section(reports), standard: "{}",
        summary: "Reports that the step leaves behind.",
        example: "{ junit: \"build/junit/*.xml\" }", otherNames: ["artifacts"]),
    ],
    planned: ["matrix", "image", "retries", "when", "gate", "outputs"])

  static let reports = SpecSection(
    id: "reports", title: "`reports` of a step",
    summary: "Each value is a path or a list of paths; `*`, `**` and `?` stand for names.",
    keys: [
      SpecKey(
        name: "junit", type: .fileOrList, standard: "[]",
        summary: """
          JUnit XML test reports. A report that is promised here and then missing, or without a \
          single test, fails the step: silence is not success.
          """,
        example: "\"build/junit/*.xml\"", otherNames: ["tests", "xunit"])
    ],
    planned: ["coverage", "sarif", "sbom"])

  static let environment = SpecSection(
    id: "environments", title: "An environment",
    summary: "Nothing can be set for an environment in this version; write `{}`.",
    keys: [],
    planned: [
      "after", "approval", "approvals", "windows", "freeze", "services", "env", "secrets",
      "instances", "platform", "router", "hosts", "supersede",
    ])

  static let environmentVariables = SpecKey(
    name: "env", type: .variables, standard: "{}",
    summary: """
      Environment variables. Values are text: `1.10` stays `1.10` and `no` stays `no`. They are \
      readable by all who can read the repository: use `secrets` for what they must not know.
      """,
    example: "{ LOG_LEVEL: info }", otherNames: ["environment", "variables", "vars"])

  static let secrets = SpecKey(
    name: "secrets", type: .secretList, standard: "[]",
    summary: "Names of secrets that are put into the environment and masked in logs.",
    example: "[DATABASE_URL]", otherNames: ["secret"])
}
