#!/usr/bin/env python3
"""Measures how much longer others wait for Segue's proxy while it has 5,000 slow clients.

The slow ones send an octet a second each, half of them of a head and half of a body. In every
round the others are measured without them, with them, and with them at the application itself:
there they cost this machine the same, but not the proxy. What else the machine does strikes all
alike.

  BENCH_ROUNDS   rounds (3)
  BENCH_SECONDS  seconds of load for each of the three in a round (12); more than the ten after which
                 the proxy hangs up on a head
  BENCH_SLOW     slow clients (5000)
  SEGUE_BIN      the program to measure (the release build)

Exit status 1: a request failed, or p99 is more than doubled. Exit status 2: the run could not go
on, and the message says why.
"""

import json
import statistics
import sys

import backend
import load
import settings
from peers import Run, Segue
from processes import Nursery
from settings import BenchError

RESULTS = settings.RESULTS.with_name("slow-clients.json")
#: Of those who are not slow: few enough that the proxy has time, as proxies mostly have.
CONNECTIONS = 8
LIMIT = 2.0


def measure(nursery, rounds, seconds, slow):
    """{where the slow clients are: [what the others saw in each round]}"""
    proxy_core, load_core = settings.cores()
    behind = backend.start(nursery, load_core)
    run = Run(nursery.folder("segue"), behind.port)
    Segue().start(nursery, proxy_core, run)
    url = f"http://127.0.0.1:{run.port}/"
    load.wrk(nursery, load_core, url, 1)
    places = {"without": None, "aside": behind.port, "with": run.port}
    cells = {place: [] for place in places}
    for number in range(rounds):
        for place in sorted(places, reverse=number % 2 == 1):
            crowd = places[place] and load.SlowCrowd(nursery, load_core, places[place], slow)
            done = load.wrk(nursery, load_core, url, seconds, connections=CONNECTIONS)
            if crowd:
                crowd.leave(slow)
            cells[place].append(done)
            print(f"  round {number + 1}, {place:7}: p99 {done.p99:6.2f} ms", flush=True)
    return cells


def report(cells, slow):
    """Prints the table, writes the figures, and returns what is wrong."""
    figures = {"slow_clients": slow}
    print("\n  slow clients  requests/s    p50 ms    p99 ms  errors")
    for name, rounds in cells.items():
        rate = statistics.median(one.requests / one.seconds for one in rounds)
        p50, p99 = (statistics.median(getattr(one, field) for one in rounds)
                    for field in ("p50", "p99"))
        errors = sum(one.errors for one in rounds)
        print(f"  {name:12}  {rate:10.0f}  {p50:8.3f}  {p99:8.3f}  {errors:6}")
        figures |= {f"{name}_rps": round(rate), f"{name}_p50_ms": round(p50, 3),
                    f"{name}_p99_ms": round(p99, 3), f"{name}_errors": errors}
    for other in ("without", "aside"):
        for field in ("p50", "p99"):
            pairs = zip(cells["with"], cells[other])
            ratio = statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs)
            figures[f"{field}_ratio_{other}"] = round(ratio, 3)
    print(f"\np99 with {slow} slow clients is {figures['p99_ratio_without']:.2f} times what it is"
          f" without, and {figures['p99_ratio_aside']:.2f} times what it is when they are at the"
          f" application itself;\np50: {figures['p50_ratio_without']:.2f} and"
          f" {figures['p50_ratio_aside']:.2f} times. Medians of {len(cells['with'])} rounds.")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"Written to {RESULTS.relative_to(settings.ROOT)}")
    problems = []
    if failed := sum(one.errors for rounds in cells.values() for one in rounds):
        problems.append(f"{failed} requests failed")
    if figures["p99_ratio_without"] > LIMIT:
        problems.append(f"p99 grows by more than {LIMIT:.0f} times")
    return problems


def main():
    """Returns the exit status."""
    rounds, seconds = settings.number("BENCH_ROUNDS", 3), settings.number("BENCH_SECONDS", 12)
    slow = settings.number("BENCH_SLOW", 5_000)
    # A slow body has a connection on either side of the proxy.
    if settings.raise_file_limit() < 2 * slow + 1_000:
        raise BenchError(
            f"too few open files are allowed for {slow} slow clients",
            "raise the limit with 'ulimit -n', or set BENCH_SLOW to fewer")
    with Nursery() as nursery:
        problems = report(measure(nursery, rounds, seconds, slow), slow)
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as problem:
        print(f"bench-slow-clients: {problem}", file=sys.stderr)
        sys.exit(2)
