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
          reaches the program itself. It listens on `127.0.0.1`, on the port in `$PORT`, unless \
          `listen` says otherwise.
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
        name: "listen", type: .wordOrSection(["port", "unix"], listen), standard: "port",
        summary: """
          How requests reach an instance. `port`: it listens on the port in `$PORT`. `unix`: it \
          listens on the Unix socket whose path is in `$SOCKET`, which costs the machine less. \
          `{ inherit: 8080 }`: no proxy stands on the path, and all instances accept from one \
          socket.
          """,
        example: "unix", otherNames: ["socket", "bind"]),
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
      SpecKey(
        name: "migrate", type: .section(migrate),
        summary: "Changes of the database that go with a release.",
        example: "{ expand: ./migrate up }", otherNames: ["migration", "migrations"]),
      SpecKey(
        name: "analysis", type: .section(analysis), standard: "{ watch: [errors] }",
        summary: """
          How live traffic judges a new release while the old one still serves beside it. Bad at any \
          moment takes the rollout back. Not for a worker.
          """,
        example: "{ watch: [errors, latency] }", otherNames: ["judge", "metrics"]),
      SpecKey(
        name: "independent", type: .boolean, standard: "\(standard.isIndependent)",
        summary: """
          `true`: the service stays where it is when another service of the same release fails. \
          Otherwise it is taken back with it.
          """,
        example: "true"),
    ],
    planned: [
      "image", "build", "platform", "hooks", "retries", "tls", "volumes", "schedule",
    ],
    misplaced: [
      ("canary", "put it under `strategy`: `strategy: canary`"),
      ("sticky", "put it under `route`: `route: { sticky: … }`"),
      ("supersede", "put it under `deploy` of the file: `deploy: { supersede: true }`"),
      ("warm-up", "put it under `health`: `health: { warm-up: { path: / } }`"),
      ("host", "put it under `route`: `route: { host: … }`"),
      ("path", "put it under `route` or `health`"),
      ("port", "Segue chooses a free port for each instance: the command takes it from `$PORT`"),
      ("ports", "Segue chooses a free port for each instance: the command takes it from `$PORT`"),
      ("memory", "put it under `limits`: `limits: { memory: 512MiB }`"),
      ("cpu", "put it under `limits`: `limits: { cpu: 0.5 }`"),
    ])

  static let listen = SpecSection(
    id: "listen", title: "`listen` of a service",
    summary: """
      With `inherit`, Segue opens the socket, and every instance gets it as descriptor 3 \
      (`LISTEN_FDS`, as from systemd). A rollout starts new instances with the same socket, waits \
      until they are ready, and then asks the old ones to stop by SIGTERM: each closes its copy, \
      and finishes what it has within `deadlines.drain` and `deadlines.stop`. What the proxy would \
      do is lost: shares, copies, previews, retries, counts and times of requests by release. So \
      `route` and the strategies `canary`, `ab` and `shadow` are refused.
      """,
    keys: [
      SpecKey(
        name: "inherit", type: .address,
        summary: """
          Where requests come in. A port alone is one of `127.0.0.1`. An instance answers its \
          health checks on `$PORT` all the same, or says itself that it is ready: `health: { \
          notify: true }`.
          """,
        example: "8080")
    ])

  static let route = SpecSection(
    id: "route", title: "`route` of a service",
    summary: """
      The longest matching `path` wins, and of two services at one host and path the one that asks \
      for a header field or a cookie. No two services may have the same route.
      """,
    keys: [
      SpecKey(
        name: "host", type: .host,
        summary: "In lower case, without a port. Without it: every host that no service names.",
        example: "shop.example.com", otherNames: ["hostname", "domain", "hosts"]),
      SpecKey(
        name: "path", type: .urlPath, standard: RouteSpec().pathPrefix,
        summary: "The service gets the requests for this path and for everything below it.",
        example: "/api", otherNames: ["prefix", "path-prefix"]),
      SpecKey(
        name: "header", type: .section(requestHeader),
        summary: "Only requests with this header field.",
        example: "{ name: X-Tenant, value: blue }", otherNames: ["headers"]),
      SpecKey(
        name: "cookie", type: .section(requestCookie),
        summary: "Only requests with this cookie.", example: "{ name: tenant, value: blue }"),
      SpecKey(
        name: "sticky", type: .wordOrSection(["address"], sticky), standard: "address",
        summary: """
          What makes two requests come from the same user, who gets the same version again during \
          a rollout: the client's `address`, or a cookie, or a header field.
          """,
        example: "{ cookie: session }", otherNames: ["affinity", "stickiness"]),
      SpecKey(
        name: "tls", type: .wordOrSection(["auto"], routeCertificate),
        summary: """
          The certificate of `host`: `auto` has one issued by the authority of the file's `tls`, \
          and renewed; or the files of one of your own.
          """,
        example: "auto", otherNames: ["certificate", "ssl", "https"]),
    ],
    planned: ["methods", "redirect", "rewrite", "strip-prefix"])

  static let sticky = SpecSection(
    id: "sticky", title: "`sticky` of a route",
    summary: """
      One of `cookie` and `header`. A request without it counts by the client's address, and \
      everybody behind one gateway is one user then.
      """,
    keys: [
      SpecKey(
        name: "cookie", type: .cookieName,
        summary: "Requests with the same value of this cookie come from the same user.",
        example: "session"),
      SpecKey(
        name: "issue", type: .boolean, standard: "false",
        summary: """
          `true`: the router gives a client without the cookie one with a random value. Only with \
          `cookie`.
          """,
        example: "true"),
      SpecKey(
        name: "header", type: .headerName,
        summary: "Requests with the same value of this header field come from the same user.",
        example: "X-User"),
    ],
    misplaced: [("address", "write `sticky: address`")])

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
        name: "notify", type: .boolean, standard: "false",
        summary: """
          `true`: an instance says itself that it is ready, by `READY=1` to the socket in \
          `$NOTIFY_SOCKET` (sd_notify, as for systemd), and nobody asks it. Instead of `path`.
          """,
        example: "true"),
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
      SpecKey(
        name: "warm-up", type: .pathOrSection(warmUp),
        summary: """
          Requests that an instance gets after it passed its checks and before the first one of a \
          user's. `warm-up: /` is short for the path. Their answers do not matter.
          """,
        example: "{ path: /, requests: 10 }", otherNames: ["warmup"]),
    ],
    planned: ["command", "grpc", "tcp", "headers", "status"])

  static let warmUp = SpecSection(
    id: "warm-up", title: "`warm-up` of `health`",
    summary: "The deadline `warm-up` bounds all of them together.",
    keys: [
      SpecKey(
        name: "path", type: .urlPath, isRequired: true, summary: "Asked by `GET`.", example: "/",
        otherNames: ["url"]),
      SpecKey(
        name: "requests", type: .integer(SpecLimits.warmUpRequests),
        standard: "\(WarmUpSpec(path: "/").requests)", summary: "How many, one after another.",
        example: "10", otherNames: ["count", "times"]),
    ])

  private static let standardMigration = MigrateSpec()

  static let migrate = SpecSection(
    id: "migrate", title: "`migrate` of a service",
    summary: """
      At least one of `expand` and `contract`. Each runs exactly once for each release and \
      environment, by `/bin/sh -ec` in the root of the release, with the service's variables and \
      secrets.
      """,
    keys: [
      SpecKey(
        name: "expand", type: .command,
        summary: """
          Runs before the first instance of the release. It must leave the earlier release \
          working. When it fails, no instance is started.
          """,
        example: "./migrate up", otherNames: ["run", "command", "up", "before"]),
      SpecKey(
        name: "contract", type: .command,
        summary: """
          Removes what only the earlier release needed. Runs once nobody can go back behind the \
          release any more.
          """,
        example: "./migrate finish", otherNames: ["down", "after", "finish"]),
      SpecKey(
        name: "timeout", type: .duration(SpecLimits.duration),
        standard: DurationText.render(standardMigration.timeout),
        summary: "Each of the two is ended, and has failed, when it takes longer.",
        example: "10m", otherNames: ["deadline"]),
      SpecKey(
        name: "contract-after", type: .duration(SpecLimits.waitOrNone),
        standard: DurationText.render(standardMigration.contractAfter),
        summary: """
          How long after the rollout going back stays possible, and `contract` waits. Only with \
          `contract`.
          """,
        example: "1h"),
    ])

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
      deadline(
        "tunnels", standard.deadlines.tunnelDrain,
        """
        Websockets and event streams of an instance that takes no more; as `drain` if it is not \
        said. Websockets are told to go in the second half, one after another.
        """),
      deadline("stop", standard.deadlines.stop, "SIGTERM to exit. Then SIGKILL."),
      deadline(
        "rollback", standard.deadlines.rollback,
        "The whole rollback. Then it is an incident, and the traffic stays where it is good."),
      deadline(
        "acknowledge", standard.deadlines.acknowledge,
        "The router's word that it uses a new table. Then the rollout is rolled back."),
      deadline(
        "warm-up", standard.deadlines.warmUp,
        "The warm-up of an instance. Then it counts as warm."),
      deadline(
        "pause", standard.deadlines.pause,
        "A rollout that somebody paused. Then it is taken back.", in: SpecLimits.wait),
    ],
    planned: ["approval", "analysis"],
    misplaced: [
      ("migrate", "put it under `migrate`: `migrate: { timeout: 10m }`"),
      ("hold", "put it under `strategy`: `strategy: { canary: { hold: 5m } }`"),
    ])

  private static func deadline(
    _ name: String, _ standard: Milliseconds, _ summary: String,
    in range: ClosedRange<Milliseconds> = SpecLimits.duration
  ) -> SpecKey {
    SpecKey(
      name: name, type: .duration(range), standard: DurationText.render(standard),
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
    root, deploy, cost, tls, acme, step, reports, rerun, gates, testsGate, coverageGate,
    securityGate,
    notify, notifyWebhook, notifyEvents, notifyMail, policy, tracker, forge, service, listen, route,
    sticky, routeCertificate,
    health, warmUp, strategy, rolling, blueGreen, preview, canary, canaryStep, ab, goal,
    requestHeader, requestCookie, shadow, recreate, deadlines, analysis, score, metric, limits,
    migrate, environment, change, approval, team, teamNotify, freeze, milestone,
  ]
}
