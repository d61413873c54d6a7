"""What a process and its descendants have used, out of /proc."""

import dataclasses
import os
import pathlib
import re

PROC = pathlib.Path("/proc")


def family(pid):
    """The process and all of its descendants."""
    children = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name, in parentheses, may hold anything; what follows the last one may not.
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def cpu_microseconds(pid):
    """CPU time of every thread: to the nanosecond where the kernel keeps it, or in clock ticks."""
    total = 0
    for member in family(pid):
        precise = sum(_nanoseconds(task) for task in (PROC / str(member) / "task").iterdir())
        total += precise / 1_000 if precise else _ticks(member)
    return total


def _nanoseconds(task):
    try:
        return int((task / "schedstat").read_text().split()[0])
    except (OSError, IndexError):
        return 0


def _ticks(pid):
    fields = (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Memory:
    """Resident memory in KiB; `pss` counts a page that n processes share as 1/n."""

    rss: int = 0
    pss: int = 0


def memory(pid):
    """Of the process and its descendants together."""
    sum_of = Memory()
    for member in family(pid):
        text = (PROC / str(member) / "smaps_rollup").read_text()
        sum_of.rss += int(re.search(r"^Rss:\s+(\d+)", text, re.MULTILINE)[1])
        sum_of.pss += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])
    return sum_of
