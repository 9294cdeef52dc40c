"""Where Ottla's Rust client and Kafka's may say different things, each with its reason."""

import re

# (case, what ours says, what Kafka's says, reason)
DIFFERENCES = [
    ("consume.misuse", r".*org.example.None.*: ok", r".*org.example.None.*: ClassNotFoundException", "an assignor that there is not: Kafka's client refuses it when it is made, ours when it subscribes"),
    ("transactions.settings", "too long: INVALID_TRANSACTION_TIMEOUT", "too long: KafkaException", "Kafka's client keeps the text of an error it does not expect; ours the broker's code too"),
    ("admin_topics.elections_and_moves", r"move to \[\] .*: INVALID_REPLICA_ASSIGNMENT", r"move to \[\] .*: ILLEGAL", "Kafka's class for a reassignment refuses none; ours asks the broker, which refuses it"),
    ("admin_groups.members", "remove: 0 members", "remove: ILLEGAL", "nobody is left: Kafka's client fails to build the request, ours has nothing to ask"),
]


def reason(case: str, ours: str, kafkas: str) -> str | None:
    """Why these two lines may differ; nothing when they may not."""
    for pattern, own, other, why in DIFFERENCES:
        if re.fullmatch(pattern, case) and re.fullmatch(own, ours) and re.fullmatch(other, kafkas):
            return why
    return None
