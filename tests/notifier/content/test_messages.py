import html
import re
from collections.abc import Callable, Sequence
from datetime import date, time
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import meta

from api.models.alert import Moment
from api.models.user import Channel
from configs.ground.text import RIGHT_TO_LEFT
from deploy.sandbox.providers.telegram import visible_text
from notifier.content.desk_location import DeskInfo, location_of
from notifier.content.message_kind_base import RenderedMessage, TemplateContext, sms_stop_page
from notifier.content.messages import TEMPLATES, environment, languages_of, read_parts, render, speaks
from notifier.content.slot_alert_content import first_moment
from notifier.content.sms_text import fit_text, segments
from notifier.message_kinds import kinds
from notifier.message_kinds.telegram import COMMANDS
from tests.in_turn import in_turn
from tests.notifier.world import DESK, PREFECTURE, URL

pytestmark = pytest.mark.xdist_group("texts")  # templates are compiled once by each process
STOP = "http://localhost:4000/l/stop.abc.def.ghi"
ANSWER = "http://localhost:4000/l/answer.abc.def.ghi?value="
ANSWERS = {value: f"{ANSWER}{value}" for value in ("found", "too_late", "nothing_there", "stopped")}
LABEL = "Titre de séjour – renouvellement"
SLOT: dict[str, Any] = {
    "prefecture": "Val-d'Oise",
    "department": "95",
    "label": LABEL,
    "site": None,
    "count": 3,
    "countable": True,
    "url": URL,
    "city": "Paris",
    "seen_day": "20 novembre 2026",
    "witness": "",
    "said_hour": "10 h 04",
    "since_hour": None,
    "seen_hour": "10:00:03",
    "first_day": "jeudi 26 novembre 2026",
    "first_day_short": "26/11",
    "first_hour": "09:30",
    "days": ["26/11", "01/12"],
    "more_days": 0,
}
SLOTS_PAGE = "http://localhost:4000/l/places.abc.def"
LOOK_PAGE = "http://localhost:4000/l/look.abc.def"
SPOTS = [DeskInfo("Val-d'Oise (95)", LABEL, URL), DeskInfo("Essonne (91)", "Naturalisation", URL)]
SINCE = {"since_day": "20 novembre 2026", "since_hour": "09:00"}
WATCHING: dict[str, Any] = {"reason": "maintenance", "spots": SPOTS, "where": None, "url": None,
                            "city": "Paris", **SINCE}  # fmt: skip
ALARM: dict[str, Any] = {
    "acknowledge_url": "http://localhost:4000/l/incident.abc",
    "again": False,
    "over": False,
}
TROUBLE: dict[str, Any] = {
    "subject": "www.val-doise.gouv.fr:443", "reason": "blocked", "soft": False, "spots": SPOTS, "more": 2, "url": None,
    "people": 0, "proofs": [], **ALARM, **SINCE,
}  # fmt: skip
BILLING: dict[str, Any] = {
    "url": "http://localhost:3000", "support_email": "aide@example.org", "plan": "URGENCE 7J", "price": "14,99 €",
    "order": "0190", "monthly": False, "terms": "2026-11-21", "full_price": "14,99 €", "signed_url": "",
}  # fmt: skip
DECLARED: dict[str, Any] = {
    "support_email": "aide@example.org", "number": "7KQ2M9XWPA", "name": "Camille Martin", "email": "c@example.org",
    "plan": "URGENCE 7J", "ordered": "20 novembre 2026", "made_day": "21 novembre 2026", "made_hour": "10:00:03",
}  # fmt: skip
DESK_WEEK: dict[str, Any] = {
    "label": LABEL, "page": URL, "openings": 3, "blind": False, "trouble": "", "since_day": "", "since_hour": "",
    "proven_day": "23 novembre 2026", "proven_hour": "07:59", "every": "45 secondes",
}  # fmt: skip
ALERT_WEEK: dict[str, Any] = {
    "where": "Val-d'Oise (95)", "name": "Maman", "city": "Paris", "sent": 2, "more": 0, "advice": "book",
    "desks": [DESK_WEEK, DESK_WEEK | {"openings": 0}],
}  # fmt: skip
STOP_PAGE = "rdvpriority.fr/alertes"
ANNOUNCED = {"title": "Nos conditions changent", "paragraphs": ["Le 1er mars.", "Vous pouvez partir sans frais."],
    "url": "http://localhost:3000/dashboard"}  # fmt: skip
