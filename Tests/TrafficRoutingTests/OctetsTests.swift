import Testing

@testable import TrafficRouting

@Suite struct OctetsTests {
  /// Whatever stands around it, and wherever it stands.
  @Test func theEndOfAValueIsFoundEightAtATime() {
    for octet in UInt8.min...UInt8.max {
      for place in 0..<20 {
        for filling: UInt8 in [0x20, 0x7E, 0x80, 0xFF, 0x09] {
          var octets = Array(repeating: filling, count: 20)
          octets[place] = octet
          let expected = octet.isFieldContent ? 20 : place
          #expect(octets.span.endOfFieldContent(from: 0) == expected)
          #expect(octets.span.endOfFieldContent(from: min(place + 1, 20)) == 20)
        }
      }
    }
    #expect([UInt8]().span.endOfFieldContent(from: 0) == 0)
  }

  /// Two that end a value beside each other: the first one counts.
  @Test func theFirstOfSeveralCounts() {
    let odd: [UInt8] = [0, 1, 9, 10, 13, 31, 32, 126, 127, 128, 255]
    for first in odd {
      for second in odd {
        let octets: [UInt8] = [97, 97, first, second, 97, 97, 97, 97, 97]
        let expected = octets.firstIndex { !$0.isFieldContent } ?? octets.count
        #expect(octets.span.endOfFieldContent(from: 0) == expected)
      }
    }
  }
}
