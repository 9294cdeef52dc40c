"""Makes the users of the suites and what `worker` may do: users.py BOOTSTRAP USER..."""

import sys

from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
                                   UserScramCredentialUpsertion)


def main(bootstrap, users):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
    # One of a user's mechanisms at a time: a request may change a user once.
    for m in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        for f in admin.alter_user_scram_credentials([UserScramCredentialUpsertion(u, ScramCredentialInfo(m, 4096), f"{u}-secret".encode()) for u in users]).values():
            f.result(120)
    mine = [AclBinding(kind, "job-", ResourcePatternType.PREFIXED, f"User:{who}", "*", AclOperation.ALL, AclPermissionType.ALLOW)
            for who in ("worker", "leaver", "mover", "alice") for kind in (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)]
    for f in admin.create_acls(mine).values():
        f.result(120)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