OWN_FACTS: dict[str, dict[str, Any]] = {
    "slot_detected": {"openings": [SLOT], "stops": [(None, STOP)], "answers": ANSWERS, "sms_stop_page": STOP_PAGE,
        "slots_page": SLOTS_PAGE, "look_page": LOOK_PAGE},
    "slot_call": {"openings": [SLOT]},
    "call_missed": {"openings": [SLOT], "sms_stop_page": STOP_PAGE},
    "slot_gone": {"openings": [SLOT], "gone_hour": "10:04", "given": [{"value": "too_late", "name": None}],
        "is_found": False, "asks": None},
    "slot_answered": {"openings": [SLOT], "stops": [(None, STOP)], "is_gone": False, "given": [{"value": "found",
        "name": "Maman"}], "asks": "stopped", "is_found": False, "slots_page": SLOTS_PAGE,
        "look_page": LOOK_PAGE},
    "bot_reply": {"event": "linked", "account": "c…@example.org", "view": "alerts", "alerts": [{"number": 1,
        "place": "Essonne (91)", "name": "Maman", "state": "active"}], "more": True, "commands": COMMANDS},
    "desk_trouble": TROUBLE,
    "desk_unwatched": WATCHING,
    "desk_watched": WATCHING,
    "page_decided": {"where": "Val-d'Oise (95)", "page": "https://www.nord.gouv.fr/booking/create/12",
        "is_refused": False, "url": "http://localhost:3000/departements/cergy_95"},
    "release_soon": {"spot": SPOTS[0], "day": "jeudi 26 novembre 2026", "begins": "09:00", "ends": "09:30",
        "city": "Paris", "is_tomorrow": False},
    "look_requested": {"spot": SPOTS[0], "hour": "10 h 42", "city": "Paris", "look_page": LOOK_PAGE},
    "announcement": ANNOUNCED,
    "news": ANNOUNCED,
    "account_suspended": {"reason": "des commandes faites pour d’autres", "refund": "12,50 €",
        "support_email": "aide@example.org", "url": "http://localhost:3000/contact"},
    "reports_decided": {"reason": "des places que personne n’a vues", "support_email": "aide@example.org",
        "url": "http://localhost:3000/contact"},
    "operations": {"number": 12, "sender": "robin@example.org", "user_id": "0190", "message": "Ça ne marche pas.", "url": URL},
    "account_deleted": {"renewed": True, "refund": "4,99 €", "support_email": "aide@example.org", **SINCE},
    "account_unused": {"url": "http://localhost:3000", "used": "1er janvier 2025", "ends": "1er janvier 2027"},
    "last_way_stopped": {"url": "http://localhost:3000", "browser": "Firefox, Windows",
        "undo_url": "http://localhost:4000/l/unsubscribe.abc", **SINCE},
    "password_reset": {"url": "http://localhost:4000/l/reset.abc", "minutes": 60},
    "alerts_paused": {"places": ["Essonne (91)"], "count": 1, "limit": 1, "url": "http://localhost:3000"},
    "verify_new_email": {"url": "http://localhost:4000/l/verify.abc", "days": 30, "account": "c…@example.org"},
    "address_changed": {"changed": "email", "shown": "n…@example.org", "url": "http://localhost:3000",
        "back_url": "http://localhost:4000/l/address.abc"},
    "factor_end": {"ended": False, "url": "http://localhost:4000/l/factor.abc", **SINCE},
    "channel_lost": {"channel": "sms", "state": "unsubscribed", "url": "http://localhost:3000"},
    "more_messages": {"count": 12, "url": "http://localhost:3000/messages"},
    "telegram_linked": {"chat_name": "Camille <Martin>", "url": "http://localhost:3000"},
    "phone_code": {"code": "042917", "minutes": 10},
    "welcome": {"url": "http://localhost:3000/dashboard", "channels_url": "http://localhost:3000/canaux"},
    "appointment_soon": {"where": "Val-d'Oise (95)", "place": "Guichet 4", "day": "jeudi 26 novembre 2026",
        "hour": "09:30", "url": "http://localhost:4000/l/reminder.abc"},
    "how_it_went": {"yes_url": "http://localhost:4000/l/went.abc", "no_url": "http://localhost:4000/l/went.def"},
    "weekly_summary": {"url": "http://localhost:3000/dashboard", "from_day": "16 novembre 2026",
        "to_day": "23 novembre 2026", "quiet": None, "more": 1, "alerts": [ALERT_WEEK,
        ALERT_WEEK | {"advice": "widen", "sent": 0, "more": 2}, ALERT_WEEK | {"name": "", "sent": 0,
        "advice": "look"} | {"desks": [DESK_WEEK | {"trouble": "maintenance"} | SINCE, DESK_WEEK | {"blind": True}]},
        ALERT_WEEK | {"advice": "wait", "sent": 0, "desks": [DESK_WEEK | {"openings": 0}]}]},
    "plan_expiring": {"url": "http://localhost:3000/formule", "plan": "URGENCE 7J", "day": "27 novembre 2026",
        "hour": "10:00"},
    "order": BILLING | {"starts": "20 novembre", "ends": "27 novembre", "ordered": "20 novembre", "monthly": True,
        "every": "2 minutes", "slowest": "4 minutes",
        "later": False, "begins_later": False, "unwatched": False, "agreed": ["L’accès commence tout de suite."],
        "seller": "Vigie SAS, 1 rue de la Paix, 75002 Paris, aide@example.org",
        "mediator": "Médiation, 1 rue du Droit, 75001 Paris, https://mediateur.example", "terms_text": "# Conditions",
        "form_url": "http://localhost:4000/l/retractation", "signed_url": "http://localhost:4000/l/withdraw.abc",
        "cancel_url": "http://localhost:4000/l/cancel.abc"},
    "payment_failed": BILLING | {"over": False, "until": "27 novembre 2026",
        "signed_url": "http://localhost:4000/l/portal.abc"},
    "paid_late": BILLING | {"renews": True, "until": "20 janvier 2027, 10:00", "lost_from": "23 décembre 2026, 10:00",
        "lost_until": "24 décembre 2026, 10:00"},
    "refunded": BILLING | {"amount": "4,99 €", "reason": "withdrawal", "state": "succeeded"},
    "organisation_asked": {"organisation": "0190"},
    "member_invited": {"by": "robin@example.org", "organisation": "Accueil 93", "ends": "10 décembre 2026",
        "url": "http://localhost:3000/organisation"},
    "help_contact_removed": {"organisation": "Accueil 93", "support_email": "aide@example.org"},
    "help_invitation": {"organisation": "Accueil 93", "url": "http://localhost:4000/l/help.abc"},
    "help_ends": {"organisation": "Accueil 93", "url": "http://localhost:4000/l/help.abc", "is_abuse": False, "pause": False, "resume": False,
        "ends": "10 décembre 2026"},
    "organisation_news": {"what": "abuse", "reference": "12", "organisation": "Accueil 93", "ends": "10 décembre 2026",
        "reason": "des rendez-vous vendus", "support_email": "aide@example.org", "url": "http://localhost:3000/organisation",
        "sum": "384,05 €", "share": "80", "most": "30"},
    "hoarding": {"user": "0190", "desks": 61, "found": 4},
    "sms_cost": {"spent": "51.20", "unsure": "0.16", "warn": "50.00", "stop": "100.00"},
    "payment_trouble": {"trouble": "fraud_warning", "detail": "issfr_1 of payment 0190", **ALARM},
    "operations_alarm": {"reason": "old_queue", "subject": "notifications", "number": 3, "age": "6 minutes", **ALARM,
        **SINCE},
    "operations_digest": {"since": "2026-11-19T08:00:00+00:00", "until": "2026-11-20T08:00:00+00:00", "accounts": 3,
        "support": 1, "hoarding": 0, "payments": 1, "raised": 2, "unanswered": 1, "open": 11,
        "begun": {"URGENCE_7J": 2}, "ended": {"URGENCE_24H": 1}, "listed": [{"name": "captcha",
        "subject": "www.val-doise.gouv.fr:443"}]},
    "operations_report": {"since": "2026-11-19T18:00:00+00:00", "until": "2026-11-20T18:00:00+00:00", "accounts": 3,
        "detections": 4, "alerts": 12, "accepted": 11, "failed": 1, "bounced": 0, "no_receipt": 0, "jobs": 0,
        "answers": 2, "went_well": 1, "sms": 5, "sms_cost": "0.40", "sales": {"URGENCE_7J": 2}, "sales_cents": 2998,
        "refunded_cents": 499, "p50": 1.2, "p95": 3.4},
    "cancelled": BILLING | {"ends": "27 novembre 2026", "refund": "4,99 €"},
    "renewal_soon": BILLING | {"ends": "27 novembre 2026", "credit": "0,50 €", "discount": ""},
    "withdrawal_received": DECLARED | {"confirm_url": "http://localhost:4000/l/declaration.abc",
        "applied_on": "24 novembre 2026"},
    "cancel_noticed": DECLARED | {"own": True, "wish": "25 novembre 2026", "ends": "25 novembre 2026, 23:59",
        "latest": "1er décembre 2026, 10:00", "held": "", "confirmed": True, "refunded": True,
        "signed_url": "http://localhost:4000/l/resiliation.abc", "refund": "", "late_refund": "19,34 €",
        "nothing_later": False},
    "withdrawn": DECLARED | {"monthly": True, "refund": "12,34 €", "refusal": ""},
    "plan_upgraded": BILLING | {"ended": "URGENCE 24H", "credit": "3,75 €"},
    "credited": BILLING | {"time": "2 heures", "given": "time", "is_friends": False, "amount": "0,10 €", "ends": "27 novembre 2026"},
    "desk_closed_choice": BILLING | {"where": "Val-d'Oise (95)",
        "signed_url": "http://localhost:4000/l/closed-desk.abc"},
}  # fmt: skip
VALUES = {name: value for facts in OWN_FACTS.values() for name, value in facts.items() if value is not None}


