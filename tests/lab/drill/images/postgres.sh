#!/bin/sh
# What the entry point of PostgreSQL's image does, as far as production.yaml relies on it.
set -eu
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    find "${PGDATA%/*}" ! -user postgres -exec chown postgres: {} +
    exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # shellcheck disable=SC2086 # several options
    initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "create database \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres
    for script in /docker-entrypoint-initdb.d/*.sh; do sh "$script"; done
fi
shift
exec postgres -c 'listen_addresses=*' "$@"
