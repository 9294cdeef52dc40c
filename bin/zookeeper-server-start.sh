#!/bin/sh
# Written from the declarations of the tools: crates/tools/src/shims.rs.
here=$(dirname -- "$0")
if [ -x "$here/ottla" ]; then exec "$here/ottla" zookeeper-server-start "$@"; fi
exec ottla zookeeper-server-start "$@"
