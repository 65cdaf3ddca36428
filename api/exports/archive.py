"""The archive of an export: a ZIP with one JSON file for each table, and a page that explains them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import sqlalchemy as sa
from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.orm import Session

from api.exports.tables import EXPORTED, ExportedTable, name_user, select_rows
from api.models.base import session
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt
from configs.world.languages import FRENCH

_FOLDER = Path(__file__).parent / "templates"
_AT_ONCE = 500  # rows in memory
_ENCRYPTED = "gAAAAA"  # how Fernet's texts begin
_SECRET = frozenset({"code"})  # keys of messages' values: a code by SMS


@dataclass(frozen=True, slots=True)
class Words:
    """The page's sentences, and what each table holds."""

    title: str
    about: str  # {email}, {day}
    how_to_read: str
    left_out: str
    rights: str
    heads: tuple[str, str, str]  # of the table: what, rows, file
    tables: Mapping[str, str]


_FR = Words(
    title="Vos données chez RDVPriority",
    about="Tout ce que nos tables contenaient sur le compte {email}, le {day}.",
    how_to_read=(
        "Chaque fichier est un tableau au format JSON, lisible par les programmes et par les éditeurs de texte. "
        "Les heures sont en temps universel (UTC), les montants en centimes."
    ),
    left_out=(
        "Il manque ce qui ouvrirait votre compte : l’empreinte du mot de passe, le secret et les codes de secours du "
        "second facteur, les empreintes des connexions et des codes envoyés par SMS."
    ),
    rights=(
        "Vous pouvez faire corriger ou supprimer ces données : la page « Mes données » de votre compte dit comment, et "
        "pourquoi nous les avons. Gardez ce fichier à l’abri : il peut révéler votre situation administrative."
    ),
    heads=("Contenu", "Lignes", "Fichier"),
    tables={
        "users": "Le compte : adresse, langue, fuseau horaire, rôle",
        "contacts": "Les adresses des messages : e-mail, téléphone, Telegram, navigateurs, et leur état",
        "telegram_links": "Une liaison avec Telegram en cours",
        "phone_codes": "Les codes envoyés par SMS depuis un jour, sans les codes",
        "logins": "Les connexions : navigateur, début, fin",
        "registrations": "Les inscriptions dont l’adresse n’est pas confirmée",
        "alerts": "Les alertes",
        "alert_targets": "Ce que chaque alerte surveille : préfecture, démarche, dates, heures",
        "appointments": "Les rendez-vous que vous avez signalés",
        "matches": "Les créneaux trouvés pour vos alertes",
        "answers": "Vos réponses aux alertes : rendez-vous trouvé, trop tard, rien sur la page, arrêt",
        "notifications": "Les messages : canal, titre et texte tels qu’envoyés, heures d’envoi et d’arrivée",
        "notices": "Les notifications affichées dans votre compte, avec leur texte",
        "provider_events": "Messages qui ne sont pas arrivés, et demandes d’arrêt par SMS",
        "grants": "Les formules et leurs périodes",
        "subscriptions": "Les abonnements mensuels",
        "payments": "Les commandes et paiements, avec ce que vous avez accepté",
        "payment_events": "Ce qui est arrivé à chaque paiement",
        "book_lines": "Le livre de chaque paiement : payé, rendu, encore dû",
        "payment_differences": "Les écarts avec Stripe, et leur correction",
        "plan_credits": "Les restes de formules déduits d’une commande",
        "invoices": "Les factures et avoirs",
        "refunds": "Les remboursements",
        "unwatched": "Le temps non surveillé de chaque paiement",
        "watch_credits": "Ce qui a été rendu pour le temps non surveillé",
        "stripe_ids": "Les numéros de vos paiements chez Stripe",
        "declarations": "Vos rétractations et résiliations",
        "support_requests": "Vos messages à l’assistance",
        "exports": "Les demandes d’export, celle-ci comprise",
        "audit": "Ce que nos opérateurs ont fait ou consulté à votre sujet : quand et dans quel rôle",
    },
)
_EN = Words(
    title="Your data at RDVPriority",
    about="Everything that our tables held about the account {email}, on {day}.",
    how_to_read=(
        "Each file is a list in JSON, which programs and text editors can read. Times are in universal time (UTC), "
        "amounts in cents."
    ),
    left_out=(
        "What would open your account is left out: the hash of the password, the secret and the recovery codes of the "
        "second factor, the hashes of logins and of codes sent by SMS."
    ),
    rights=(
        "You may have these data corrected or deleted: the page “My data” of your account says how, and why we have "
        "them. Keep this file safe: it may reveal your immigration status."
    ),
    heads=("Content", "Rows", "File"),
    tables={
        "users": "The account: address, language, time zone, role",
        "contacts": "Addresses of messages: e-mail, phone, Telegram, browsers, and their state",
        "telegram_links": "A link with Telegram that is being made",
        "phone_codes": "Codes sent by SMS within a day, without the codes",
        "logins": "Logins: browser, beginning, end",
        "registrations": "Registrations whose address is not confirmed",
        "alerts": "Alerts",
        "alert_targets": "What each alert watches: prefecture, procedure, dates, hours",
        "appointments": "Appointments that you reported",
        "matches": "Slots that were found for your alerts",
        "answers": "Your answers to alerts: appointment found, too late, nothing on the page, stopped",
        "notifications": "Messages: channel, title and text as sent, when they were sent and arrived",
        "notices": "Notifications shown in your account, with their text",
        "provider_events": "Messages that did not arrive, and requests to stop by SMS",
        "grants": "Plans and their periods",
        "subscriptions": "Monthly subscriptions",
        "payments": "Orders and payments, with what you agreed to",
        "payment_events": "What happened to each payment",
        "book_lines": "The book of each payment: paid, given back, still owed",
        "payment_differences": "Differences with Stripe, and their repair",
        "plan_credits": "Rests of plans that were taken off an order",
        "invoices": "Invoices and credit notes",
        "refunds": "Refunds",
        "unwatched": "The time of each payment that was not watched",
        "watch_credits": "What was given back for time that was not watched",
        "stripe_ids": "The ids of your payments at Stripe",
        "declarations": "Your withdrawals and cancellations",
        "support_requests": "Your messages to support",
        "exports": "Requests for an export, this one included",
        "audit": "What our operators did or looked at about you: when and in which role",
    },
)
_AR = Words(
    title="بياناتك لدى RDVPriority",
    about="كل ما كانت جداولنا تحتويه عن الحساب {email} في {day}.",
    how_to_read=(
        "كل ملف قائمة بتنسيق JSON تقرؤها البرامج ومحررات النصوص. الأوقات بالتوقيت العالمي (UTC) والمبالغ بالسنتيم."
    ),
    left_out=(
        "لا يحتوي الملف على ما يفتح حسابك: بصمة كلمة المرور، وسر العامل الثاني ورموز الطوارئ، وبصمات الاتصالات والرموز "
        "المرسلة عبر SMS."
    ),
    rights=(
        "يمكنك طلب تصحيح هذه البيانات أو حذفها: تشرح صفحة «بياناتي» في حسابك كيف، ولماذا نحتفظ بها. احفظ هذا الملف في "
        "مكان آمن: فقد يكشف وضعك الإداري."
    ),
    heads=("المحتوى", "الأسطر", "الملف"),
    tables={
        "users": "الحساب: العنوان واللغة والمنطقة الزمنية والدور",
        "contacts": "عناوين الرسائل: البريد والهاتف وتيليغرام والمتصفحات، وحالتها",
        "telegram_links": "ربط بتيليغرام قيد الإنجاز",
        "phone_codes": "الرموز المرسلة عبر SMS منذ يوم، دون الرموز نفسها",
        "logins": "الاتصالات: المتصفح والبداية والنهاية",
        "registrations": "التسجيلات التي لم يؤكَّد عنوانها",
        "alerts": "التنبيهات",
        "alert_targets": "ما يراقبه كل تنبيه: المحافظة والإجراء والتواريخ والساعات",
        "appointments": "المواعيد التي أبلغت عنها",
        "matches": "المواعيد الشاغرة التي وُجدت لتنبيهاتك",
        "answers": "إجاباتك على التنبيهات: وجدت موعدًا، فات الأوان، لا شيء في الصفحة، إيقاف",
        "notifications": "الرسائل: القناة والعنوان والنص كما أُرسلا وأوقات الإرسال والوصول",
        "notices": "الإشعارات المعروضة في حسابك مع نصها",
        "provider_events": "رسائل لم تصل، وطلبات الإيقاف عبر الرسائل القصيرة",
        "grants": "الباقات وفتراتها",
        "subscriptions": "الاشتراكات الشهرية",
        "payments": "الطلبات والمدفوعات، مع ما وافقت عليه",
        "payment_events": "ما حدث لكل دفعة",
        "book_lines": "دفتر كل دفعة: ما دُفع وما أُعيد وما بقي مستحقًا",
        "payment_differences": "الفروق مع Stripe وتصحيحها",
        "plan_credits": "بقايا الباقات المخصومة من طلب",
        "invoices": "الفواتير والإشعارات الدائنة",
        "refunds": "المبالغ المستردة",
        "unwatched": "الوقت غير المراقَب من كل دفعة",
        "watch_credits": "ما أُعيد عن الوقت غير المراقَب",
        "stripe_ids": "أرقام مدفوعاتك لدى Stripe",
        "declarations": "انسحاباتك وإلغاءاتك",
        "support_requests": "رسائلك إلى الدعم",
        "exports": "طلبات التصدير، ومنها هذا الطلب",
        "audit": "ما فعله موظفونا أو اطّلعوا عليه بشأنك: متى وبأي صفة",
    },
)
WORDS: Mapping[str, Words] = {"fr": _FR, "en": _EN, "ar": _AR}


