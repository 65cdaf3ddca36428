from crawler.parsing.no_slot_phrases import says_none, speaks_of_trouble
from tests.in_turn import in_turn


@in_turn(
    "message",
    [
        "Aucun rendez-vous n'est actuellement disponible.",
        "AUCUN RENDEZ-VOUS",
        "Aucune disponibilité pour ce motif",
        "Aucun créneau disponible pour le motif sélectionné",
        "Aucun créneau du 23/11/2026 au 29/11/2026",
        "Aucune date disponible",
        "Aucun créneau disponible à ce jour",
        "À ce jour, aucun rendez-vous.",
        "Plus aucune place.",
        "Il n\u2019y a plus de créneaux disponibles",
        "Il n'y a pas de disponibilité pour cette semaine",
        "Il n'y a actuellement pas de rendez-vous.",
        "Il n'y a pas actuellement de créneau",
        "Il n'existe plus de plage horaire libre",
        "Pas encore de créneaux",
        "Pas d'horaire libre",
        "Désolé, nous n'avons pas de rendez-vous à vous proposer",
        "<b>Aucun</b>&nbsp;cr&eacute;neau",
        "Nous ne pouvons vous proposer de rendez-vous pour le moment.",
        "Nous ne pouvons actuellement pas vous proposer de créneau",
        "Les rendez-vous sont actuellement complets.",
        "Complet",
        "Le planning de ce service est complet.",
        "Toutes les plages sont réservées",
        "No availability",
        "There are no available slots for this week",
        "No more appointments.",
        "Il ne reste malheureusement plus de place",
        "Nous n'avons plus de rendez-vous à vous proposer",
        "Aucun rendez-vous n'est disponible pour le moment mais de nombreux créneaux vont être mis en ligne.",
        "Aucun créneau n'a été trouvé pour votre recherche.",
        "Aucun créneau disponible. Veuillez réessayer ultérieurement.",
        "Aucun créneau n'est ouvert à la réservation.",
        "La prise de rendez-vous n'est pas encore ouverte.",
        "Aucun rendez-vous disponible. Si vous êtes pressé, appelez-nous.",
        "Aucun rendez-vous disponible pour un dépôt de dossier",
        "Aucun rendez\u2011vous disponible",
        "Aucun rendez\u2010vous disponible",
        "Aucun rendez-vous disponible \U0001f622",
        "\u26a0\ufe0f Il n'y a plus de créneaux disponibles",
        "\U0001f6ab Complet",
    ],
)
def test_nothing_is_free_in_the_ways_programs_say_it(message: str) -> None:
    assert says_none(message)


@in_turn(
    "message",
    [
        "",
        "Unauthenticated.",
        "Erreur technique",
        "Session expirée",
        "Aucune session",
        "Veuillez choisir un motif.",
        "Aucun motif de rendez-vous n'est sélectionné",
        "Aucun créneau n'a été sélectionné",
        "Aucun rendez-vous sélectionné",
        "Aucune plage horaire choisie",
        "Aucune date de naissance",
        "Veuillez sélectionner un créneau",
        "Vous ne pouvez pas prendre plus de 2 rendez-vous.",
        "Vous ne pouvez plus prendre rendez-vous",
        "Vous n'avez aucun rendez-vous",
        "Vous avez déjà un rendez-vous : aucun rendez-vous supplémentaire",
        "Aucun autre rendez-vous n'est possible",
        "Aucun rendez-vous avant le 15/01/2027",
        "Aucun créneau cette semaine, prochaine disponibilité le 30/11/2026",
        "Pas de rendez-vous ? À partir du 1er décembre",
        "Ce créneau est pris",
        "Ce créneau est complet, choisissez-en un autre",
        "Nous ne pouvons vous proposer ce motif : vos rendez-vous sont à compléter",
        "Votre dossier est complet",
        "Dossier incomplet",
        "No session",
    ],
)
def test_what_says_something_else_is_no_absence(message: str) -> None:
    assert not says_none(message)


# What each of them would prove without the words around it.
DENIALS = (
    "Aucun créneau disponible",
    "Il n'y a plus de rendez-vous",
    "Pas de disponibilité",
    "No slots available",
)
TROUBLES = (
    "Une erreur est survenue.",
    "Erreur 500 :",
    "An error occurred.",
    "Le service est en maintenance.",
    "Service momentanément indisponible.",
    "Service unavailable.",
    "Trop de requêtes,",
    "Too many requests:",
    "Vous avez dépassé la limite de recherches.",
    "Votre session a expiré.",
    "Problème technique :",
    "Un incident est en cours.",
    "Délai dépassé.",
    "Le serveur ne répond pas.",
    "Nous ne pouvons pas afficher le calendrier.",
    "Impossible de charger le planning.",
    "La recherche a échoué.",
    "Aucun dossier ne correspond à ce numéro.",
    "Votre dossier est introuvable.",
)


