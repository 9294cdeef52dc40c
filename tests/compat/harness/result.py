"""Outcome of one suite: cases that passed, failed or were skipped (with the reason)."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field


@dataclass
class Result:
    """Cases by outcome. `failed` and `skipped` are (case, text) pairs."""

    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    seconds: float = 0.0
    note: str = ""

    def ok(self, name):
        self.passed.append(name)

    def fail(self, name, message):
        self.failed.append((name, one_line(message)))

    def skip(self, name, reason):
        self.skipped.append((name, one_line(reason)))

    def check(self, name, condition, message="") -> bool:
        """One case decided by a condition."""
        if condition:
            self.ok(name)
        else:
            self.fail(name, message or "not so")
        return bool(condition)

    def merge(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def prefixed(self, prefix: str):
        """The same, with longer names."""
        self.passed = [prefix + name for name in self.passed]
        self.failed = [(prefix + name, text) for name, text in self.failed]
        self.skipped = [(prefix + name, text) for name, text in self.skipped]
        return self


def one_line(text, limit=2000) -> str:
    return re.sub(r"\s+", " ", str(text)).strip()[:limit]


def from_lines(output: str, rc: int) -> Result:
    """Output of the suites that are plain programs: lines `PASS name`, `FAIL name: text`, `SKIP name: reason`, `DONE` last."""
    r = Result()
    done = False
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        name, _, text = rest.partition(": ")
        if word == "PASS":
            r.ok(name.split(" ")[0])
        elif word == "FAIL":
            r.fail(name, text)
        elif word == "SKIP":
            r.skip(name, text)
        elif line.strip() == "DONE":
            done = True
    if not done:
        r.fail("(end of the program)", f"it ended early with exit code {rc}: {output[-400:]}")
    return r


def from_junit(path, rc: int, output="") -> Result:
    """pytest's --junitxml file."""
    r = Result()
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as e:
        r.fail("(collection)", f"exit code {rc}, {e}: {output[-600:]}")
        return r
    for case in root.iter("testcase"):
        name = case.get("classname", "").split(".")[-1] + "." + case.get("name", "")
        bad = [c for c in case if c.tag in ("failure", "error")]
        skip = [c for c in case if c.tag == "skipped"]
        if bad:
            r.fail(name, bad[0].get("message") or bad[0].text or "")
        elif skip:
            r.skip(name, skip[0].get("message") or "")
        else:
            r.ok(name)
    if rc not in (0, 1) or not (r.passed or r.failed or r.skipped):
        r.fail("(pytest)", f"exit code {rc}: {output[-600:]}")
    return r


def from_go(output: str, rc: int, not_run=None) -> Result:
    """`go test -json`. Only leaf tests count: a parent's outcome is that of its children."""
    r = Result()
    outcome, text, parents = {}, {}, set()
    rest = []
    for line in output.splitlines():
        try:
            e = json.loads(line)
        except ValueError:
            rest.append(line)
            continue
        t = e.get("Test")
        if not t:
            if e.get("Action") in ("output", "build-output"):
                rest.append(e.get("Output", ""))
            continue
        if "/" in t:
            parents.add(t.rsplit("/", 1)[0])
        if e["Action"] in ("pass", "fail", "skip"):
            outcome[t] = e["Action"]
        elif e["Action"] == "output":
            text.setdefault(t, []).append(e["Output"])
        elif e["Action"] == "run":
            outcome.setdefault(t, "unfinished")
    for t, o in outcome.items():
        said = "".join(x for x in text.get(t, []) if not x.startswith(("=== ", "--- ")) and not x.strip().startswith("--- "))
        if o == "pass":
            if t not in parents:
                r.ok(t)
        elif o == "skip":
            r.skip(t, said)
        elif t not in parents or said.strip() or o == "unfinished":
            if o == "unfinished" and t in parents:
                continue
            r.fail(t, said[-900:] or o)
    if rc != 0 and not r.failed:
        r.fail("(go test)", f"exit code {rc}: {''.join(rest)[-900:]}")
    return r


def from_events(path, rc: int, output="") -> Result:
    """The JSON lines of node/reporter.mjs."""
    r = Result()
    try:
        lines = open(path, encoding="utf-8").read().splitlines()
    except OSError as e:
        lines = []
        r.fail("(start)", f"exit code {rc}, {e}: {output[-600:]}")
    for line in lines:
        e = json.loads(line)
        if e["outcome"] == "pass":
            r.ok(e["name"])
        elif e["outcome"] == "skip":
            r.skip(e["name"], e["text"])
        else:
            r.fail(e["name"], e["text"])
    if rc != 0 and not r.failed:
        r.fail("(node)", f"exit code {rc}: {output[-600:]}")
    if not lines and not r.failed:
        r.fail("(node)", "no test was reported")
    return r
