#!/usr/bin/env python3
"""Compares Segue's proxy with nginx, HAProxy, Envoy, Caddy and Traefik on this machine.

Each proxy has one core and one thread, and the load and the application behind it another core.
Proxies take turns within every round, so that what else the machine does strikes them all alike.

  BENCH_ROUNDS     rounds of each scenario (5)
  BENCH_SECONDS    seconds of load for each proxy and round (3)
  BENCH_SCENARIOS  some of: small body64k connections idle cores2 tls http2 (all)
  BENCH_PEERS      some of: segue nginx haproxy envoy caddy traefik (all)
  SEGUE_BIN        the program to measure (the release build)

docs/benchmarks.md says how to read the tables. Exit status 1: a proxy failed a request, or is
missing. Exit status 2: the run could not go on, and the message says why.
"""

import shutil
import sys
import time

import backend
import peers
import scenarios
import settings
from processes import Nursery
from report import Report
from settings import BenchError

TOOLS = ("taskset", "nginx", "wrk", "h2load", "openssl")


def check_tools():
    """The tools that no scenario can do without."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        raise BenchError(f"not found: {', '.join(absent)}", "run 'Scripts/bootstrap --bench'")


def present(wanted):
    """(those that can be measured, those that are missing)"""
    peers.install(wanted)
    missing = [name for name in wanted if not peers.ALL[name].binary()]
    for name in missing:
        print(f"MISSING: {name}, which comes from {peers.ALL[name].source}", flush=True)
    return [name for name in wanted if name not in missing], missing


def measure(bench, chosen, report):
    """Each scenario, and its table as soon as there is one."""
    for title in chosen:
        scenario = getattr(scenarios, title)
        description = scenario.__doc__.splitlines()[0].split(": {")[0].rstrip(".")
        print(f"\n== {title}: {description}", flush=True)
        found = scenario(bench)
        if title in ("cores2", "idle"):
            getattr(report, title)(title, description, found)
        else:
            absent = [name for name in bench.peers if name not in found]
            report.loaded(title, description, found, absent)


def main():
    """Returns the exit status."""
    chosen = settings.names("BENCH_SCENARIOS", settings.SCENARIOS)
    wanted = settings.names("BENCH_PEERS", settings.PEERS)
    rounds, seconds = settings.number("BENCH_ROUNDS", 5), settings.number("BENCH_SECONDS", 3)
    limit = settings.raise_file_limit()
    proxy_core, load_core = settings.cores()
    check_tools()
    able, missing = present(wanted)
    began = time.monotonic()
    report = Report(missing)
    with Nursery() as nursery:
        behind = backend.start(nursery, load_core)
        bench = scenarios.Bench(
            nursery, behind, rounds, seconds, able, proxy_core, load_core, limit
        )
        measure(bench, chosen, report)
    report.write()
    print(f"Took {time.monotonic() - began:.0f} s; medians of {rounds} rounds of {seconds} s.")
    for failure in report.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if report.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as problem:
        print(f"bench-proxy: {problem}", file=sys.stderr)
        sys.exit(2)
