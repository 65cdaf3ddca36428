#!/bin/sh
# The container of nginx: fills in the names, and loads anew what changes: the certificate, the API's address.
set -eu
: "${SERVER_NAME:?is not set: the name that people call this server by}"
apis=${API_ADDRESSES:-api:4000}
API_ADDRESS=$(echo "$apis" | sed 's/  */; server /g')
export API_ADDRESS HOOKS_ADDRESS="${HOOKS_ADDRESS:-api:4000}" NGINX_USER=nginx
export LIVE_ADDRESS="${LIVE_ADDRESS:-api:4000}"

# shellcheck disable=SC2016 # envsubst wants the names, not their values
envsubst '$SERVER_NAME $API_ADDRESS $HOOKS_ADDRESS $LIVE_ADDRESS $NGINX_USER' < /etc/rdvpriority/nginx.conf > /tmp/nginx.conf
nginx -t -q -c /tmp/nginx.conf

state() {
    for address in $apis "$HOOKS_ADDRESS" "$LIVE_ADDRESS"; do getent hosts "${address%:*}" || true; done
    cksum /etc/rdvpriority/tls/fullchain.pem
}

(
    before=$(state)
    while sleep 10; do
        now=$(state)
        if [ "$now" != "$before" ]; then
            nginx -s reload -c /tmp/nginx.conf && before=$now
        fi
    done
) &
exec nginx -c /tmp/nginx.conf -g 'daemon off;'
