import SegueModel

extension SpecKeys {
  /// What the model fills in, so that the reference cannot say anything else.
  private static let standard = ServiceSpec(name: "s", run: "r")

  static let service = SpecSection(
    id: "services", title: "A service",
    summary: "The key is the service's name.",
    keys: [
      SpecKey(
        name: "run", type: .command, isRequired: true,
        summary: """
          One command, run by `/bin/sh -c "exec …"` in the root of the release, so that SIGTERM \
          reaches the program itself. It listens on `127.0.0.1`, on the port in `$PORT`.
          """,
        example: "./build/web --port $PORT", otherNames: ["command", "cmd", "start", "exec"]),
      SpecKey(
        name: "instances", type: .integer(SpecLimits.instances), standard: "\(standard.instances)",
        summary: "How many copies serve when no rollout is under way.", example: "3",
        otherNames: ["replicas", "count", "scale"]),
      environmentVariables, secrets,
      SpecKey(
        name: "needs", type: .nameList, standard: "[]",
        summary: "Services of the same release that are moved before this one.", example: "[api]",
        otherNames: ["depends-on", "after", "requires"]),
      SpecKey(
        name: "worker", type: .boolean, standard: "false",
        summary: """
          `true` for a service that takes no traffic. It is ready when it has stayed up for \
          `health.interval` times `health.rise`. Instead of `route`.
          """,
        example: "true"),
      SpecKey(
        name: "route", type: .section(route), standard: "{ path: / }",
        summary: "Which requests the service gets. Not for a worker.",
        example: "{ host: shop.example.com }", otherNames: ["routes", "ingress"]),
      SpecKey(
        name: "health", type: .pathOrSection(health), standard: "{}",
        summary: "How an instance proves that it is ready. `health: /up` is short for the path.",
        example: "{ path: /up }", otherNames: ["healthcheck", "health-check", "probe"]),
      SpecKey(
        name: "strategy", type: .choice(strategy), standard: standard.strategy.name,
        summary: "How traffic moves from one release to the next.", example: "rolling",
        otherNames: ["rollout", "update"]),
      SpecKey(
        name: "deadlines", type: .section(deadlines), standard: "{}",
        summary: "How long each wait of a rollout may last.", example: "{ drain: 30s }",
        otherNames: ["timeouts"]),
      SpecKey(
        name: "limits", type: .section(limits), standard: "{}",
        summary: "What one instance may use. What is not named has no limit.",
        example: "{ memory: 512MiB }", otherNames: ["resources"]),
    ],
    planned: [
      "migrate", "image", "build", "platform", "canary", "analysis", "hooks", "sticky", "retries",
      "tls", "volumes", "schedule", "supersede",
    ],
    misplaced: [
      ("host", "put it under `route`: `route: { host: … }`"),
      ("path", "put it under `route` or `health`"),
      ("port", "Segue chooses a free port for each instance: the command takes it from `$PORT`"),
      ("ports", "Segue chooses a free port for each instance: the command takes it from `$PORT`"),
      ("memory", "put it under `limits`: `limits: { memory: 512MiB }`"),
      ("cpu", "put it under `limits`: `limits: { cpu: 0.5 }`"),
    ])

  static let route = SpecSection(
    id: "route", title: "`route` of a service",
    summary: "The longest matching `path` wins. No two services may have the same host and path.",
    keys: [
      SpecKey(
        name: "host", type: .host,
        summary: "In lower case, without a port. Without it: every host that no service names.",
        example: "shop.example.com", otherNames: ["hostname", "domain", "hosts"]),
      SpecKey(
        name: "path", type: .urlPath, standard: RouteSpec().pathPrefix,
        summary: "The service gets the requests for this path and for everything below it.",
        example: "/api", otherNames: ["prefix", "path-prefix"]),
    ],
    planned: ["tls", "headers", "methods", "redirect", "rewrite", "strip-prefix", "sticky"])

  static let health = SpecSection(
    id: "health", title: "`health` of a service",
    summary: """
      Without a `path`, an instance counts as ready when its port accepts a connection, which most \
      programs do before they can answer.
      """,
    keys: [
      SpecKey(
        name: "path", type: .urlPath,
        summary: "Asked by `GET`. A status from 200 to 299 is a pass; redirects are not followed.",
        example: "/up", otherNames: ["url", "endpoint", "http"]),
      SpecKey(
        name: "interval", type: .duration(SpecLimits.interval),
        standard: DurationText.render(standard.health.interval),
        summary: "From one question to the next.", example: "250ms", otherNames: ["period"]),
      SpecKey(
        name: "timeout", type: .duration(SpecLimits.interval),
        standard: DurationText.render(standard.health.timeout),
        summary: "No answer for so long is a failure.", example: "2s"),
      SpecKey(
        name: "rise", type: .integer(SpecLimits.threshold), standard: "\(standard.health.rise)",
        summary: "Passes in a row until an instance is ready.", example: "2",
        otherNames: ["success-threshold", "healthy"]),
      SpecKey(
        name: "fall", type: .integer(SpecLimits.threshold), standard: "\(standard.health.fall)",
        summary: "Failures in a row until a ready instance is not.", example: "3",
        otherNames: ["failure-threshold", "retries", "unhealthy"]),
    ],
    planned: ["command", "grpc", "tcp", "headers", "status"])

