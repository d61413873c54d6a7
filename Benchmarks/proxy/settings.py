"""What a run of the benchmark is told, and the failure that explains itself."""

import os
import pathlib
import resource

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "Benchmarks" / "results" / "proxy.json"
SCENARIOS = ("small", "body64k", "connections", "idle", "cores2", "tls", "http2")
PEERS = ("segue", "nginx", "haproxy", "envoy", "caddy", "traefik")
CONNECTIONS = 64
IDLE_CONNECTIONS = 10_000
SMALL_BODY = b"Every proxy answers with these 47 octets: hello"
LARGE_BODY = SMALL_BODY * (65_536 // len(SMALL_BODY)) + SMALL_BODY[: 65_536 % len(SMALL_BODY)]
assert len(SMALL_BODY) == 47 and len(LARGE_BODY) == 65_536


class BenchError(Exception):
    """What went wrong, and what to do next."""

    def __init__(self, what, next_step=None):
        super().__init__(f"{what}\nNext: {next_step}" if next_step else what)


def number(name, default):
    """An environment variable that must be a whole number of at least 1."""
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or int(text) < 1:
        raise BenchError(f"{name} is {text!r}", f"set {name} to a whole number of at least 1")
    return int(text)


def names(variable, offered):
    """An environment variable that lists some of what is offered, in the order of the offer."""
    wanted = os.environ.get(variable, "").replace(",", " ").split()
    unknown = [name for name in wanted if name not in offered]
    if unknown:
        raise BenchError(
            f"{variable} names {', '.join(unknown)}", f"choose among {' '.join(offered)}"
        )
    return [name for name in offered if name in wanted] if wanted else list(offered)


def segue_binary():
    """The program to measure: SEGUE_BIN, or the release build."""
    path = pathlib.Path(os.environ.get("SEGUE_BIN") or ROOT / ".build-release/release/segue")
    if not os.access(path, os.X_OK):
        raise BenchError(f"there is no {path}", "run 'make release'")
    return path.resolve()


def cores():
    """(the proxy's core, the core of the load and the backend)"""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError(
            "only one core may be used, and the proxy needs one for itself",
            "run this on a machine, or in a container, with at least two",
        )
    return allowed[1], allowed[0]


def raise_file_limit():
    """Allows as many open files as the machine lets us, and says how many that is."""
    wanted = 65_536
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            wanted = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
