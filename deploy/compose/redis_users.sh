#!/bin/sh
# Writes Valkey's ACL file: the users of redis_users.acl, each with the password of its program's address.
# An operator who has replaced a password runs it again, then ACL LOAD (docs/keys.md).
set -eu
umask 077
secrets=${SECRETS_DIR:-/run/secrets}

digest() {
  printf %s "$1" | sha256sum | cut -d ' ' -f 1
}

# redis://user:password@host:port/0
password_of() {
  found=$(sed -n 's|^[a-z]*://[^:@/]*:\([^@/]*\)@.*|\1|p' "$secrets/redis_url_$1")
  case $found in
    '' | *%*) echo "redis_url_$1 has no password of letters, digits, - and _" >&2; return 1 ;;
  esac
  printf %s "$found"
}

own=$(cat "$secrets/redis_password")
: "${own:?redis_password is empty}"
{
  printf 'user default on #%s ~* &* +@all' "$(digest "$own")"
  sed -e 's/#.*//' "$1" | while read -r first rest; do
    case $first in
      '') ;;
      user) word=$(password_of "$rest"); printf '\nuser %s on #%s' "$rest" "$(digest "$word")" ;;
      *) printf ' %s' "$first${rest:+ $rest}" ;;
    esac
  done
  echo
} > "$2"
