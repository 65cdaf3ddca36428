#!/bin/sh
# The container of Alertmanager: fills in who is told, and by which accounts.
set -eu
umask 077
text=$(cat /etc/alertmanager/alertmanager.yml)

# Puts a value in place of ${NAME}; a quote in it is doubled, as YAML wants it.
fill_in() {
    value=$(printf '%s' "$2" | sed "s/'/''/g; s/[\\\\&|]/\\\\&/g")
    text=$(printf '%s\n' "$text" | sed "s|\${$1}|$value|g")
}

fill_in EMAIL_FROM "$EMAIL_FROM"
fill_in ALARM_EMAIL "$ALARM_EMAIL"
fill_in ALARM_CHAT_ID "$ALARM_CHAT_ID"
fill_in ALARM_HEARTBEAT_URL "$ALARM_HEARTBEAT_URL"
fill_in SENDGRID_API_KEY "$(cat /run/secrets/sendgrid_api_key)"
fill_in TELEGRAM_BOT_TOKEN "$(cat /run/secrets/telegram_bot_token)"
printf '%s\n' "$text" > /tmp/alertmanager.yml
exec alertmanager --config.file=/tmp/alertmanager.yml --storage.path=/alertmanager --cluster.listen-address=
