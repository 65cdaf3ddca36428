#!/bin/sh
# In place of certbot: an authority that asks for the answer to its challenge by the server's name, as Let's Encrypt does.
set -eu
while [ $# -gt 0 ]; do
    case $1 in
    --webroot-path) webroot=$2 ;;
    --cert-name) live=/etc/letsencrypt/live/$2 ;;
    --domain) domain=$2 ;;
    esac
    shift
done
if [ -s "$live/fullchain.pem" ]; then exit 0; fi
token=$(openssl rand -hex 16)
mkdir -p "$webroot/.well-known/acme-challenge" "$live"
echo "$token" > "$webroot/.well-known/acme-challenge/$token"
[ "$(curl --silent --fail "http://$domain/.well-known/acme-challenge/$token")" = "$token" ]
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$domain" \
    -addext "subjectAltName=DNS:$domain" -keyout "$live/privkey.pem" -out /tmp/new.csr
openssl x509 -req -in /tmp/new.csr -CA /authority/authority.pem -CAkey /authority/authority.key -copy_extensions copy \
    -set_serial "0x$(openssl rand -hex 8)" -days 30 -out "$live/fullchain.pem"
