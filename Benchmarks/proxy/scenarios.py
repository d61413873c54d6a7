"""The scenarios: which load each proxy gets, and what is written down."""

import dataclasses
import subprocess
import time

import load
import measure
import settings
from peers import ALL, Run
from processes import fetch
from settings import BenchError


@dataclasses.dataclass
class Bench:
    """What every scenario needs."""

    nursery: object
    backend: object
    rounds: int
    seconds: int
    #: Names of the proxies to measure, all of which are there.
    peers: list
    proxy_core: int
    load_core: int
    file_limit: int


@dataclasses.dataclass
class Cell:
    """One proxy in one round."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    rss_mib: float
    pss_mib: float
    errors: int


def say(text):
    """Progress, at once."""
    print(text, flush=True)


def start(bench, name, cores=None, threads=1, certificate=None):
    """(run, process) of a proxy that serves."""
    run = Run(bench.nursery.folder(name), bench.backend.port, threads, certificate)
    return run, ALL[name].start(bench.nursery, cores or bench.proxy_core, run)


def cell(child, apply_load):
    """Measures one stretch of load; `None` if the load was not taken at all."""
    before = measure.cpu_microseconds(child.pid)
    done = apply_load()
    spent = measure.cpu_microseconds(child.pid) - before
    if done is None:
        return None
    if not done.requests:
        raise BenchError("a proxy answered no request at all", "look at its log by hand")
    used = measure.memory(child.pid)
    return Cell(
        spent / done.requests, done.requests / done.seconds, done.p50, done.p99,
        used.rss / 1024, used.pss / 1024, done.errors,
    )


def rounds(bench, title, running, apply_load):
    """Every proxy once a round, and another one first in each: {name: [cell of each round]}.

    `running` is {name: (run, process)}. A proxy that does not take the load is left out.
    """
    for name, (run, _) in running.items():
        # Until pools are filled and code is hot.
        if apply_load(run, 1) is None:
            say(f"  {name}: did not agree to the protocol")
            running = {key: value for key, value in running.items() if key != name}
    cells = {name: [] for name in running}
    for number in range(bench.rounds):
        order = list(running)
        shift = number % max(len(order), 1)
        for name in order[shift:] + order[:shift]:
            run, child = running[name]
            one = cell(child, lambda run=run: apply_load(run, bench.seconds))
            cells[name].append(one)
            say(
                f"  {title} {number + 1}/{bench.rounds} {name:<8} {one.cpu_us:7.1f} us/request"
                f" {one.rps:9.0f} requests/s" + (f"  {one.errors} ERRORS" if one.errors else "")
            )
    return cells


def http1(bench, title, path="/", headers=(), certificate=None):
    """A scenario for wrk."""
    scheme = "https" if certificate else "http"

    def apply_load(run, seconds):
        url = f"{scheme}://127.0.0.1:{run.port}{path}"
        return load.wrk(bench.nursery, bench.load_core, url, seconds, headers)

    return together(bench, title, apply_load, certificate)


def together(bench, title, apply_load, certificate=None):
    """Starts every proxy, has the rounds, and stops them again."""
    running = {}
    for name in bench.peers:
        if certificate and not ALL[name].offers_tls():
            say(f"  {name}: not offered")
            continue
        running[name] = start(bench, name, certificate=certificate)
    cells = rounds(bench, title, running, apply_load)
    for _, child in running.values():
        bench.nursery.stop(child)
    return cells


def small(bench):
    """47 octets over 64 keep-alive connections."""
    return http1(bench, "small")


def body64k(bench):
    """64 KiB over 64 keep-alive connections."""
    return http1(bench, "body64k", path="/large")


def connections(bench):
    """A new connection for every request."""
    return http1(bench, "connections", headers=["Connection: close"])


def tls(bench):
    """As small, over TLS."""
    return http1(bench, "tls", certificate=certificate_pair(bench))


def http2(bench):
    """As small, over TLS and HTTP/2: 8 connections with 8 streams each."""

    def apply_load(run, seconds):
        url = f"https://127.0.0.1:{run.port}/"
        return load.h2load(bench.nursery, bench.load_core, url, seconds)

    return together(bench, "http2", apply_load, certificate_pair(bench))


def certificate_pair(bench):
    """Paths of a self-signed certificate and its key, made for this run."""
    folder = bench.nursery.folder("certificate")
    pair = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=bench.example",
         "-addext", "subjectAltName=DNS:bench.example,IP:127.0.0.1",
         "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True,
    )
    return pair


def cores2(bench):
    """Two threads on two cores against one thread on one: {name: [(one, two) of each round]}.

    The load and the backend have to share the machine's cores when there are only two.
    """
    both = f"{bench.load_core},{bench.proxy_core}"
    cells = {}
    for name in bench.peers:
        running = {"1": start(bench, name), "2": start(bench, name, cores=both, threads=2)}

        def apply_load(run, seconds):
            url = f"http://127.0.0.1:{run.port}/"
            return load.wrk(bench.nursery, bench.load_core, url, seconds)

        found = rounds(bench, f"cores2 {name}", running, apply_load)
        cells[name] = list(zip(found["1"], found["2"]))
        for _, child in running.values():
            bench.nursery.stop(child)
    return cells


def idle(bench):
    """What a connection that nobody uses costs: {name: (connections, KiB of each)}."""
    # Segue and HAProxy accept only as many clients as could each have a connection to an instance,
    # so half of what may be open, less what a proxy needs for itself.
    count = min(settings.IDLE_CONNECTIONS, bench.file_limit // 2 - 200)
    if count < 1:
        raise BenchError("too few files may be open", "raise 'ulimit -n' to 21000 or more")
    if count < settings.IDLE_CONNECTIONS:
        say(f"  only {count} connections: this machine allows {bench.file_limit} open files")
    found = {}
    for name in bench.peers:
        run, child = start(bench, name)
        for _ in range(100):
            fetch(run.port)
        before = measure.memory(child.pid).rss
        crowd = load.Crowd(bench.nursery, bench.load_core, run.port, count)
        time.sleep(1)
        held = measure.memory(child.pid).rss
        crowd.leave(count)
        bench.nursery.stop(child)
        found[name] = (count, (held - before) / count)
        say(f"  idle {name:<8} {found[name][1]:6.2f} KiB a connection")
    return found
