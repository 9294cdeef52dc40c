"""Where the suites are, and where everything that they download or build is kept."""

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path

COMPAT = Path(__file__).resolve().parent.parent
REPO = COMPAT.parent.parent
CACHE = Path(os.environ.get("OTTLA_COMPAT_CACHE") or Path.home() / ".cache" / "ottla-compat").expanduser()


def digest(*items) -> str:
    """A short key over strings and the contents of files and folders (names and bytes, in sorted order)."""
    h = hashlib.sha256()
    for item in items:
        if isinstance(item, Path):
            files = [item] if item.is_file() else sorted(p for p in item.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
            for f in files:
                h.update(str(f.relative_to(item.parent)).encode() + b"\0" + f.read_bytes() + b"\0")
        else:
            h.update(str(item).encode() + b"\0")
    return h.hexdigest()[:16]


@contextlib.contextmanager
def lock(name: str):
    """One process at a time fills a part of the cache; the others wait and then find it filled."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f".{name}.lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def built(name: str, key: str, fill) -> Path:
    """The folder CACHE/name-key. If it is not there, `fill(folder)` makes it; a fill that fails leaves nothing behind."""
    target = CACHE / f"{name}-{key}"
    if target.is_dir() and (target / ".complete").exists():
        return target
    with lock(name):
        if (target / ".complete").exists():
            return target
        if target.exists():
            import shutil

            shutil.rmtree(target)
        target.mkdir(parents=True)
        fill(target)
        (target / ".complete").touch()
        return target
