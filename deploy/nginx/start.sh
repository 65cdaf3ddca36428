#!/bin/sh
# The container of nginx: fills in the names, and loads anew what changes: the certificate, the programs' addresses.
set -eu
: "${SERVER_NAME:?is not set: the name that people call this server by}"
apis=$(echo "${API_ADDRESSES:-api-1:4000 api-2:4000}" | tr -s ',[:space:]' ' ' | sed 's/^ //; s/ $//')
live="${LIVE_ADDRESS:-stream:4000}"
export NGINX_USER=nginx
conf=/tmp/nginx.conf

is_known() { getent ahosts "${1%:*}" > /dev/null; }

# Prints the APIs whose names lead somewhere, all where none does. By one that does not, nginx would not start, nor take
# the new address of another.
list_apis() {
    found=
    for address in $apis; do
        if is_known "$address"; then found="$found $address"; fi
    done
    echo "${found:-$apis}"
}

fill_in() (
    API_SERVERS='' LIVE_ADDRESS=$live
    for address in $(list_apis); do
        API_SERVERS="${API_SERVERS}server $address max_fails=3 fail_timeout=1s; "
        if ! is_known "$LIVE_ADDRESS"; then LIVE_ADDRESS=$address; fi
    done
    export API_SERVERS LIVE_ADDRESS
    # shellcheck disable=SC2016 # envsubst wants the names, not their values
    envsubst '$SERVER_NAME $API_SERVERS $LIVE_ADDRESS $NGINX_USER' < /etc/rdvpriority/nginx.conf > $conf
)

state() {
    for address in $apis "$live"; do getent hosts "${address%:*}" || true; done
    cksum /etc/rdvpriority/tls/fullchain.pem
}

before=$(state)
fill_in
nginx -t -q -c $conf
(
    while sleep 3; do
        now=$(state)
        if [ "$now" != "$before" ]; then
            fill_in
            nginx -s reload -c $conf && before=$now
        fi
    done
) &
exec nginx -c $conf -g 'daemon off;'