def render_index(language: str, email: str, counts: Mapping[str, int], now: datetime) -> str:
    """Return the page; `counts` are the rows of each table."""
    language = language if language in WORDS else FRENCH
    words = WORDS[language]
    day = format_datetime(now, "long", locale=language)
    return (
        _environment()
        .get_template("index.html")
        .render(
            lang=language,
            dir="rtl" if language == "ar" else "ltr",
            words=words,
            about=words.about.format(email=email, day=day),
            counts=counts,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def write_archive(user_id: UUID, into: IO[bytes]) -> None:
    """Write everything about a user, as it is at one moment.

    Raises:
        sqlalchemy.exc.NoResultFound: the account was deleted.
    """
    with session() as s:
        s.connection(execution_options={"isolation_level": "REPEATABLE READ"})  # one snapshot for all tables
        language, email = s.execute(sa.select(User.language, User.email).where(User.id == user_id)).one()
        with ZipFile(into, "w", ZIP_DEFLATED) as archive:
            counts = {each.name: _write_table(s, archive, each, user_id) for each in EXPORTED}
            archive.writestr("index.html", render_index(language, email, counts, clock()))


def _write_table(s: Session, archive: ZipFile, exported: ExportedTable, user_id: UUID) -> int:
    """Write a table row by row; return how many rows it has."""
    count = 0
    with archive.open(f"{exported.name}.json", "w") as raw, TextIOWrapper(raw, "utf-8") as file:
        for row in _read_rows(s, exported, user_id):
            file.write(",\n" if count else "[\n")
            json.dump(row, file, ensure_ascii=False, default=_write_value)
            count += 1
        file.write("\n]\n" if count else "[]\n")
    return count


def _read_rows(s: Session, exported: ExportedTable, user_id: UUID) -> Iterator[dict[str, Any]]:
    query = select_rows(exported).execution_options(yield_per=_AT_ONCE)
    for row in s.execute(query, name_user(user_id)).mappings():
        yield {name: _clean(value) if name == "params" else value for name, value in row.items()}


def _clean(params: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a message without secrets, with what is encrypted among them readable."""
    return {name: _decrypt(value) for name, value in params.items() if name not in _SECRET}


def _decrypt(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_ENCRYPTED):
        return value
    try:
        return decrypt(value)
    except DecryptionFailed:
        return None


def _write_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)
