import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.parsing.absence import says_none


@pytest.mark.parametrize(
    "message",
    [
        "Aucun rendez-vous n'est actuellement disponible.",
        "AUCUN RENDEZ-VOUS",
        "Aucune disponibilité pour ce motif",
        "Aucun créneau disponible pour le motif sélectionné",
        "Aucun créneau du 23/11/2026 au 29/11/2026",
        "Aucune date disponible",
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
    ],
)
def test_nothing_is_free_in_the_ways_programs_say_it(message: str) -> None:
    assert says_none(message)


@pytest.mark.parametrize(
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
        "Aucune plage horaire n'a été choisie",
    ],
)
def test_what_says_something_else_is_no_absence(message: str) -> None:
    assert not says_none(message)


@given(st.text(max_size=200))
def test_no_message_breaks_the_reading(message: str) -> None:
    assert not says_none(message) or any(map(str.isalpha, message))


def test_a_message_of_more_than_2000_characters_says_nothing() -> None:
    assert says_none("Aucun rendez-vous." + " " * 1980)
    assert not says_none("Aucun rendez-vous." + " " * 1990)
