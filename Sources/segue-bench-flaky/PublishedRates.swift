/// How often flaky tests of Java projects failed in 4,000 runs of one and the same commit each: the
/// published results of W. Lam, S. Winter, A. Astorga, V. Stodden and D. Marinov, "Understanding
/// Reproducibility and Characteristics of Flaky Tests Through Test Reruns in Java Projects" (ISSRE
/// 2020); runs of whole test suites, failures and errors together, one figure for each of its 107
/// tests.
enum PublishedRates {
  static let runs = 4_000

  static let failures = [
    // fastjson
    100, 6, 200, 100, 3, 200,
    // incubator-dubbo
    15, 3, 19, 9, 400, 2, 4, 3, 3, 4, 400, 4,
    // c2mon, excelastic, rxjava2-extras, elastic-job-lite, esper, yawp
    1, 16, 47, 455, 3, 2, 2, 100, 118, 64,
    // luwak, fluent-logger-java, delight-nashorn-sandbox
    10, 30, 73, 32, 21, 11, 4, 68, 25, 1, 28,
    // db-scheduler, hutool, timely, oci-java-sdk, orbit, oryx
    4, 13, 6, 4, 2, 6, 4, 6, 2, 109, 110, 109, 51, 1, 4, 30,
    // noxy, retrofit
    1_960, 2_000, 1_960, 1, 15, 16, 21, 1, 5,
    // Java-WebSocket
    62, 101, 2, 19, 95, 85, 68, 77, 2, 1, 94, 1, 1, 63, 73, 45, 127, 90, 64, 49, 57, 20, 108, 2, 65,
    76, 202, 80, 62, 1, 4, 45,
    // wro4j, carbon-apimgt, riptide
    3, 3, 28, 6, 3, 3, 3, 26, 3, 4, 434,
  ]
}
