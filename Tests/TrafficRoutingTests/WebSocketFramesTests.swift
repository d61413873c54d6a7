import Testing

@testable import TrafficRouting

@Suite struct WebSocketFramesTests {
  private static let frames: [[UInt8]] = [
    [0x81, 0x00],
    [0x81, 0x03, 1, 2, 3],
    [0x81, 0x83, 9, 9, 9, 9, 1, 2, 3],
    [0x81, 0x80, 9, 9, 9, 9],
    [0x82, 126, 0x01, 0x00] + [UInt8](repeating: 7, count: 256),
    [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0] + [UInt8](repeating: 7, count: 65_536),
  ]

  @Test(arguments: 0..<6)
  func onlyTheEndOfAFrameIsABoundary(_ index: Int) {
    let frame = Self.frames[index]
    var whole = WebSocketFrames()
    #expect(whole.isAtBoundary)
    whole.advance(over: frame.span)
    #expect(whole.isAtBoundary)
    var pieces = WebSocketFrames()
    for (offset, octet) in frame.enumerated() {
      let piece = [octet]
      pieces.advance(over: piece.span)
      #expect(pieces.isAtBoundary == (offset == frame.count - 1), "after octet \(offset)")
    }
  }

  @Test func framesFollowOneAnother() {
    var frames = WebSocketFrames()
    let all = Self.frames.flatMap { $0 }
    frames.advance(over: all.span)
    #expect(frames.isAtBoundary)
    let close = WebSocketFrames.goingAway
    frames.advance(over: close.span)
    #expect(frames.isAtBoundary)
  }
}
