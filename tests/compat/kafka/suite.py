"""Apache Kafka's own integration tests (README.md of this folder) against one broker process, judged by the reference run.

A test is asked of the broker when Apache Kafka passes it as an external process (the reference file) or asked-too.tsv has it, it needs no plug-in
class inside the broker's JVM that has no substitute, and exceptions.tsv does not name it.
"""

import collections
import os
import re
import subprocess
import time
from pathlib import Path

from harness import kafka_dist, kerby, paths, programs
from harness.context import Suite
from harness.result import Result

HERE = Path(__file__).resolve().parent
REFERENCE = HERE / "reference-4.3.1-squeezed.tsv"
# Tests that Ottla has passed and that were not run with Apache Kafka as an external process, or not soundly: rows of the run with Ottla.
ASKED_TOO = HERE / "asked-too.tsv"
RUNNERS = 2
# Plug-in classes of tests that the harness has a substitute for (src/ext/Front.scala).
SUBSTITUTED = {
    "AbstractAuthorizerIntegrationTest$PrincipalBuilder", "ControllerMutationQuotaTest$TestPrincipalBuilder", "SslEndToEndAuthorizationTest$TestPrincipalBuilder",
    "PlaintextEndToEndAuthorizationTest$TestClientPrincipalBuilder", "PlaintextEndToEndAuthorizationTest$TestServerPrincipalBuilder",
    "DescribeCredentialsTest$TestPrincipalBuilderReturningAuthorized", "DescribeCredentialsTest$TestPrincipalBuilderReturningUnauthorized",
}
# It stops the only broker of a squeezed run and spins.
NEVER = [r"testCoordinatorFailover"]


def rows(file: Path) -> dict:
    """(class, test) -> columns. A test that ran twice counts as passed when it passed once."""
    found = {}
    if file.exists():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            c = line.split("\t")
            if len(c) >= 12 and c[0] != "class":
                # Names of parameterised tests may hold the time of the run.
                key = (c[0], re.sub(r"\d{12,}", "TIME", c[1]))
                old = found.get(key)
                if old is None or old[2] != "pass":
                    found[key] = c
    return found


