#!/bin/sh
# The container of nginx: fills in the names, and loads anew what changes: the certificate, the API's address.
set -eu
: "${SERVER_NAME:?is not set: the name that people call this server by}"
apis=$(echo "${API_ADDRESSES:-api:4000}" | tr -s ',[:space:]' ' ' | sed 's/^ //; s/ $//')
export HOOKS_ADDRESS="${HOOKS_ADDRESS:-api:4000}" NGINX_USER=nginx
export LIVE_ADDRESS="${LIVE_ADDRESS:-api:4000}"
conf=/tmp/nginx.conf own=/tmp/nginx.own

# Prints the APIs whose names lead somewhere, all where none does. By one that does not, nginx would not start, nor take
# the new address of another.
list_apis() {
    found=
    for address in $apis; do
        if getent ahosts "${address%:*}" > /dev/null; then found="$found $address"; fi
    done
    echo "${found:-$apis}" | sed 's/^ //; s/ /; server /g'
}

# Prints an address, or an API's where its name leads nowhere: nginx would not start by it.
choose_address() {
    if getent ahosts "${1%:*}" > /dev/null; then echo "$1"; else echo "${API_ADDRESS%%;*}"; fi
}

# Prints the APIs that a configuration leads to, as they stand in it.
read_led() { sed -n 's/^ *server \(.*\);  # lead_to.sh$/\1/p' "$1"; }

fill_in() (
    API_ADDRESS=$(list_apis)
    HOOKS_ADDRESS=$(choose_address "$HOOKS_ADDRESS")
    LIVE_ADDRESS=$(choose_address "$LIVE_ADDRESS")
    export API_ADDRESS
    # shellcheck disable=SC2016 # envsubst wants the names, not their values
    envsubst '$SERVER_NAME $API_ADDRESS $HOOKS_ADDRESS $LIVE_ADDRESS $NGINX_USER' < /etc/rdvpriority/nginx.conf > $own
)

state() {
    for address in $apis "$HOOKS_ADDRESS" "$LIVE_ADDRESS"; do getent hosts "${address%:*}" || true; done
    cksum /etc/rdvpriority/tls/fullchain.pem
}

before=$(state)
fill_in
cp $own $conf
nginx -t -q -c $conf
(
    while sleep 10; do
        filled=$(read_led $own) led=$(read_led $conf)
        if [ "$led" != "$filled" ]; then apis=$(echo "$led" | sed 's/; server / /g'); fi # lead_to.sh has changed it
        now=$(state)
        if [ "$now" != "$before" ]; then
            fill_in
            if [ "$(read_led $conf)" = "$led" ]; then cp $own $conf; fi # otherwise lead_to.sh has just changed it
            nginx -s reload -c $conf && before=$now
        fi
    done
) &
exec nginx -c $conf -g 'daemon off;'
