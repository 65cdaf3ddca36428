#!/bin/sh
# The container of nginx: fills in the names, and loads anew what changes: the certificate, the programs' addresses.
set -eu
: "${SERVER_NAME:?is not set: the name that people call this server by}"
apis=$(echo "${API_ADDRESSES:-api-1:4000 api-2:4000}" | tr -s ',[:space:]' ' ' | sed 's/^ //; s/ $//')
live="${LIVE_ADDRESS:-stream:4000}"
export NGINX_USER=nginx
conf=/tmp/nginx.conf

# Prints what each name leads to, with its port, and which certificate there is. The configuration is written by this look
# alone: nginx, or a second look, could miss an API that the first one found, for as long as nothing changes.
look() {
    for address in $apis "$live"; do
        getent ahosts "${address%:*}" | sed "s/ .*//; s/.*:.*/[&]/; s|.*|$address &:${address##*:}|" | sort -u
    done
    cksum /etc/rdvpriority/tls/fullchain.pem
}

list_found() { echo "$seen" | sed -n "s|^$1 ||p"; }

# Takes the APIs whose names lead somewhere, all where none does: by a name that does not, nginx would not start.
fill_in() (
    servers=$(for address in $apis; do list_found "$address"; done)
    API_SERVERS='' LIVE_ADDRESS=$(list_found "$live" | head -n 1)
    for server in ${servers:-$apis}; do
        API_SERVERS="${API_SERVERS}server $server max_fails=3 fail_timeout=1s; "
        : "${LIVE_ADDRESS:=$server}"
    done
    export API_SERVERS LIVE_ADDRESS
    # shellcheck disable=SC2016 # envsubst wants the names, not their values
    envsubst '$SERVER_NAME $API_SERVERS $LIVE_ADDRESS $NGINX_USER' < /etc/rdvpriority/nginx.conf > $conf
)

seen=$(look)
fill_in
nginx -t -q -c $conf
(
    loaded=$seen
    while sleep 3; do
        seen=$(look)
        if [ "$seen" != "$loaded" ]; then
            fill_in
            nginx -s reload -c $conf && loaded=$seen
        fi
    done
) &
exec nginx -c $conf -g 'daemon off;'
