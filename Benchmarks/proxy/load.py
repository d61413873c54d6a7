"""The load: wrk for HTTP/1.1, h2load for HTTP/2, and a crowd that only holds its connections."""

import dataclasses
import pathlib
import re
import statistics
import subprocess
import sys

from settings import CONNECTIONS, BenchError

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Load:
    """What one cell of load did. Latencies in milliseconds, the duration in seconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float


def wrk(nursery, core, url, seconds, headers=(), connections=CONNECTIONS):
    """Closed-loop load over 64 connections, or another number, from one thread."""
    command = ["wrk", "--threads", "1", "--connections", connections, "--duration", f"{seconds}s"]
    command += ["--timeout", "10s", "--latency", "--script", HERE / "load.lua"]
    for header in headers:
        command += ["--header", header]
    output = _run(nursery, core, [*command, url], seconds + 30)
    found = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if not found:
        raise BenchError(f"wrk did not report its figures:\n{output[-1_000:]}")
    requests, duration, errors, p50, p99 = map(int, found.groups())
    return Load(requests, duration / 1e6, errors, p50 / 1e3, p99 / 1e3)


def h2load(nursery, core, url, seconds):
    """64 concurrent streams: 8 connections with 8 each. `None` if HTTP/2 was not agreed upon."""
    log = nursery.folder("h2load") / "requests"
    command = ["h2load", "--threads=1", "--clients=8", "--max-concurrent-streams=8"]
    command += [f"--duration={seconds}", f"--log-file={log}", url]
    output = _run(nursery, core, command, seconds + 30)
    if "Application protocol: h2" not in output:
        return None
    found = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    if not found:
        raise BenchError(f"h2load did not report its figures:\n{output[-1_000:]}")
    succeeded, failed, errored, timeout = map(int, found.groups())
    times = [int(line.split("\t")[2]) for line in log.read_text().splitlines()]
    log.unlink()
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0] * 99
    return Load(
        succeeded, float(seconds), failed + errored + timeout, cuts[49] / 1e3, cuts[98] / 1e3
    )


def _run(nursery, core, command, limit):
    log = nursery.directory / "load.log"
    child = nursery.start(command, log, core, stdout=subprocess.PIPE)
    try:
        output, _ = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{command[0]} did not end within {limit} seconds") from None
    finally:
        nursery.stop(child)
    if child.returncode != 0:
        raise BenchError(
            f"{command[0]} failed with status {child.returncode}: "
            f"{log.read_text(errors='replace')[-500:]}"
        )
    return output.decode()


class Crowd:
    """Idle keep-alive connections, each of which has had one answer; held by another process."""

    script = "hold_connections.py"

    def __init__(self, nursery, core, port, count):
        self.nursery = nursery
        script = HERE / self.script
        self.child = nursery.start(
            [sys.executable, script, port, count], nursery.directory / "crowd.log", core,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        self._expect("opened", count)

    def leave(self, count):
        """Checks that every connection is still open, and closes them."""
        self.child.stdin.close()
        self.child.stdin = None
        self._expect("still open", count)
        self.nursery.stop(self.child)

    def _expect(self, what, count):
        line = self.child.stdout.readline().decode().strip()
        if line != f"{what} {count}":
            log = self.child.log.read_text(errors="replace")[-500:]
            raise BenchError(f"of {count} connections: {line or 'no word'}. {log}")


class SlowCrowd(Crowd):
    """Clients that send an octet now and then; who is hung up on comes again."""

    script = "drip_connections.py"
