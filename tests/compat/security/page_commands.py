"""The commands of docs/security.md, taken from the page and run in an empty folder with the binary as `ottla`. Only the port is another one."""

import os
import re
import signal
import subprocess
import time

from harness import paths, programs
from harness.broker import free_port
from harness.result import Result

PAGE = paths.REPO / "docs" / "security.md"
SECTION, PORT = "From nothing to TLS, SCRAM and ACLs in ten commands", "9094"
COMMANDS = 10


def blocks() -> list:
    """The section's shell blocks, in order."""
    page = PAGE.read_text()
    section = page[page.index(f"## {SECTION}\n"):].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


def commands(text: str) -> int:
    """How many commands a block has: lines that neither go on from the one before nor are a file's content."""
    without_files = re.sub(r"<<'END'\n.*?\nEND\n", "\n", text, flags=re.S)
    return len([line for line in without_files.replace("\\\n", " ").splitlines() if line.strip()])


def script(text: str, port: int) -> str:
    return text.replace(f"localhost:{PORT}", f"localhost:{port}")


def run(ctx) -> Result:
    r = Result()
    found = blocks()
    r.check("ten-commands", len(found) == 4 and sum(commands(b) for b in found[:-1]) == COMMANDS, f"{[commands(b) for b in found]} commands in {len(found)} blocks")
    home, tools = ctx.work / "page", ctx.work / "bin"
    home.mkdir()
    tools.mkdir()
    (tools / "ottla").symlink_to(ctx.ottla)
    port = free_port()
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    log = ctx.work / "page.log"
    whole = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null; wait' TERM\n" + "\n".join(script(b, port) for b in found) + "\necho THE-END\nwait\n"
    with open(log, "wb") as out:
        shell = subprocess.Popen(["bash", "-c", whole], cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = ended(shell, log)
        if not r.check("commands-as-written", "THE-END" in said, said[-900:]):
            return r
        r.check("alice-reads-what-she-wrote", "hello from alice" in said, said[-400:])
        for name, who, arguments, code, holds in (
            ("alice-may-not-make-topics", "alice", ["topics", "--create", "--topic", "others"], 1, "uthoriz"),
            ("alice-sees-no-entries", "alice", ["acls", "--list"], 1, "uthoriz"),
            ("the-administrator-sees-alice", "admin", ["acls", "--list", "--topic", "orders"], 0, "User:alice"),
        ):
            argv = [tools / "ottla", arguments[0], "--bootstrap-server", f"localhost:{port}", "--command-config", f"{who}.properties", *arguments[1:]]
            got, text = ctx.run(name, argv, 240, cwd=home)
            r.check(name, got == code and holds in text, f"code {got}: {text[-300:]}")
        wrong = (home / "alice.properties").read_text().replace("alice-secret", "wrong")
        (home / "wrong.properties").write_text(wrong)
        got, text = ctx.run("wrong", [tools / "ottla", "topics", "--bootstrap-server", f"localhost:{port}", "--command-config", "wrong.properties", "--list"], 240, cwd=home)
        r.check("a-wrong-password-stays-out", got == 1 and "invalid credentials" in text, f"code {got}: {text[-300:]}")
    finally:
        if shell.poll() is None:
            shell.send_signal(signal.SIGTERM)
        programs.end_group(shell, 60)
    return r


def ended(shell, log, patience_s: float = 400) -> str:
    """What the commands said, once the last has ended or one has failed."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end and shell.poll() is None and "THE-END" not in log.read_text(errors="replace"):
        time.sleep(0.05)
    return log.read_text(errors="replace")