@in_turn("message", ["Aucun rendez-vous trouvé pour ce dossier.", "Aucun RDV n'a été trouvé"])
def test_a_booking_that_was_not_found_is_trouble_beside_whatever_else_is_said(message: str) -> None:
    assert speaks_of_trouble(message)
    assert not speaks_of_trouble("Aucun créneau trouvé")


def test_words_of_more_slots_take_back_what_stands_beside_them_and_a_denial_does_not() -> None:
    assert speaks_of_trouble("Plus de créneaux bientôt disponibles !")
    assert not speaks_of_trouble("Il n'y a plus de créneaux disponibles")
    assert not speaks_of_trouble("Vous pouvez demander plus de renseignements.")
    assert speaks_of_trouble("Plus de cr+AOk-neaux bient+APQ-t disponibles !")  # UTF-7 read as something else


@in_turn("trouble", TROUBLES)
@in_turn("denial", DENIALS)
def test_a_message_of_trouble_proves_nothing_whatever_it_says_of_slots(denial: str, trouble: str) -> None:
    assert says_none(denial)
    assert not says_none(f"{trouble} {denial}")
    assert not says_none(f"{denial}. {trouble}")


@in_turn(
    "message",
    [
        "Aucun créneau n'a pu être chargé.",
        "Aucun créneau ne peut être affiché.",
        "Aucune disponibilité n'a pu être récupérée",
        "Aucun rendez-vous ne peut être pris",
        "Aucun rendez-vous trouvé pour ce dossier.",
        "Aucun rendez-vous n'a été trouvé avec cette référence",
        "Aucun rendez-vous ne correspond à votre numéro",
        "Aucun rendez-vous trouvé",
        "Plus de créneaux à venir !",
        "Plus de rendez-vous disponibles sur notre nouveau site",
        "Voir plus de créneaux",
        "Découvrez plus d'horaires",
        "N'hésitez pas à demander plus de créneaux",
        "Aucun créneau disponible aujourd'hui",
        "Il n'y a ce jour aucun créneau disponible.",
        "Aucun créneau disponible à ce jour-là",
        "Il n'y a plus de créneaux pour ce jour.",
        "Plus aucune place ce matin",
        "No slots today",
        "No appointments available on this day",
        "Aucun rendez-vous n'est nécessaire.",
        "No appointment needed",
        "Aucun rendez-vous par téléphone",
        "Si aucun créneau ne s'affiche, rechargez la page",
        "S'il n'y a plus de créneaux, revenez demain",
        "Lorsqu'il n'y a plus de place, rappelez-nous",
        "Aucun créneau ne vous convient ?",
        "Aucun rendez-vous n'a été annulé",
        "Plus aucune place en salle d'attente virtuelle, patientez",
        "Aucun créneau : veuillez vous reconnecter",
        "Aucun créneau disponible hormis le lundi",
        "Aucun créneau disponible dans ce centre, d'autres centres ont des créneaux",
        "Pas de créneau sans compte",
    ],
)
def test_a_denial_of_something_else_than_all_free_slots_is_no_absence(message: str) -> None:
    assert not says_none(message)


@in_turn(
    "message",
    ["Il n'y a pas de disponibilité pour cette semaine", "No availability for this week",
     "Aucun créneau du 23/11/2026 au 29/11/2026", "Aucun rendez-vous ce mois-ci",
     "Aucun créneau sur la période sélectionnée", "Aucun créneau disponible à cette date",
     "Aucun créneau le 23 novembre"],
)  # fmt: skip
def test_an_absence_of_some_days_is_none_of_all_days(message: str) -> None:
    assert not says_none(message, every_day=True)


@in_turn(
    "said, read",
    [
        ("utf-8", "latin-1"),
        ("latin-1", "utf-8"),
        ("utf-7", "latin-1"),
        ("utf-7", "ascii"),
        ("utf-8", "shift_jis"),
        ("utf-8", "koi8-r"),
        ("utf-8", "cp437"),
        ("utf-8", "mac-roman"),
    ],
)
def test_a_message_in_the_wrong_charset_proves_nothing(said: str, read: str) -> None:
    message = "Aucun créneau : la recherche a échoué"
    assert not says_none(message.encode(said).decode(read, "replace"))
    assert not says_none(
        "Aucun créneau aujourd'hui, c'est complet à 17 h".encode(said).decode(read, "replace")
    )
