/// The signs that a view is drawn with.
struct Glyphs: Equatable, Sendable {
  var passed: String
  var failed: String
  var waiting: String
  var skipped: String
  var arrow: String
  var full: String
  var empty: String
  var separator: String
  var spinner: [String]

  static let unicode = Glyphs(
    passed: "✓", failed: "✗", waiting: "·", skipped: "–", arrow: "→", full: "█", empty: "░",
    separator: " · ", spinner: ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"])
  static let ascii = Glyphs(
    passed: "+", failed: "x", waiting: ".", skipped: "-", arrow: "->", full: "#", empty: "-",
    separator: " | ", spinner: ["|", "/", "-", "\\"])

  private init(
    passed: String, failed: String, waiting: String, skipped: String, arrow: String, full: String,
    empty: String, separator: String, spinner: [String]
  ) {
    self.passed = passed
    self.failed = failed
    self.waiting = waiting
    self.skipped = skipped
    self.arrow = arrow
    self.full = full
    self.empty = empty
    self.separator = separator
    self.spinner = spinner
  }

  /// Unicode where the locale is UTF-8, as `LC_ALL`, `LC_CTYPE` and `LANG` say in this order.
  init(environment: [String: String]) {
    let locale =
      ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    let name = locale.lowercased()
    self = name.contains("utf-8") || name.contains("utf8") ? .unicode : .ascii
  }

  /// The spinner's sign at a tick.
  func spin(_ tick: Int) -> String { spinner[tick % spinner.count] }
}
