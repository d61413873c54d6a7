"""Starting programs, waiting until they serve, and stopping them by their own pids."""

import http.client
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from settings import BenchError


def free_port():
    """A port that the kernel considers free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nursery:
    """Owns every process and file of a run; leaving it, in whatever way, ends and removes them."""

    def __enter__(self):
        self.children = []
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="segue-bench-proxy."))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        return self

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for child in reversed(self.children):
            _end(child)
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _interrupted(number, _):
        raise SystemExit(128 + number)

    def folder(self, name):
        """A new empty directory."""
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=self.directory))

    def start(self, command, log, core=None, environment=None, **options):
        """Starts a program in a process group of its own, on one core or on several."""
        command = [str(word) for word in command]
        if core is not None:
            command = ["taskset", "--cpu-list", str(core), *command]
        with open(log, "ab") as output:
            child = subprocess.Popen(
                command,
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=options.pop("stdout", output),
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                **options,
            )
        child.log = pathlib.Path(log)
        self.children.append(child)
        return child

    def stop(self, child):
        """Ends a program and what it started."""
        _end(child)
        self.children.remove(child)


def _end(child):
    """Politely first, then for good. The group is the child's own, and so is every pid in it."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream:
            stream.close()


def fetch(port, path="/", tls=False):
    """(status, body) of one GET."""
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def wait_until_served(name, child, port, path, body, tls=False, seconds=30):
    """Returns once the program answers with the body; otherwise shows what it had to say."""
    deadline = time.monotonic() + seconds
    last = "nothing"
    while time.monotonic() < deadline and child.poll() is None:
        try:
            status, got = fetch(port, path, tls)
            if (status, got) == (200, body):
                return
            last = f"status {status} and {len(got)} octets"
        except (OSError, http.client.HTTPException) as error:
            last = str(error)
        time.sleep(0.05)
    ended = "" if child.poll() is None else f" It ended with status {child.returncode}."
    log = child.log.read_text(errors="replace")[-2_000:].strip()
    raise BenchError(
        f"{name} does not serve {path} on port {port}: the last try gave {last}.{ended}\n{log}",
        f"start it by hand with the configuration that peers.py writes, or leave {name} out "
        "with BENCH_PEERS",
    )
