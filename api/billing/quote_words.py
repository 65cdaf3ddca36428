"""A quote in words, in French and English, with the times of the user's zone."""

from datetime import datetime

from babel.dates import format_date, format_time
from babel.numbers import format_currency

from api.billing.quotes import Quote
from configs.desk import zone_or_home
from configs.plan import name_plan

_TEXTS = {
    "fr": {
        "pay": "Vous payez {amount}.",
        "credit": "Vous payez {amount} : {price} moins {credit} pour le reste de {ended}, qui finit au paiement.",
        "left_over": "{left_over} de ce reste ne peuvent pas être déduits : ils sont perdus si vous commandez.",
        "from_to": "{plan} dure du {starts} au {ends}.",
        "later": "Après une rétractation, {plan} ne commence qu’une fois passé son propre délai de rétractation. Si "
        "vous vous rétractez avant, tout vous est remboursé.",
        "extends": "{plan} est prolongé : il dure alors jusqu’au {ends}.",
        "renews": "{plan} commence au paiement. Dès le {ends}, {price} chaque mois, jusqu’à votre résiliation.",
        "and": " et ",
        "at": "{day} à {hour}",
    },
    "en": {
        "pay": "You pay {amount}.",
        "credit": "You pay {amount}: {price} less {credit} for the time left of {ended}, which ends with the payment.",
        "left_over": "{left_over} of that time left cannot be credited: they are lost if you order now.",
        "from_to": "{plan} lasts from {starts} to {ends}.",
        "later": "After a withdrawal, {plan} begins only once its own time to withdraw is over. If you withdraw "
        "before, all of it is paid back.",
        "extends": "{plan} is extended: it then lasts until {ends}.",
        "renews": "{plan} begins with the payment. From {ends} on, {price} each month until you cancel.",
        "and": " and ",
        "at": "{day}, {hour}",
    },
}


def describe_quote(quote: Quote, language: str, time_zone: str) -> str:
    """Return what is paid, what for, and when, in whole sentences."""
    texts, zone = _TEXTS[language], zone_or_home(time_zone)
    ended = texts["and"].join(dict.fromkeys(name_plan(each.plan) for each in quote.credits))
    values = {
        "plan": name_plan(quote.plan.name),
        "ended": ended,
        "starts": _write_moment(quote.starts_at.astimezone(zone), language),
        "ends": _write_moment(quote.ends_at.astimezone(zone), language),
        "amount": write_money(quote.amount_cents, language),
        "price": write_money(quote.plan.price_cents, language),
        "credit": write_money(quote.credit_cents, language),
        "left_over": write_money(quote.left_over_cents, language),
    }
    return " ".join(texts[part].format(**values) for part in _choose_parts(quote))


def write_money(cents: int, language: str) -> str:
    """Return an amount of euros as a language writes it: `4,99 €`."""
    return format_currency(cents / 100, "EUR", locale=language)


def _choose_parts(quote: Quote) -> list[str]:
    parts = ["credit" if quote.credits else "pay", *(["left_over"] if quote.left_over_cents else [])]
    if quote.plan.recurring:
        return [*parts, "renews"]
    if quote.begins_later:
        return [*parts, "from_to", "later"]
    return [*parts, "extends" if quote.extends else "from_to"]


def _write_moment(moment: datetime, language: str) -> str:
    day, hour = format_date(moment, "long", locale=language), format_time(moment, "short", locale=language)
    return _TEXTS[language]["at"].format(day=day, hour=hour)
