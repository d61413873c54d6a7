#!/usr/bin/env python3
"""Checks what one proxied request costs, in figures that do not depend on how busy a machine is.

  check_costs.py instructions [--update]   executed instructions, against instructions.json
  check_costs.py allocations               calls of the allocator

Each is the difference of two counts of requests, so that what starting costs cancels out. Exit
status 1: it costs too much.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys

import backend
import settings
from peers import Run, Segue
from processes import Nursery
from settings import SMALL_BODY, BenchError

FEW, MANY = 2_000, 12_000
BUDGET = settings.ROOT / "Benchmarks" / "instructions.json"
GROWTH_LIMIT = 0.03
ALLOCATION_LIMIT = 2.0
REQUEST = b"GET / HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"


class Wrapped(Segue):
    """Segue's proxy, behind a command that runs it, or as another copy of the program."""

    def __init__(self, prefix=(), environment=None, program=None):
        self.prefix, self.environment = list(prefix), environment or {}
        self.program = program

    def binary(self):
        return self.program or super().binary()

    def command(self, run):
        command, environment = super().command(run)
        return [*self.prefix, *command], {**environment, **self.environment}


def without_debug_information(nursery):
    """A copy that Valgrind can load: before 3.20 it gives up on the DWARF 5 that Swift's compiler
    writes ("unhandled dwarf2 abbrev form code 0x25"). The instructions are the same."""
    copy = nursery.directory / "segue"
    subprocess.run(["strip", "--strip-debug", "-o", copy, settings.segue_binary()], check=True)
    return copy


def exchange(port, count):
    """That many requests one after another over one connection: always the same work."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for number in range(count):
            connection.sendall(REQUEST)
            answer = b""
            while not answer.endswith(SMALL_BODY):
                piece = connection.recv(65_536)
                if not piece:
                    raise BenchError(f"segue closed the connection at request {number + 1}")
                answer += piece
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise BenchError(f"request {number + 1} was answered {answer[:100]!r}")


def instructions_of(nursery, program, port, requests):
    """Instructions of all threads of a whole run with so many requests."""
    folder = nursery.folder("callgrind")
    output = folder / "out"
    valgrind = [
        "valgrind", "--tool=callgrind", "--fair-sched=yes", f"--callgrind-out-file={output}",
        "--quiet",
    ]
    run = Run(folder, port)
    child = Wrapped(valgrind, program=program).start(nursery, None, run)
    exchange(run.port, requests)
    nursery.stop(child)
    found = output.exists() and re.search(r"^(?:totals|summary): (\d+)", output.read_text(), re.M)
    if not found:
        log = child.log.read_text(errors="replace")[-1_000:]
        raise BenchError(f"callgrind left no total (status {child.returncode}): {log}")
    return int(found[1])


def check_instructions(nursery, port, update):
    """Returns the exit status."""
    if not shutil.which("valgrind"):
        raise BenchError("valgrind was not found", "run 'Scripts/bootstrap --bench'")
    program, counts = without_debug_information(nursery), []
    for requests in (FEW, MANY):
        print(f"Running {requests} requests under callgrind ...", flush=True)
        counts.append(instructions_of(nursery, program, port, requests))
    each = round((counts[1] - counts[0]) / (MANY - FEW))
    print(f"small_get: {each} instructions a request")
    if update:
        BUDGET.write_text(json.dumps({"small_get": each}, indent=2) + "\n")
        print(f"{BUDGET.relative_to(settings.ROOT)} is rewritten.")
        return 0
    if not BUDGET.exists():
        raise BenchError(f"there is no {BUDGET}", "run 'make check-instructions UPDATE=1'")
    budget = json.loads(BUDGET.read_text())["small_get"]
    growth = each / budget - 1
    print(f"           {budget} were agreed upon: {growth:+.1%} of {GROWTH_LIMIT:+.0%} allowed")
    if growth > GROWTH_LIMIT:
        print(
            "FAILED: a request executes more than before.\nNext: find out why, with "
            "'perf record' for instance; if it is worth its price, say so in the commit and run "
            "'make check-instructions UPDATE=1'", file=sys.stderr,
        )
        return 1
    return 0


def check_allocations(nursery, port):
    """Returns the exit status."""
    folder = nursery.folder("allocations")
    library, count_file = folder / "count_allocations.so", folder / "count"
    source = pathlib.Path(__file__).with_name("count_allocations.c")
    subprocess.run(
        [os.environ.get("CC", "cc"), "-O2", "-Wall", "-Werror", "-shared", "-fPIC",
         "-fno-builtin", "-o", library, source], check=True,
    )
    count_file.write_bytes(bytes(8))
    environment = {"LD_PRELOAD": str(library), "COUNT_ALLOCATIONS_FILE": str(count_file)}
    run = Run(folder, port)
    Wrapped(environment=environment).start(nursery, None, run)

    def counted(requests):
        before = struct.unpack("=Q", count_file.read_bytes())[0]
        exchange(run.port, requests)
        return struct.unpack("=Q", count_file.read_bytes())[0] - before

    if not struct.unpack("=Q", count_file.read_bytes())[0]:
        raise BenchError("nothing was counted: is the program linked with its own allocator?")
    counted(FEW)  # Until pools are filled.
    each = (counted(MANY) - counted(FEW)) / (MANY - FEW)
    print(f"small_get: {each:.2f} allocations a request; {ALLOCATION_LIMIT:g} are allowed")
    if each > ALLOCATION_LIMIT:
        print(
            "FAILED: a request allocates too often.\nNext: see who calls malloc with "
            "'perf record -g -e probe_libc:malloc' or 'ltrace -e malloc'", file=sys.stderr,
        )
        return 1
    return 0


def main(arguments):
    """Returns the exit status."""
    settings.raise_file_limit()
    if not shutil.which("nginx"):
        raise BenchError("nginx was not found", "run 'Scripts/bootstrap --bench'")
    with Nursery() as nursery:
        port = backend.start(nursery, None).port
        match arguments:
            case ["instructions"]:
                return check_instructions(nursery, port, update=False)
            case ["instructions", "--update"]:
                return check_instructions(nursery, port, update=True)
            case ["allocations"]:
                return check_allocations(nursery, port)
    raise BenchError(__doc__)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as problem:
        print(f"check-costs: {problem}", file=sys.stderr)
        sys.exit(2)
