#!/bin/sh
# Run once, in a new data folder: the image lets all databases be reached by password, which does not cover replication.
set -eu
echo "host replication +rdvpriority_backup samenet scram-sha-256" >> "$PGDATA/pg_hba.conf"
