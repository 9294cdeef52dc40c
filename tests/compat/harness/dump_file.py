"""The file in which dump_topic.py leaves all records of a topic."""

import collections
import struct
import zlib
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent / "dump_topic.py"


def read(file: Path) -> dict:
    """partition -> [(key, value, crc)], by offset, null as empty; holes and repeats are errors of the caller to find."""
    data, at, out = file.read_bytes(), 0, collections.defaultdict(list)
    while at < len(data):
        p, o, n = struct.unpack_from(">iqi", data, at)
        at += 16
        key = data[at:at + max(n, 0)]
        at += max(n, 0)
        (n,) = struct.unpack_from(">i", data, at)
        at += 4
        value = data[at:at + max(n, 0)]
        at += max(n, 0)
        if o != len(out[p]):
            raise ValueError(f"offset {o} of partition {p} follows {len(out[p]) - 1}")
        out[p].append((key, value, zlib.crc32(value, zlib.crc32(key))))
    return dict(out)
