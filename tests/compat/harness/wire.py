"""The few frames that the harness itself speaks: enough to know that a broker is up."""

import socket
import struct


def request(api_key: int, version: int, correlation_id: int, body: bytes, client_id: str = "compat") -> bytes:
    """A size-prefixed request with header version 1 (no tagged fields)."""
    c = client_id.encode()
    head = struct.pack(">hhih", api_key, version, correlation_id, len(c)) + c
    return struct.pack(">i", len(head) + len(body)) + head + body


def receive(s: socket.socket) -> bytes:
    """One response without its size."""
    head = b""
    while len(head) < 4:
        part = s.recv(4 - len(head))
        if not part:
            raise ConnectionError("closed")
        head += part
    left, parts = struct.unpack(">i", head)[0], []
    while left:
        part = s.recv(min(left, 1 << 20))
        if not part:
            raise ConnectionError("closed")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def api_keys(host: str, port: int) -> set:
    """The APIs that the broker offers, by ApiVersions v0."""
    with socket.create_connection((host, port), 60) as s:
        s.settimeout(60)
        s.sendall(request(18, 0, 7, b""))
        answer = receive(s)
    n = struct.unpack(">i", answer[6:10])[0]
    return {struct.unpack(">hhh", answer[10 + 6 * i:16 + 6 * i])[0] for i in range(n)}


def serves(host: str, port: int, timeout_s: float = 2.0) -> bool:
    """Metadata v0 of no topic in particular lists at least one broker."""
    try:
        with socket.create_connection((host, port), timeout_s) as s:
            s.settimeout(timeout_s)
            s.sendall(request(3, 1, 7, struct.pack(">i", 0)))
            answer = receive(s)
            return struct.unpack(">ii", answer[:8])[1] >= 1
    except (OSError, struct.error):
        return False
