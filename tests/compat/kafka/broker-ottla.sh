#!/bin/bash
# $1: server.properties. OTTLA_BIN: the binary. Data folders are formatted by the harness (meta.properties, bootstrap.checkpoint).
[ -n "$EXT_JAAS_CONFIG" ] && export KAFKA_OPTS="-Djava.security.auth.login.config=$EXT_JAAS_CONFIG"
[ -n "$EXT_KRB5_CONF" ] && export KAFKA_OPTS="$KAFKA_OPTS -Djava.security.krb5.conf=$EXT_KRB5_CONF"
[ -n "$EXT_METRICS_PORT" ] && M="--override ottla.http.listener=127.0.0.1:$EXT_METRICS_PORT --override ottla.metrics.series=client"
exec "${OTTLA_BIN:?}" server --config "$1" $M
