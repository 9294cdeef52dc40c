"""Running a program to its end: own process group, time limit, output to a file."""

import os
import signal
import subprocess
from pathlib import Path


class Ended(Exception):
    """A program that had to succeed did not."""


def run(argv, log: Path, timeout_s: float, cwd=None, env=None, check=False) -> tuple[int, str]:
    """Exit code (124 after the time limit) and everything that was written to stdout and stderr."""
    full = dict(os.environ)
    full.update({k: str(v) for k, v in (env or {}).items()})
    with open(log, "wb") as out:
        p = subprocess.Popen([str(a) for a in argv], cwd=cwd, env=full, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            rc = p.wait(timeout_s)
        except subprocess.TimeoutExpired:
            rc = 124
        finally:
            if p.poll() is None:
                end_group(p)
    text = log.read_text(encoding="utf-8", errors="replace")
    if check and rc != 0:
        raise Ended(f"{Path(str(argv[0])).name} ended with {rc} ({log}): {text[-1500:]}")
    return rc, text


def end_group(p: subprocess.Popen, patience_s: float = 3.0):
    """Ends a program started with `start_new_session` and what it started: asks first, then insists."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        if p.poll() is not None:
            return
        try:
            os.killpg(p.pid, sig)
        except ProcessLookupError:
            break
        try:
            p.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
    p.wait()
