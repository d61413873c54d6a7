/// Columns under a heading, as wide as their widest cell, two blanks apart.
struct Table: Sendable {
  enum Alignment: Sendable { case leading, trailing }

  private let alignments: [Alignment]
  private var rows: [[Line]]

  init(_ columns: (title: String, alignment: Alignment)...) {
    alignments = columns.map(\.alignment)
    rows = [columns.map { Line($0.title, .dim) }]
  }

  /// Without a heading.
  init(alignments: [Alignment]) {
    self.alignments = alignments
    rows = []
  }

  mutating func add(_ cells: Line...) { rows.append(cells) }

  /// The rows, heading first, each after `indent`.
  func lines(indent: String = "  ") -> [Line] {
    let widths = alignments.indices.map { column in
      rows.map { column < $0.count ? $0[column].width : 0 }.max() ?? 0
    }
    return rows.map { row in
      var line = Line(indent)
      // No blanks at the end of a line: they wrap, and people copy them.
      let row = row.dropLast(row.reversed().prefix { $0.width == 0 }.count)
      for (column, cell) in row.enumerated() {
        let isLast = column == row.count - 1
        switch alignments[column] {
        case .leading: line += isLast ? cell : cell.padded(to: widths[column])
        case .trailing: line += cell.padded(leadingTo: widths[column])
        }
        if !isLast { line += "  " }
      }
      return line
    }
  }
}
