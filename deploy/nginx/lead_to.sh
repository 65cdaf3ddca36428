#!/bin/sh
# Leads nginx to another API, or to several, and returns once those before have answered all that they got.
# lead_to.sh "HOST:PORT …" [nginx.conf]
set -eu
: "${1:?is missing: the API to lead to, as HOST:PORT; several in one argument, with blanks between them}"
servers=$(echo "$1" | sed 's/  */; server /g')
conf=${2:-/etc/nginx/nginx.conf}
master=$(cat "$(sed -n 's/^pid  *\(.*\);$/\1/p' "$conf")")
before=$(cat "/proc/$master/task/$master/children")

sed "s/^\( *server \).*\(;  # lead_to.sh\)/\1$servers\2/" "$conf" > "$conf.new"
grep -q "server $servers;" "$conf.new" || { echo "$conf names no API that could be replaced" >&2; exit 1; }
nginx -t -q -c "$conf.new" # a name that does not exist changes nothing
mv "$conf.new" "$conf"
nginx -s reload -c "$conf"

for _ in $(seq 90); do # the longest answer takes 35 s
    alive=
    for worker in $before; do
        # one that has ended and was not waited for yet has no command line; start.sh's loop, a child too, has its own
        if grep -q "^nginx: " "/proc/$worker/cmdline" 2> /dev/null; then alive=$worker; fi
    done
    [ -n "$alive" ] || exit 0
    sleep 0.5
done
echo "nginx still has requests at the API before: process $alive" >&2
exit 1
