"""What of a tool's output must be alike: not ports, ids, times and stack traces, nor the words of help."""

import re

FRAME = re.compile(r"^\s+at [\w.$]+|^\s*\.\.\. \d+ (common frames|more)|^Caused by: |^\s+Suppressed: ")
EXCEPTION = re.compile(r"^(java|javax|org|com|joptsimple|kafka|net|scala)\.[\w.$]+(Exception|Error|Timeout)?(: .*)?$")
UNCAUGHT = re.compile(r'^Exception in thread "main" (?:[\w.$]+: )?')
# The tools log such lines as warnings; ours print them.
LOGGED = re.compile(r"^New offset \(|^ at \[Source: ")
# Kafka prints sets; in which order is decided anew in each JVM.
SETS = re.compile(r"(?<=Valid states are: )[A-Za-z, ]+|(?<=Valid types are: )[A-Za-z, ]+|(?<=scenarios: \[).*(?=\])|(?<=takes one of these options: ).*|(?<=takes the following options: ).*|(?<=Option combination \"\[).*(?=\]\" can't)|(?<=only supports operations \[)[A-Z_, ]+")
HELP = re.compile(r"^Option( \(\* = required\))?\s+Description\s*$|^usage: ")
UUID = re.compile(r"\b[A-Za-z0-9_-]{22}\b")
# What time and chance decide.
CHANCE = [
    (re.compile(r"(Epoch: |LeaderEpoch:\s+|HighWatermark:\s+|MaxFollowerLag:\s+|MaxFollowerLagTimeMs:\s+|EndOffset: |CreateTime: |LastTimestamp: |timestamp: )-?\d+"), r"\1<n>"),
    (re.compile(r"(CreateTime|LogAppendTime): \d+"), r"\1: <n>"),
    # The replicas of the quorum: log end, lag, times.
    (re.compile(r"(<id>|[A-Za-z0-9_-]{22})((\s+-?\d+( ms ago)?){4})(?=\s+(Leader|Follower|Observer))"), r"\1 <n>"),
]
# A snapshot's batches hold the time of their making, and so do their checksums.
CHECKSUM = re.compile(r"(?<= crc: )\d+")
# Kafka's tool repeats a SCRAM password in its error; ours says [hidden].
PASSWORD = re.compile(r"(?<=password=)[^\[\],' ]+(?=[\],' ])")
MEMBER = re.compile(r"\b([a-z0-9]+-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[A-Za-z0-9_-]{22}\b")


def normal(output: tuple, names: dict) -> list:
    """Lines of the normal and of the error output."""
    return [lines(text, names) for text in output]


def lines(text: str, names: dict) -> list:
    for concrete, name in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(concrete, name)
    all_lines = text.replace("\r\n", "\n").split("\n")
    kept = []
    for line in all_lines:
        if HELP.match(line):
            # A message, then help or a synopsis; argparse4j's message comes after its synopsis.
            error = [x for x in all_lines if re.match(r"^[\w-]+:\s+error:\s", x)]
            if error:
                at = all_lines.index(error[0])
                # It is wrapped and justified, also within words that have a dash.
                kept.append("".join("".join(all_lines[at:]).split()))
            else:
                kept.append("<help>")
            break
        if FRAME.match(line) or LOGGED.match(line):
            continue
        line = UNCAUGHT.sub("", line)
        if EXCEPTION.match(line):
            continue
        # Ours says more.
        for more in (": there is no ZooKeeper; use --bootstrap-server host:port", ": there is no such file", ": it may not be read"):
            line = line.removesuffix(more)
        if line.startswith("Error while executing config command with args "):
            line = PASSWORD.sub("[hidden]", line)
        line = SETS.sub(lambda m: ", ".join(sorted(m[0].split(", "))), line)
        if "bootstrap.checkpoint" in text:
            line = CHECKSUM.sub("<n>", line)
        for pattern, name in CHANCE:
            line = pattern.sub(name, line)
        kept.append(MEMBER.sub("<id>", line))
    # Blanks at the end of a line, and how wide a column is that holds a port or an id, differ with those.
    kept = [re.sub(r" {2,}", "  ", line).rstrip() for line in kept]
    while kept and not kept[-1]:
        kept.pop()
    return kept
