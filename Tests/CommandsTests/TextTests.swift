import Foundation
import SegueModel
import Testing

@testable import Commands

@Suite struct TextTests {
  @Test(arguments: [
    ("plain", "plain"), ("a\tb", "a  b"), ("\u{1b}[31mred\u{1b}[0m", "red"),
    ("\u{1b}[2J\u{1b}[1;1Hgone", "gone"), ("a\rb\u{7}", "ab"), ("a\u{202e}b", "ab"),
    ("né 漢字 👩‍💻", "né 漢字 👩‍💻"), ("cut \u{1b}[3", "cut "), ("\u{9b}31mx", "31mx"),
  ])
  func otherPeoplesTextCannotSteerTheTerminal(text: String, printed: String) {
    #expect(Printable.text(text) == printed)
  }

  @Test(arguments: [("abc", 3), ("né", 2), ("漢字", 4), ("👩‍💻", 2), ("e\u{301}", 1), ("", 0)])
  func widthsAreColumns(text: String, width: Int) {
    #expect(Printable.width(text) == width)
  }

  @Test(arguments: [
    ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("漢字漢字", 6, "漢字…"),
    ("漢字漢字", 5, "漢字…"), ("abc", 1, "…"), ("abc", 0, ""),
  ])
  func linesAreCutToTheTerminal(text: String, width: Int, cut: String) {
    #expect(Line(text).rendered(width: width, color: false) == cut)
  }

  @Test func coloursAreClosedAlsoWhenCut() {
    let line = Line("ab", .red) + Line("cdef", .green) + Line("gh")
    #expect(
      line.rendered(width: 5, color: true)
        == "\u{1b}[31mab\u{1b}[0m\u{1b}[32mcd\u{1b}[0m…")
    #expect(line.rendered(width: 80, color: false) == "abcdefgh")
  }

  @Test func tablesAlign() {
    var table = Table(("name", .leading), ("count", .trailing), ("note", .leading))
    table.add("web", "1", "漢")
    table.add("a long one", "1,000", "")
    #expect(
      table.lines().map(\.text) == [
        "  name        count  note", "  web             1  漢", "  a long one  1,000",
      ])
  }

  @Test func theSecondPictureIsDrawnOverTheFirst() {
    var painter = Painter()
    let first = painter.paint(["abcdefgh", "x"], columns: 10, color: false)
    #expect(first == "\u{1b}[?25l\u{1b}[2Kabcdefgh\n\u{1b}[2Kx\n\u{1b}[J\u{1b}[?25h")
    let second = painter.paint(["y"], columns: 10, color: false)
    #expect(second == "\u{1b}[?25l\u{1b}[2A\r\u{1b}[2Ky\n\u{1b}[J\u{1b}[?25h")
  }

  @Test func aTerminalMadeNarrowerHasWrappedTheOldLines() {
    var painter = Painter()
    _ = painter.paint(["abcdefgh", "", "abc"], columns: 10, color: false)
    #expect(painter.paint([], columns: 3, color: false).contains("\u{1b}[5A"))
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567"), (12_345, "12,345"),
  ])
  func countsAreGrouped(number: Int, text: String) { #expect(Words.count(number) == text) }

  @Test(arguments: [
    (UInt64(0), "0.00 ms"), (850, "0.85 ms"), (4_109, "4.10 ms"), (999_999, "999.99 ms"),
    (1_250_000, "1.2 s"),
  ])
  func latencies(microseconds: UInt64, text: String) {
    #expect(Words.latency(microseconds) == text)
  }

  @Test func timesAreLocal() throws {
    let east = try #require(TimeZone(secondsFromGMT: 14 * 3_600))
    #expect(Words.time(moment(0), in: utc) == "12:03:04")
    #expect(Words.dateAndTime(moment(0), in: utc) == "2026-11-24 12:03:04")
    #expect(Words.dateAndTime(moment(0), in: east) == "2026-11-25 02:03:04")
    #expect(Words.time(Instant(milliseconds: -1), in: utc) == "23:59:59")
  }

  @Test(arguments: [
    (["LANG": "en_GB.UTF-8"], Glyphs.unicode), (["LANG": "C"], .ascii), ([:], .ascii),
    (["LC_ALL": "C", "LANG": "en_GB.UTF-8"], .ascii),
    (["LC_ALL": "", "LC_CTYPE": "C.utf8"], .unicode),
  ])
  func signsFollowTheLocale(environment: [String: String], glyphs: Glyphs) {
    #expect(Glyphs(environment: environment) == glyphs)
  }
}
