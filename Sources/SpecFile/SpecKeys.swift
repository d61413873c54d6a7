import Evidence
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
        name: "services", type: .sectionsByName(service, 0...SpecLimits.services), standard: "{}",
        summary: "What runs. A file without services needs at least one step.",
        example: "{ web: { run: ./web --port $PORT } }", otherNames: ["apps", "processes"]),
      SpecKey(
        name: "environments",
        type: .sectionsByName(environment, 1...SpecLimits.environments),
        standard: "{ production: {} }",
        summary: "Where releases run, and in which order they get there.",
        example: "{ production: {} }", otherNames: ["envs"]),
      SpecKey(
        name: "cost", type: .section(cost),
        summary: "What things cost, for the receipts.", example: "{ instance-hour: 0.04 EUR }",
        otherNames: ["costs", "price", "prices"]),
      SpecKey(
        name: "tls", type: .section(tls),
        summary: "Who issues certificates.",
        example: "{ acme: { email: ops@example.com, agree-to-terms: true } }",
        otherNames: ["certificates", "ssl"]),
      SpecKey(
        name: "gates", type: .section(gates),
        summary: """
          What the evidence about a commit must come to. All that stops a commit is listed together.
          """,
        example: "{ security: { block: high } }", otherNames: ["quality", "checks"]),
    ] + people + outreachKeys,
    planned: ["platform", "router", "analysis"],
    misplaced: [
      ("windows", "put them under the environment: `environments: { production: { windows: … } }`"),
      ("approval", "put it under the environment: `environments: { production: { approval: … } }`"),
      ("approvals", "put them under the environment, as `approval`"),
      ("migrate", "put it under the service that it goes with"),
      ("supersede", "put it under `deploy`: `deploy: { supersede: true }`"),
      ("strategy", "put it under each service"),
    ])

  static let deploy = SpecSection(
    id: "deploy", title: "`deploy` of the file", summary: "What is deployed.",
    keys: [
      SpecKey(
        name: "branch", type: .branch, standard: "main",
        summary: "The branch whose newest commit is deployed.", example: "main"),
      SpecKey(
        name: "supersede", type: .boolean, standard: "false",
        summary: """
          `true`: a newer commit aborts the rollout of an older one. Otherwise it waits for its end.
          """,
        example: "true"),
    ],
    planned: ["tags", "when"],
    misplaced: [
      ("approval", "put it under the environment: `environments: { production: { approval: … } }`"),
      ("windows", "put them under the environment: `environments: { production: { windows: … } }`"),
    ])

  static let cost = SpecSection(
    id: "cost", title: "`cost` of the file", summary: "What things cost, for the receipts.",
    keys: [
      SpecKey(
        name: "instance-hour", type: .price, isRequired: true,
        summary: """
          What one instance costs in one hour. A receipt says with it what the extra instances of \
          a rollout cost.
          """,
        example: "0.04 EUR", otherNames: ["hour", "per-hour", "instance"])
    ])

  static let step = SpecSection(
    id: "pipeline", title: "A step of `pipeline`",
    summary: "One command. Steps that do not need one another run side by side.",
    keys: [
      SpecKey(
        name: "step", type: .name, isRequired: true,
        summary: "What the step is called; unique in the file.", example: "test",
        otherNames: ["name", "id"]),
      SpecKey(
        name: "run", type: .command, isRequired: true, otherwise: "uses",
        summary: """
          Run by `/bin/sh -ec` in the root of the checkout. Several lines (`run: |`) stop at the \
          first command that fails.
          """,
        example: "make test", otherNames: ["command", "cmd", "script", "commands"]),
      SpecKey(
        name: "uses", type: .word(SecurityScanner.allCases.map(\.rawValue)),
        summary: """
          A scanner that is called ready-made, in place of `run` and `reports`. What it finds is \
          judged by `security` under `gates`.
          """,
        example: SecurityScanner.semgrep.rawValue, otherNames: ["scan", "scanner"]),
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
      SpecKey(
        name: "rerun", type: .section(rerun),
        summary: """
          How only the tests that failed are run again, as often as `retry` of `gates: { tests }` \
          says. Without it, the whole step is run again.
          """,
        example: "{ tests: pytest, run: 'xargs -d \"\\n\" pytest < \"$SEGUE_FAILED_TESTS\"' }",
        otherNames: ["retry-run", "retry"]),
      SpecKey(
        name: "shards", type: .integer(SpecLimits.shards),
        summary: """
          Into how many parts the tests are split that run side by side, as steps of their own: \
          `test-1`, `test-2` and so on. `SEGUE_SHARD` says which one it is, `{shard}` stands for it \
          in the paths of `reports`, and `"$SEGUE_PROGRAM" tests split` picks its tests.
          """,
        example: "4", otherNames: ["parallel", "parallelism", "split"]),
    ],
    planned: ["matrix", "image", "retries", "when", "gate", "outputs"])

  static let environment = SpecSection(
    id: "environments", title: "An environment",
    summary: "The key is the environment's name. `{}` is every default.",
    keys: [
      SpecKey(
        name: "after", type: .name,
        summary: """
          The environment whose releases this one gets, once they are live there. Without it: every \
          release that is built.
          """,
        example: "staging", otherNames: ["needs", "follows", "from"]),
      SpecKey(
        name: "promote", type: .word(["automatic", "by-hand"]), standard: "automatic",
        summary: """
          `by-hand`: a release moves on from `after` only when somebody promotes it. Only with \
          `after`.
          """,
        example: "by-hand", otherNames: ["promotion"]),
      SpecKey(
        name: "services", type: .sectionsByName(change, 0...SpecLimits.services), standard: "{}",
        summary: "What is different here, by service.",
        example: "{ web: { instances: 1 } }"),
    ] + environmentPeople,
    planned: ["secrets", "platform", "router"],
    misplaced: [
      ("freeze", "put it under `freezes` of the file, with `environments: […]`"),
      ("freezes", "put them under `freezes` of the file, with `environments: […]`"),
      ("instances", "put it under a service: `services: { web: { instances: 1 } }`"),
      ("env", "put it under a service: `services: { web: { env: { NAME: value } } }`"),
      ("route", "put it under a service: `services: { web: { route: { host: … } } }`"),
      ("host", "put it under a service: `services: { web: { route: { host: … } } }`"),
      ("hosts", "put it under a service: `services: { web: { route: { host: … } } }`"),
      ("supersede", "put it under `deploy` of the file: `deploy: { supersede: true }`"),
    ])

  static let change = SpecSection(
    id: "change", title: "A service in an environment",
    summary: "The key is the name of a service. What is not named stays as the service has it.",
    keys: [
      SpecKey(
        name: "instances", type: .integer(SpecLimits.instances),
        summary: "How many copies serve here.", example: "1",
        otherNames: ["replicas", "count", "scale"]),
      SpecKey(
        name: "route", type: .section(route),
        summary: """
          Which requests the service gets here. `host`, `path` and `sticky` that are not named stay \
          as they are. All environments of one machine share one router, so that each needs hosts \
          or paths of its own.
          """,
        example: "{ host: staging.shop.example.com }", otherNames: ["routes", "ingress"]),
      SpecKey(
        name: "listen", type: .section(listen),
        summary: """
          Another address for the socket that the instances share. Only for a service that has one.
          """,
        example: "{ inherit: 8081 }"),
      SpecKey(
        name: "env", type: .variables, standard: "{}",
        summary: "Added to the service's variables, or instead of those of the same name.",
        example: "{ LOG_LEVEL: debug }", otherNames: ["environment", "variables", "vars"]),
    ],
    planned: ["secrets", "strategy", "health", "deadlines", "limits", "migrate"],
    misplaced: [
      ("run", "a release is the same program in every environment: tell it apart by `env`"),
      ("worker", "a service is a worker everywhere or nowhere: put it under the service itself"),
      ("host", "put it under `route`: `route: { host: … }`"),
      ("path", "put it under `route`: `route: { path: … }`"),
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
