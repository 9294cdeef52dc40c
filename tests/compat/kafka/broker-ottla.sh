#!/bin/bash
# $1: server.properties. OTTLA_BIN: the binary. Data folders are formatted by the harness (meta.properties, bootstrap.checkpoint).
exec "${OTTLA_BIN:?}" server --config "$1"
