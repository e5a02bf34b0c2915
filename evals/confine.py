"""Start the engine under limits: processor time, memory, no core file, no network.

    python -m evals.confine --seconds 1800 --bytes 12884901888 -- run --spec … --out …

``--network`` leaves the network open, as far as ``addresses.guard`` lets it; the worker says
so where the target is an endpoint, and adds ``--local`` where that is on this machine.
The network is cut where the system lets an ordinary process do so (Linux user namespaces);
where not, the engine is still told to stay offline. Linux alone.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import runpy
import signal
import sys

from . import addresses

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG = 1
CORES = 4
# The engine's threads take turns; if each had its own pool of memory, a pool would keep what its
# thread gave back.
ONE_POOL = {"MALLOC_ARENA_MAX": "1"}


def main() -> None:
    """Set the limits, then become the engine."""
    parser = argparse.ArgumentParser(prog="python -m evals.confine")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--network", action="store_true", help="the target is an endpoint")
    parser.add_argument("--local", action="store_true", help="which is on this machine")
    parser.add_argument("engine", nargs="+")
    options = parser.parse_args()
    die_with_parent()
    limit(options.seconds, options.bytes)
    os.environ["SAFESTACK_NETWORK"] = "cut" if not options.network and cut_network() else "open"
    if options.network:
        addresses.guard(local=options.local)  # lives in this process alone, so none is executed
        sys.argv = ["evals.engine", *options.engine]
        runpy.run_module("evals.engine", run_name="__main__", alter_sys=True)
        return
    os.environ.update(ONE_POOL)  # the C library reads it when a program starts
    os.execv(sys.executable, [sys.executable, "-m", "evals.engine", *options.engine])


def die_with_parent() -> None:
    """Be killed when the worker is, so that no run goes on that nobody waits for."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def limit(seconds: int, size: int) -> None:
    """Bound processor time (over all cores), address space in bytes, and core files."""
    for kind, value in (
        (resource.RLIMIT_CPU, seconds * CORES),
        (resource.RLIMIT_AS, size),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        bound = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (bound, bound))


def cut_network() -> bool:
    """Move this process into a network namespace without interfaces; tell whether it worked."""
    libc = ctypes.CDLL(None, use_errno=True)
    ways = (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET)  # as root, as anybody else
    return any(libc.unshare(flags) == 0 for flags in ways)


if __name__ == "__main__":
    main()