def exceptions() -> list:
    """(pattern, kind, reason) of exceptions.tsv."""
    out = []
    for line in (HERE / "exceptions.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern, kind, reason = line.split("\t")
            out.append((re.compile(pattern), kind, reason))
    return out


def selection() -> list:
    return [x for x in (HERE / "selection.txt").read_text().splitlines() if x and not x.startswith("#")]


def asked(reference: dict, excepted: list) -> tuple[dict, dict]:
    """Tests that must pass, and tests that are excepted with their reason."""
    must, not_asked = {}, {}
    for key, c in reference.items():
        if c[2] != "pass":
            continue
        name = f"{key[0]}.{key[1]}"
        hit = next((e for e in excepted if e[0].search(name)), None)
        if not SUBSTITUTED.issuperset(plugin.partition("=")[2] for plugin in c[9].split()):
            not_asked[key] = "needs plug-in classes inside the broker's JVM"
        elif hit:
            not_asked[key] = "deviation: " + hit[2] if hit[1] == "kept" else hit[2]
        else:
            must[key] = c
    return must, not_asked


def built_harness() -> Path:
    """The stand-in classes, compiled once per content of the sources."""

    def fill(folder: Path):
        env = {"KAFKA_LIBS": kafka_dist.root() / "kafka", "EXTRA_LIBS": kafka_dist.root() / "extra", "TEST_JARS": kafka_dist.root() / "testjars", "KDC_LIBS": kerby.jars(), "BUILD": folder}
        programs.run([HERE / "build.sh"], folder.parent / "kafka-own-tests-build.log", 900, env=env, check=True)

    return paths.built("kafka-own-tests", paths.digest(HERE / "src", HERE / "res", HERE / "no-kdc", HERE / "kdc", HERE / "build.sh", HERE / "deps" / "pom.xml", kerby.POM), fill)


def share(classes: list, weight: dict, n: int) -> list:
    """Classes on n runners with about the same work each, long ones first."""
    lists, loads = [[] for _ in range(n)], [0.0] * n
    for c in sorted(classes, key=lambda c: -weight.get(c.split("#")[0], 10)):
        i = loads.index(min(loads))
        lists[i].append(c)
        loads[i] += weight.get(c.split("#")[0], 10) + 1
    return [x for x in lists if x]


def start_runner(ctx, build: Path, index: int, classes: list, skip_file: Path) -> tuple:
    """One runner JVM with its own ports, work folder and result file."""
    root = kafka_dist.root()
    out = ctx.work / f"results-{index}.tsv"
    env = dict(os.environ)
    env.update({k: str(v) for k, v in {
        "KAFKA_LIBS": root / "kafka", "EXTRA_LIBS": root / "extra", "TEST_JARS": root / "testjars", "KDC_LIBS": kerby.jars(), "BUILD": build, "OUT": out,
        "EXT_WORK": ctx.work / f"work-{index}", "EXT_SQUEEZE": 1, "EXT_MAX_BROKERS": 1, "EXT_SKIP_FILE": skip_file,
        "EXT_PORT_MIN": 20000 + 2000 * index, "EXT_PORT_MAX": 22000 + 2000 * index, "EXT_TEST_TIMEOUT_S": 180,
        "EXT_START_TIMEOUT_S": 180, "EXT_TERM_TIMEOUT_S": 120, "EXT_KEEP_LOGS": 1,
    }.items()})
    if ctx.against == "ottla":
        env.update(EXT_BROKER_CMD=str(HERE / "broker-ottla.sh"), OTTLA_BIN=str(ctx.ottla), EXT_NO_JVM_PLUGINS="1", EXT_METRICS="prometheus")
    else:
        # Apache Kafka takes seconds to start: one process serves many tests.
        env.update(EXT_BROKER_CMD=str(HERE / "broker-apache.sh"), EXT_REUSE="1", EXT_METRICS="jmx", EXT_BROKER_CP=kafka_dist.jars("testjars"))
    (ctx.work / f"work-{index}").mkdir(exist_ok=True)
    log = open(ctx.work / f"runner-{index}.log", "ab")
    return subprocess.Popen([str(HERE / "run.sh"), *classes], env=env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True), out


def run_classes(ctx, build: Path, lists: list, skip_file: Path, first: int, limit_s: float) -> dict:
    """All lists at once; their rows."""
    running = [start_runner(ctx, build, first + i, classes, skip_file) for i, classes in enumerate(lists)]
    end = time.monotonic() + limit_s
    try:
        for p, _ in running:
            try:
                p.wait(max(1.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
    finally:
        for p, _ in running:
            if p.poll() is None:
                programs.end_group(p)
    found = {}
    for _, out in running:
        found.update(rows(out))
    return found


def again(failed: list) -> list:
    """Class#method of the tests, each once."""
    return sorted({f"{c}#{re.split(r'[ (]', t)[0]}" for c, t in failed})


def markdown(reference, must, not_asked, got) -> str:
    """Results by class, for docs/compatibility.md."""
    lines = ["| class | asked | passed | failed | later, or not possible |", "| --- | ---: | ---: | ---: | --- |"]
    classes = sorted({c for c, _ in must} | {c for c, _ in not_asked})
    for c in classes:
        keys = [k for k in must if k[0] == c]
        passed = sum(1 for k in keys if got.get(k, ["", "", ""])[2] == "pass")
        why = collections.Counter(r for k, r in not_asked.items() if k[0] == c)
        lines.append(f"| {c} | {len(keys)} | {passed} | {len(keys) - passed} | {'; '.join(f'{n} {r}' for r, n in sorted(why.items()))} |")
    done = sum(1 for k in must if got.get(k, ["", "", ""])[2] == "pass")
    lines.append(f"| all | {len(must)} | {done} | {len(must) - done} | {len(not_asked)} |")
    return "\n".join(lines) + "\n"


def run(ctx) -> Result:
    r = Result()
    reference = rows(REFERENCE)
    reference |= {key: c for key, c in rows(ASKED_TOO).items() if reference.get(key, c)[2] != "pass" or key not in reference}
    must, not_asked = asked(reference, exceptions())
    full = ctx.options.full
    classes = sorted({c for c, _ in must}) if full else selection()
    if ctx.options.only:
        classes = [c for c in classes if re.search(ctx.options.only, c)]
    chosen = collections.defaultdict(list)
    for c in classes:
        chosen[c.partition("#")[0]].append(c.partition("#")[2])

    def wanted(key):
        # An empty beginning is that of every test.
        return any(key[1].startswith(beginning) for beginning in chosen.get(key[0], []))

    weight = collections.Counter()
    for key, c in must.items():
        weight[key[0]] += float(c[3]) if wanted(key) else 0.0
    build = built_harness()
    skip_file = ctx.work / "skip.txt"
    # Excepted tests are not run at all: those of missing features would spend their time limits. --full tells whether some pass already.
    skip_file.write_text("\n".join(NEVER + ([e[0].pattern for e in exceptions()] if ctx.against == "ottla" else [])) + "\n")
    got = run_classes(ctx, build, share(classes, weight, RUNNERS if len(classes) > 1 else 1), skip_file, 0, 14400 if full else 3600)
    # Some of these tests race with their own clients' time limits on a busy machine, against Apache Kafka as well: once more, alone.
    failed = [k for k in must if wanted(k) and got.get(k, ["", "", "absent"])[2] != "pass"]
    second = {}
    if failed and len(failed) <= 60:
        second = run_classes(ctx, build, [again(failed)], skip_file, 5, 1800)
    flaky = []
    for key in sorted(must):
        if not wanted(key):
            continue
        name = f"{key[0].rsplit('.', 1)[1]}.{key[1]}"
        first, later = got.get(key), second.get(key)
        if first and first[2] == "pass":
            r.ok(name)
        elif later and later[2] == "pass":
            r.ok(name)
            flaky.append(name)
        else:
            c = first or later
            r.fail(name, f"{c[2]} after {c[3]} s: {c[11]} {c[10]}" if c else "was not run")
        if later:
            got[key] = later
    for key, reason in sorted(not_asked.items()):
        if wanted(key):
            r.skip(f"{key[0].rsplit('.', 1)[1]}.{key[1]}", reason)
    more = sum(1 for k, c in got.items() if c[2] == "pass" and k not in must)
    r.note = f"{more} more pass that are not asked" + (f"; on the second try: {', '.join(flaky)}" if flaky else "")
    if ctx.options.results:
        target = Path(ctx.options.results)
        target.mkdir(parents=True, exist_ok=True)
        (target / "kafka-own-tests.tsv").write_text("".join("\t".join(c) + "\n" for _, c in sorted(got.items())))
        (target / "kafka-own-tests.md").write_text(markdown(reference, {k: c for k, c in must.items() if wanted(k)}, {k: v for k, v in not_asked.items() if full or wanted(k)}, got))
    return r


SUITES = [Suite("kafka", run, "Apache Kafka's own integration tests: a selection, with --full all that one broker can serve")]
