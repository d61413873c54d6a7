"""Tables to read, and one flat object of figures to compare."""

import dataclasses
import json
import statistics

import settings

COLUMNS = ("us/request", "requests/s", "p50 ms", "p99 ms", "RSS MiB", "PSS MiB", "errors")
FORMATS = ("{:.1f}", "{:.0f}", "{:.2f}", "{:.2f}", "{:.1f}", "{:.1f}", "{:d}")


class Report:
    """Collects the figures of a run."""

    def __init__(self, missing):
        self.figures = {}
        self.missing = missing
        self.failures = [f"{name} is missing" for name in missing]

    def loaded(self, title, description, cells, not_offered):
        """A scenario whose cells are those of `scenarios.rounds`: medians and ratios."""
        rows = []
        for name in settings.PEERS:
            if name in cells:
                figures = self._medians(title, name, cells[name])
                ratio = self._ratio(title, name, cells)
                texts = [form.format(value) for form, value in zip(FORMATS, figures)]
                rows.append([name, *texts, f"{ratio:.2f}" if ratio else ""])
            elif name in not_offered:
                rows.append([name, "not offered"])
        self._table(title, description, ["", *COLUMNS, "segue/it"], rows)

    def _medians(self, title, name, cells):
        figures = []
        for field in dataclasses.fields(cells[0]):
            values = [getattr(one, field.name) for one in cells]
            value = sum(values) if field.name == "errors" else statistics.median(values)
            figures.append(value)
            self.figures[f"{title}_{name}_{field.name}"] = round(value, 3)
        if figures[-1]:
            self.failures.append(f"{title}: {name} failed {figures[-1]} requests")
        return figures

    def _ratio(self, title, name, cells):
        """Of CPU time per request, from cells that ran close together; below 1 Segue needs less."""
        if name == "segue" or "segue" not in cells:
            return None
        pairs = zip(cells["segue"], cells[name])
        ratio = statistics.median(ours.cpu_us / theirs.cpu_us for ours, theirs in pairs)
        self.figures[f"{title}_ratio_{name}"] = round(ratio, 3)
        return ratio

    def cores2(self, title, description, cells):
        """How far a second thread on a second core carries."""
        rows = []
        for name, pairs in cells.items():
            one, two = (statistics.median(pair[side].rps for pair in pairs) for side in (0, 1))
            ratio = statistics.median(pair[1].rps / pair[0].rps for pair in pairs)
            errors = sum(pair[0].errors + pair[1].errors for pair in pairs)
            if errors:
                self.failures.append(f"{title}: {name} failed {errors} requests")
            self.figures[f"{title}_{name}_rps_1"] = round(one)
            self.figures[f"{title}_{name}_rps_2"] = round(two)
            self.figures[f"{title}_{name}_gain"] = round(ratio, 3)
            self.figures[f"{title}_{name}_errors"] = errors
            rows.append([name, f"{one:.0f}", f"{two:.0f}", f"{ratio:.2f}", str(errors)])
        headings = ["", "1: requests/s", "2: requests/s", "2/1", "errors"]
        self._table(title, description, headings, rows)

    def idle(self, title, description, found):
        """Memory of connections that nobody uses."""
        rows = []
        for name, (count, kib) in found.items():
            self.figures[f"{title}_{name}_kib_per_connection"] = round(kib, 3)
            rows.append([name, str(count), f"{kib:.2f}"])
        self._table(title, description, ["", "connections", "KiB each"], rows)

    def _table(self, title, description, headings, rows):
        rows += [[name, "MISSING"] for name in self.missing]
        table = [headings, *rows]
        columns = len(headings)
        full = [row for row in table if len(row) == columns]
        widths = [max(len(row[column]) for row in full) for column in range(columns)]
        widths[0] = max(len(row[0]) for row in table)
        print(f"\n{title}: {description}")
        for row in table:
            cells = [row[0].ljust(widths[0])]
            if len(row) == columns:
                cells += [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
            else:
                cells += row[1:]
            print("  " + "  ".join(cells).rstrip())
        print(flush=True)

    def write(self):
        """Leaves the figures for other programs."""
        settings.RESULTS.parent.mkdir(parents=True, exist_ok=True)
        settings.RESULTS.write_text(json.dumps(self.figures, indent=2) + "\n")
        print(f"Written to {settings.RESULTS.relative_to(settings.ROOT)}")
