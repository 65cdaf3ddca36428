"""Words of the page that explains an export, in the languages of accounts."""

from collections.abc import Mapping
from dataclasses import dataclass


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