  static let strategy = SpecSection(
    id: "strategy", title: "`strategy` of a service",
    summary: "`rolling`, `blue-green`, or one of the two as a key with settings.",
    keys: [
      SpecKey(
        name: "rolling", type: .section(rolling), standard: "{}",
        summary: "Replace the instances batch by batch.",
        example: "{ max-surge: 1, max-unavailable: 0 }"),
      SpecKey(
        name: "blue-green", type: .section(blueGreen), standard: "{}",
        summary: "Start a full second set, switch all traffic at once, keep the old set warm.",
        example: "{ keep-old: 10m }"),
    ],
    planned: ["canary", "ab", "shadow", "recreate"])

  static let rolling = SpecSection(
    id: "rolling", title: "`rolling` of a strategy", summary: "Not both may be 0.",
    keys: [
      SpecKey(
        name: "max-surge", type: .integer(SpecLimits.surge), standard: "\(RollingSpec().maxSurge)",
        summary: "Instances above the steady number while a batch starts.", example: "1",
        otherNames: ["surge"]),
      SpecKey(
        name: "max-unavailable", type: .integer(SpecLimits.surge),
        standard: "\(RollingSpec().maxUnavailable)",
        summary: "Instances below the steady number while a batch starts; less than `instances`.",
        example: "1", otherNames: ["unavailable"]),
    ],
    planned: ["pause", "batch"])

  static let blueGreen = SpecSection(
    id: "blue-green", title: "`blue-green` of a strategy",
    summary: "Needs room for twice the instances during a rollout.",
    keys: [
      SpecKey(
        name: "keep-old", type: .duration(SpecLimits.duration),
        standard: DurationText.render(BlueGreenSpec().keepOld),
        summary: "How long the old set stays up, for a rollback in a single switch.",
        example: "10m", otherNames: ["keep"])
    ],
    planned: ["approval", "preview"])

  static let deadlines = SpecSection(
    id: "deadlines", title: "`deadlines` of a service",
    summary: "Every wait ends; what happens then is said here.",
    keys: [
      deadline(
        "ready", standard.deadlines.ready, "Start to ready. Then the rollout is rolled back."),
      deadline(
        "drain", standard.deadlines.drain,
        """
        The last requests of an instance that takes no more. Then it is stopped all the same, and \
        the receipt counts what was cut off.
        """),
      deadline("stop", standard.deadlines.stop, "SIGTERM to exit. Then SIGKILL."),
      deadline(
        "rollback", standard.deadlines.rollback,
        "The whole rollback. Then it is an incident, and the traffic stays where it is good."),
      deadline(
        "acknowledge", standard.deadlines.acknowledge,
        "The router's word that it uses a new table. Then the rollout is rolled back."),
    ],
    planned: ["approval", "analysis", "migrate"])

  private static func deadline(
    _ name: String, _ standard: Milliseconds, _ summary: String
  ) -> SpecKey {
    SpecKey(
      name: name, type: .duration(SpecLimits.duration), standard: DurationText.render(standard),
      summary: summary, example: DurationText.render(standard))
  }

  static let limits = SpecSection(
    id: "limits", title: "`limits` of a service",
    summary: "Per instance. What is not named has no limit.",
    keys: [
      SpecKey(
        name: "memory", type: .size, summary: "Memory. Above it the instance is killed.",
        example: "512MiB", otherNames: ["mem", "ram"]),
      SpecKey(
        name: "cpu", type: .cores,
        summary: "Processor cores, to a thousandth. Needs a cgroup that Segue may write to.",
        example: "0.5", otherNames: ["cpus", "cores"]),
      SpecKey(
        name: "files", type: .integer(SpecLimits.files), summary: "Open file descriptors.",
        example: "1024", otherNames: ["nofile", "open-files"]),
      SpecKey(
        name: "processes", type: .integer(SpecLimits.processes), summary: "Processes and threads.",
        example: "64", otherNames: ["pids", "nproc"]),
    ],
    planned: ["disk", "bandwidth", "connections"])

  /// Every section, in the order of the reference.
  static let all = [
    root, deploy, step, reports, service, route, health, strategy, rolling, blueGreen, deadlines,
    limits, environment,
  ]
}