def find_facts(kind: str) -> dict[str, Any]:
    """Return what the samples of other kinds have for the values that this kind's texts name."""
    texts = "".join(source for name, source in read_parts().items() if name.startswith(f"{kind}/"))
    named = meta.find_undeclared_variables(environment(escaping=False).parse(texts))
    return {name: VALUES[name] for name in named & VALUES.keys()}


FACTS = {kind: OWN_FACTS.get(kind) or find_facts(kind) for kind in kinds()}
TEXTS = sorted(
    (kind, language, channel)
    for kind in kinds()
    for language in languages_of(kind)
    for channel in sorted(Channel)
    if speaks(kind, language, channel)
)
MAILS = sorted((kind, language) for kind, language, channel in TEXTS if channel == "email")


def slot(
    channel: str, stops: Sequence[tuple[str | None, str]] = ((None, STOP),), **changes: Any
) -> RenderedMessage:
    return render(
        "slot_detected",
        channel,
        "fr",
        TemplateContext(FACTS["slot_detected"] | {"openings": [SLOT | changes], "stops": stops}, URL),
    )


class _Words(HTMLParser):
    """Reads what a person sees of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hidden, self.seen = 0, list[str]()
        self.links = list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.hidden += tag in ("style", "title") or "display:none" in (found.get("style") or "")
        self.links += [found["href"] or ""] if "href" in found else []

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= bool(self.hidden) and tag in ("style", "title", "div")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.seen.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.seen).split())


def test_every_kind_speaks_french_and_every_file_is_a_kind() -> None:
    files = {path.stem for path in TEMPLATES.iterdir()} - {"layout", "summary"}
    assert files == set(kinds())
    assert all("fr" in languages_of(kind) for kind in kinds())


SUMMARIES = [name.split("/") for name in read_parts() if name.startswith("summary/") and "lead" not in name]


@pytest.mark.parametrize(("language", "kind"), [each[1:] for each in SUMMARIES])
def test_what_binds_stays_whole_between_a_summary_and_english(language: str, kind: str) -> None:
    values = FACTS[kind]
    alone = {each: render(kind, "email", each, TemplateContext(values, URL)).text for each in ("fr", "en")}
    french, english = (text.partition("\n\n--\n")[0].partition("\n")[2] for text in alone.values())
    context = TemplateContext(values | {"summary": values | {"language": language, "en": values}}, URL)
    made = render(kind, "email", language, context)
    summary, _, after = made.text.partition(french)
    assert summary.count("\n") > 3
    assert english in after
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    assert f'lang="{language}" dir="{direction}"' in made.html
    assert '<div lang="en" dir="ltr">' in made.html


def test_previews_keep_the_capitals_of_names_and_months() -> None:
    values = FACTS["appointment_soon"] | {"day": "Tuesday, December 1, 2026", "stop_url": URL}
    assert "december" not in render("appointment_soon", "email", "en", TemplateContext(values, URL)).html
    for kind in ("operations_alarm", "desk_trouble"):
        made = render(kind, "email", "fr", TemplateContext(FACTS[kind], URL)).html
        assert "depuis le 20 novembre 2026 à 09:00, heure de Paris" in made


# What a mail, a chat and an SMS say of a release on the day after, by language.
TOMORROW = {
    "fr": "demain jeudi 26 novembre à partir de 09:00",
    "en": "there tomorrow, jeudi 26 novembre from 09:00 on",
    "ar": "غدًا، jeudi 26 novembre ابتداءً من",
    "es": "se publicarán citas mañana, jeudi 26 novembre a partir de las 09:00",
    "pt": "vagas amanhã, jeudi 26 novembre a partir das 09:00",
    "de": "morgen, jeudi 26 novembre ab 09:00 Uhr",
    "ru": "завтра, jeudi 26 novembre с 09:00",  # noqa: RUF001 -- Russian
    "zh": "将于 明天，jeudi 26 novembre 09:00 起",  # noqa: RUF001 -- Chinese
    "hi": "कल, jeudi 26 novembre, 09:00 से",
}


@in_turn("language, words", TOMORROW.items())
def test_a_release_on_the_day_after_is_said_to_be_tomorrow(language: str, words: str) -> None:
    values = FACTS["release_soon"] | {"day": "jeudi 26 novembre", "ends": None, "is_tomorrow": True}
    context, today = TemplateContext(values, URL), TemplateContext(values | {"is_tomorrow": False}, URL)
    assert words in render("release_soon", "email", language, context).text
    assert words in re.sub("</?b>", "", render("release_soon", "telegram", language, context).html)
    first = words.partition(" jeudi")[0].rpartition(" ")[2]
    assert first in render("release_soon", "sms", language, context).text
    assert f"{first} jeudi" not in render("release_soon", "email", language, today).text


def test_a_channel_without_texts_is_a_clear_error() -> None:
    with pytest.raises(LookupError, match=r"templates/verify_email\.jinja has no part `=== fr sms`"):
        render("verify_email", "sms", "fr", TemplateContext())


@in_turn("channel", ["email", "telegram"])
def test_a_slot_alert_says_everything_it_must(channel: str) -> None:
    made = slot(channel, site="Palaiseau")
    said = html.unescape(re.sub(r"<[^>]+>", "", made.html)).replace("\u00a0", " ")
    for part in (
        "Créneau détecté",
        "Val-d'Oise (95)",
        "3 créneaux ouverts",
        "jeudi 26 novembre 2026 à 09:30",
        LABEL,
        "Palaiseau",
        "les créneaux partent en quelques minutes",
        "Vu le 20 novembre 2026 à 10:00:03",
        "Arrêter cette alerte",
        "rendez-vous lui-même est gratuit",
        "nous ne sommes pas l’administration",
    ):
        assert part in said
    assert f'href="{STOP}"' in made.html
    assert made.button is not None
    assert (made.button.label, made.button.url) == ("Réserver maintenant", URL)
    assert made.html.count(f'href="{SLOTS_PAGE}"') == 1
    if channel == "email":  # where the official page is the first link
        assert made.html.index(URL) < made.html.index(SLOTS_PAGE)
        assert "Jours : 26/11, 01/12" in said
        many = slot("email", days=[f"{each:02}/12" for each in range(1, 13)], more_days=3).text
        assert "12/12 et 3 autres" in many


def test_an_sms_keeps_its_one_link_and_a_push_opens_the_page_of_the_slots() -> None:
    assert SLOTS_PAGE not in slot("sms").text + slot("sms").brief
    assert slot("push").path == SLOTS_PAGE


@in_turn("kind, language", MAILS)
def test_a_mail_says_in_its_text_what_its_page_says_and_loads_nothing(kind: str, language: str) -> None:
    made = render(kind, "email", language, TemplateContext(FACTS[kind], "x"))
    page = _Words(made.html)
    spoken = set(re.findall(r"\w{4,}", made.text))
    assert set(re.findall(r"\w{4,}", page.text)) - spoken <= {"bouton", "button", "mène"}
    assert all(link in made.text for link in page.links)
    assert not re.search(r"<(img|link|script|iframe)\b|url\(|@import|@font-face", made.html)
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    assert f'<html lang="{language}" dir="{direction}">' in made.html
    assert f'<body class="page" dir="{direction}"' in made.html


PRIVATE = {
    "fr": ("RDVPriority est un service privé", "nous ne sommes pas l’administration", "rendez-vous lui-même est gratuit"),
    "en": ("RDVPriority is a private service", "we are not the administration", "appointment itself is free"),
    "ar": ("RDVPriority خدمة خاصة", "لسنا جهة إدارية", "الموعد نفسه مجاني"),
    "es": ("RDVPriority es un servicio privado", "no somos la administración", "La cita en sí es gratuita"),
    "pt": ("RDVPriority é um serviço privado", "não somos a administração", "A marcação em si é gratuita"),
    "de": ("RDVPriority ist ein privater Dienst", "Wir sind keine Behörde", "Der Termin selbst ist kostenlos"),
    "ru": ("RDVPriority — частный сервис", "мы не государственный орган", "Сама запись бесплатна"),
    "zh": ("RDVPriority 是私营服务", "我们不是行政机关", "预约本身免费"),
    "hi": ("RDVPriority एक निजी सेवा है", "हम प्रशासन नहीं हैं", "अपॉइंटमेंट स्वयं निःशुल्क है"),
}  # fmt: skip


@in_turn("kind, language", MAILS)
def test_every_mail_says_that_the_service_is_private_and_appointments_are_free(
    kind: str, language: str
) -> None:
    """An SMS has no room for it: a second segment would double its price. It leads to a page that says it."""
    made = render(kind, "email", language, TemplateContext(FACTS[kind], "x"))
    for said in (made.text, _Words(made.html).text):
        for part in PRIVATE[language]:
            assert said.count(part) == 1, f"{part!r}: layout.jinja has it once for {language}"


def test_a_line_break_cannot_get_into_a_subject() -> None:
    assert slot("email", prefecture="A\r\nBcc: x").subject == "Créneau détecté – A Bcc: x (95)"


@in_turn(
    "changes, words",
    [
        ({"count": 1}, "1 créneau ouvert"),
        ({"count": 12}, "12 créneaux ouverts"),
        ({"countable": False}, "Des créneaux ouverts"),
        ({"first_hour": None}, "jeudi 26 novembre 2026, heure inconnue"),
        ({"first_day": None, "first_hour": None, "first_day_short": None}, "date et heure inconnues"),
    ],
)
@in_turn("channel", ["email", "telegram"])
def test_what_is_not_known_is_said(channel: str, changes: dict[str, Any], words: str) -> None:
    made = slot(channel, **changes)
    assert words in made.html
    assert channel != "email" or words in made.text


@in_turn("channel", ["email", "telegram"])
def test_a_single_slot_is_not_called_the_first(channel: str) -> None:
    assert "Premier" not in slot(channel, count=1).html
    assert "Premier" in slot(channel, count=2).html
    assert "Premier" in slot(channel, count=1, countable=False).html


def test_whoever_has_many_alerts_gets_a_message_that_telegram_takes() -> None:
    stops = [("é" * 80, STOP)] * 100
    text, _ = visible_text(slot("telegram", label="L" * 500, site="S" * 500, stops=stops).html)
    assert len(text) <= 4096  # https://core.telegram.org/bots/api#sendmessage
    for made in (text, slot("email", stops=stops).html, slot("email", stops=stops).text):
        assert "Vos autres alertes se gèrent depuis votre compte" in made
        assert made.count("Arrêter l’alerte") == 10
    assert "autres alertes" not in slot("telegram", stops=stops[:10]).html


@in_turn(
    "changes, words",
    [
        (
            {"url": "https://rdv.example/a_b~c?d=[1]&e={f}#g"},
            "3 créneaux ouverts, Val-d'Oise (95), premier le 26/11 à 09:30.",
        ),
        ({"count": 1, "first_hour": None}, "1 créneau ouvert, Val-d'Oise (95), le 26/11."),
    ],
)
def test_an_sms_says_brand_how_many_where_and_link(changes: dict[str, Any], words: str) -> None:
    said = fit_text(slot("sms", **changes))
    assert said == f"RDVPriority : {words} {changes.get('url', URL)} Stop: {STOP_PAGE}"
    context = TemplateContext(FACTS["slot_detected"] | {"sms_stop_page": None})
    assert fit_text(render("slot_detected", "sms", "fr", context)).endswith(URL), "its sender reads answers"


@in_turn("name", ["Seine-Saint-Denis", "Alpes-de-Haute-Provence", "Territoire de Belfort"])
@in_turn("length", [30, 60, 90])
def test_an_sms_takes_one_segment(name: str, length: int) -> None:
    url = "https://www.".ljust(length, "x")
    for changes in ({}, {"countable": False}, {"site": "Sous-préfecture de L’Haÿ-les-Roses"}):
        assert segments(fit_text(slot("sms", prefecture=name, url=url, **changes))) == 1


@pytest.mark.parametrize(
    ("sender", "page"),
    [
        ("RDVPriority", STOP_PAGE),
        (f"MG{'0a' * 16}", STOP_PAGE),
        ("+33162000000", None),
        ("38600", None),
    ],
)
def test_an_sms_names_a_page_where_its_sender_cannot_read_an_answer(
    settings_env: Callable[..., None], sender: str, page: str | None
) -> None:
    settings_env(TWILIO_PHONE_NUMBER=sender, FRONTEND_URL="https://rdvpriority.fr/")
    assert sms_stop_page() == page


def test_what_a_stranger_wrote_makes_no_link_and_no_layout() -> None:
    facts = FACTS["operations"] | {"message": "a\n\nhttps://evil.example/x\n- b\n<table><tr>"}
    page = render("operations", "email", "fr", TemplateContext(facts)).html
    assert 'href="https://evil' not in page
    assert "• b" not in page
    assert "&lt;table&gt;" in page


@in_turn("url", ['javascript:alert(1)//"onclick="x', 'https://x/"><b>'])
def test_a_strange_link_cannot_break_out_of_its_attribute(url: str) -> None:
    page = slot("email", url=url).html
    assert html.escape(url, quote=True).replace("&quot;", "&#34;") in page


MARTINIQUE = Moment(date(2026, 11, 26), time(19, 30))


@in_turn(
    "moments, expected",
    [
        ([Moment()], (None, None, None)),
        ([Moment(date(2026, 12, 1))], ("mardi 1er décembre 2026", "01/12", None)),
        ([Moment(), MARTINIQUE], ("jeudi 26 novembre 2026", "26/11", "19:30")),
        ([Moment(date(2026, 11, 27), time(8)), MARTINIQUE], ("jeudi 26 novembre 2026", "26/11", "19:30")),
        ([Moment(date(2026, 11, 26)), MARTINIQUE], ("jeudi 26 novembre 2026", "26/11", "19:30")),
        ([MARTINIQUE, Moment(date(2026, 11, 26), time(0, 0))], ("jeudi 26 novembre 2026", "26/11", "00:00")),
    ],
)
def test_the_first_moment_is_the_earliest_that_is_known(
    moments: list[Moment], expected: tuple[str | None, ...]
) -> None:
    first = first_moment(moments, location_of(DESK, PREFECTURE), "fr")
    assert (first["first_day"], first["first_day_short"], first["first_hour"]) == expected
