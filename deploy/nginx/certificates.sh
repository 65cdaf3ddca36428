#!/bin/sh
# The container of certbot: at first a certificate of our own, so that nginx starts; then the real one, kept up to date.
set -eu
: "${SERVER_NAME:?is not set: the name that people call this server by}" "${ACME_EMAIL?is not set: empty keeps our own certificate}"
tls=/etc/rdvpriority/tls

trap 'exit 0' TERM # the first process of a container is ended by nothing that it does not ask for

pause() {
    sleep "$1" &
    wait $! # unlike sleep itself it ends at a signal
}

install_certificate() {
    install -m 600 "$1/privkey.pem" "$tls/privkey.new"
    install -m 644 "$1/fullchain.pem" "$tls/fullchain.new"
    mv "$tls/privkey.new" "$tls/privkey.pem"
    mv "$tls/fullchain.new" "$tls/fullchain.pem" # last: nginx loads both when this one changes
}

if [ ! -s "$tls/fullchain.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$SERVER_NAME" \
        -addext "subjectAltName=DNS:$SERVER_NAME" -keyout /tmp/privkey.pem -out /tmp/fullchain.pem
    install_certificate /tmp
fi

[ -n "$ACME_EMAIL" ] || pause infinity

# Five failures an hour and name are what Let's Encrypt allows: https://letsencrypt.org/docs/rate-limits/
# nginx starts once this certificate is there and the programs are healthy, which takes a minute or two.
until python3 -c 'import socket; socket.create_connection(("nginx", 80), 3)' 2> /dev/null; do pause 3; done
while true; do
    if certbot certonly --non-interactive --agree-tos --email "$ACME_EMAIL" --cert-name rdvpriority \
        --webroot --webroot-path /var/www/acme --keep-until-expiring --domain "$SERVER_NAME"; then
        cmp -s "/etc/letsencrypt/live/rdvpriority/fullchain.pem" "$tls/fullchain.pem" ||
            install_certificate /etc/letsencrypt/live/rdvpriority
        pause 43200
    else
        echo "no certificate yet: does $SERVER_NAME lead to this server, and is port 80 open?" >&2
        pause 900
    fi
done
