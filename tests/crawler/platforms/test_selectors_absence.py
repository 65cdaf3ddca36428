"""Sentences that take a "none" back, on pages that a desk's YAML describes."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from configs.world.desk import Outcome
from crawler.reading import Reading
from tests.crawler.pages import read as read_page
from tests.crawler.pages import visit
from tests.in_turn import in_turn

URL = "https://mairie.example/rdv"
NONE = "Aucun rendez-vous n'est disponible"
TODAY = date(2026, 11, 25)  # a Wednesday


def read(content: str, *, title: str = "Prendre rendez-vous", head: str = "", **rules: Any) -> Reading:
    given = {"available": "li.libre > a", "date": ".", "no_slot_text": NONE} | rules
    body = (
        f"<!DOCTYPE html><html lang='fr'><head><meta charset='utf-8'><title>{title}</title></head><body>{head}"
        f"<h1>Prendre rendez-vous</h1><main>{content}</main>"
        "<footer><p>Mairie ouverte du lundi au vendredi de 9h à 12h et de 14h à 17h30.</p></footer></body></html>"
    )
    seen = replace(visit(URL, name="selectors", **given), today=TODAY)
    return read_page(body, name="selectors", url=URL, step="0 1 0 0", of=seen)


@in_turn(
    "said",
    [
        f"{NONE}.",
        NONE,
        f"{NONE} !",
        f"{NONE} pour le moment.",
        f"{NONE} pour l'instant, merci de réessayer plus tard.",
        f"{NONE} actuellement.",
        f"{NONE} pour le moment, veuillez réessayer dans quelques jours.",
        f"{NONE}. Veuillez consulter régulièrement cette page, chaque lundi à 9h.",
        f"{NONE} en ligne pour le moment.",
        f"{NONE} pour votre demande.",
        f"{NONE}, revenez demain.",
        f"{NONE}, merci de vous reconnecter ultérieurement.",
        f"Malheureusement, {NONE.lower()}.",
        f"Désolé ! {NONE}.",
        f"<b>{NONE}</b> <i>pour le moment</i>.",
        f"{NONE} pour le moment mais de nombreux créneaux vont être mis en ligne.",
        f"{NONE}. Si vous êtes pressé, appelez-nous.",
        f"Le matin, il y a foule. {NONE}.",
        f"{NONE} : tout est complet.",
        f"{NONE}, quel que soit le motif.",
        f"En raison d'une forte demande, {NONE.lower()}.",
        f"À noter : {NONE.lower()}.",
        f"{NONE} à ce stade",
        f"{NONE} à ce jour.",
        f"À ce jour, {NONE.lower()}, merci de revenir plus tard.",
        f"Information : {NONE.lower()}.",
        f"Résultat de votre recherche – {NONE.lower()}.",
        f"{NONE}, vous serez prévenu dès qu'un créneau se libère.",
        f"<select><option>{NONE}</option></select>",
    ],
)
def test_a_sentence_for_none_that_speaks_of_everything_is_an_absence(said: str) -> None:
    reading = read(f"<p>{said}</p>")
    assert (reading.outcome, len(reading.covered)) == (Outcome.NO_SLOTS, 1), reading.reason


@pytest.mark.rule("3.2")
@in_turn(
    "said",
    [
        f"{NONE} {limit}."
        for limit in (
            "ce jour", "ce jour-là", "à ce jour-là", "à ce jour et à cette heure", "aujourd'hui", "demain", "cette semaine", "ce mois-ci", "en décembre", "le lundi",
            "pour cette date", "à cette date et à cette heure", "à cette heure", "l'après-midi", "le matin", "en soirée",
            "avant le 15", "avant janvier", "d'ici Noël", "jusqu'à nouvel ordre pour les mineurs", "entre 9h et 12h",
            "dans ce centre", "pour ce centre", "au guichet 2", "dans cette mairie", "sur ce site", "à la sous-préfecture",
            "ici", "pour ce motif", "pour cette démarche", "pour cette durée", "pour ce service", "pour 2 personnes",
            "avec cet agent", "pour les mineurs", "selon vos critères", "pour la période choisie", "par téléphone",
            "sauf le mardi", "hormis au guichet 3", "si vous êtes mineur", "lorsque le planning est fermé",
            "pour le moment dans ce centre", ", le matin", "for this date", "on this day", "at this location",
            "in the morning", "unless you call", "pour le créneau choisi", "sur cette plage horaire", "ces jours-ci",
            "les week-ends", "à Bobigny", "près de chez vous", "en visioconférence", "avec interprète", "pour vous",
            "tant que le dossier n'est pas complet", "à moins d'appeler", "à l'exception du guichet 3", "ni demain",
            "dans les 7 prochains jours", "pour l'instant pour ce motif", "(mardi)", "ailleurs",
            "concernant les titres de séjour", "relatif au renouvellement", "compte tenu de vos réponses",
            "sous réserve d'annulation", ", consultez plutôt le guichet B", ": essayez Saint-Denis", "– guichet 2", "for the selected date",
        )
    ]
    + [
        f"Si {NONE.lower()}, revenez plus tard.",
        f"Lorsqu'{NONE.lower()}, une liste d'attente ouvre.",
        f"Quand {NONE.lower()}, patience.",
        f"Au cas où {NONE.lower()}, écrivez-nous.",
        f"Le matin, {NONE.lower()}.",
        f"Mardi 1er décembre : {NONE.lower()}.",
        f"Guichet 2 : {NONE.lower()}.",
        f"Pour ce motif, {NONE.lower()}.",
        f"{NONE} ?",
        f"« {NONE} »",
        f"Le message « {NONE}. » veut dire que tout est pris.",
        f'Le message "{NONE}" apparaît alors.',
        f"Naturalisation ({NONE.lower()})",
        f"({NONE.lower()} ?)",
        f"<q>{NONE}</q>",
        f"\u2039 {NONE} \u203a",
        f"'{NONE}'",
        f"À Bobigny, {NONE.lower()}.",
        f"Pour une première demande, {NONE.lower()}.",
        f"Il arrive qu'{NONE.lower()}.",
        f"{NONE}. Modifiez vos critères.",
        f"{NONE}. Choisissez un autre jour.",
        f"{NONE}. Veuillez sélectionner une autre date.",
        f"{NONE}. Essayez un autre centre.",
        f"{NONE}. Please choose another date.",
        f"Dès qu'{NONE.lower()}, nous vous le dirons.",
        f"Pourvu qu'{NONE.lower()} !",
        f"Il est possible qu'{NONE.lower()}.",
        f"Il est faux de dire qu'{NONE.lower()}.",
        f"Par exemple, {NONE.lower()}.",
        f"L'an dernier, {NONE.lower()}.",
        f"Bobigny : {NONE.lower()}",
        f"Renouvellement - {NONE.lower()}",
        f"Première demande | {NONE.lower()}",
        f"<del>{NONE}</del>",
        f"<s>{NONE}</s>.",
        f"<samp>{NONE}</samp>",
        f"<select><option>{NONE}</option><option>Bobigny</option></select>",
        f"<b>{NONE}</b> <i>le matin</i>.",
        f"<span>{NONE}</span><br>pour cette date",
    ],
)  # fmt: skip
def test_a_sentence_that_is_narrowed_conditioned_or_quoted_proves_nothing(said: str) -> None:
    reading = read(f"<p>{said}</p>")
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.rule("3.2")
@in_turn(
    "content",
    [
        f"<table><tr><th>mardi</th><td>{NONE}</td></tr></table>",
        f"<blockquote><p>{NONE}.</p></blockquote>",
        f"<dl><dt>Matin</dt><dd>{NONE}</dd></dl>",
        f"<details open><summary>Questions</summary><p>{NONE}.</p></details>",
        f"<h3>Mardi 1er décembre</h3><p>{NONE}.</p>",
        f"<div><p>a</p><h3>Guichet</h3></div><h3><b>Guichet</b></h3><div><h4>Lundi 23 novembre</h4></div><p>{NONE}.</p>",
        f"<section><h2>Le matin</h2><div><p>{NONE}.</p></div></section>",
        f"<fieldset><legend>L'après-midi</legend><p>{NONE}.</p></fieldset>",
        f"<table><tr><th>lundi</th><th>mardi</th></tr><tr><td>{NONE}</td><td>{NONE}</td></tr></table>",
    ],
)
def test_what_stands_around_the_sentence_may_narrow_it(content: str) -> None:
    assert read(content).outcome is Outcome.UNREADABLE


@in_turn(
    "content",
    [
        f"<h2>Horaires : du lundi au vendredi, le matin</h2><p>{NONE}.</p>",
        f"<h2>Rendez-vous disponibles</h2><p>{NONE}.</p>",
        f"<table><tr><th>Disponibilités</th><td>{NONE}</td></tr></table>",
    ],
)
def test_what_stands_around_the_sentence_need_not_narrow_it(content: str) -> None:
    assert read(content).outcome is Outcome.NO_SLOTS


@in_turn("limit", ["pour cette date", "le matin", "dans ce centre"])
def test_a_mark_whose_words_narrow_it_proves_nothing(limit: str) -> None:
    mark: dict[str, Any] = {"no_slot": "p.vide", "no_slot_text": None}
    assert read("<p class='vide'>Aucun créneau disponible.</p>", **mark).outcome is Outcome.NO_SLOTS
    assert read("<p class='vide'><img alt=''></p>", **mark).outcome is Outcome.NO_SLOTS
    said = f"<p class='vide'>Aucun créneau disponible {limit}.</p>"
    assert read(said, **mark).outcome is Outcome.UNREADABLE
    own = f"Aucun créneau disponible {limit}"  # the operator wrote it so
    assert read(said, no_slot_text=own).outcome is Outcome.NO_SLOTS


@pytest.mark.rule("3.2")
@in_turn(
    "told",
    [
        "Prochaine disponibilité : mardi 15 décembre",
        "Prochaine disponibilité : <strong>mardi 15 décembre</strong>",
        "Prochaine disponibilité : mercredi 15 décembre",  # it is a Tuesday
        "Prochaines disponibilités le 15/12/2026",
        "Prochain rendez-vous disponible le 15/12",
        "Prochain créneau disponible : demain à 9h00",
        "Prochain créneau : après-demain",
        "Prochain créneau lundi",
        "Prochain créneau libre : la semaine prochaine",
        "Prochaine date disponible dans 3 jours",
        "Prochaine disponibilité : bientôt",
        "Prochaine disponibilité le …",
        "Premier créneau disponible : 15 déc.",
        "Mardi 15 décembre : prochain créneau",
        "Demain, des créneaux seront ouverts.",
        "Des rendez-vous seront disponibles à partir du 15 décembre.",
        "À partir du 15 décembre, de nouveaux créneaux seront proposés.",
        "Réouverture le 15 décembre.",
        "Ouverture des réservations le lundi 30 novembre.",
        "Ouverture des rendez-vous demain.",
        "Prochaine ouverture : lundi",
        "Prochaine mise en ligne le 30 novembre",
        "Les réservations rouvriront le 30/11.",
        "Dès demain, de nouveaux rendez-vous.",
        "Il reste des places lundi",
        "Un créneau s'est libéré pour demain",
        "Créneaux disponibles : demain",
        "Reprise des rendez-vous le 15 décembre",
        "Les prises de rendez-vous reprendront le 15 décembre",
        "Prochaine dispo : 15/12",
        "Next available: Dec 15",
        "Next available appointment: December 15, 2026",
        "Next availability: tomorrow",
        "Next slot on Monday",
        "Earliest appointment: 15 December",
        "Available from December 15",
        "Bookings open on Monday",
        "</p><dl><dt>Prochaine disponibilité</dt><dd>15/12/2026</dd></dl><p>",
        "Prochaine disponibilité : 20/11/2026",
        "Premier rendez-vous : 15/12/2026",
        "Prochain jour disponible : mardi 15 décembre",
        "Prochaine possibilité : 15 décembre",
        "Le créneau le plus proche est le 15 décembre",
        "Rendez-vous au plus tôt : 15 décembre",
        "Il faut attendre le 15 décembre pour un rendez-vous",
        "Vous pourrez réserver dès lundi",
        "2 créneaux disponibles mardi",
        "Encore 2 rendez-vous mardi 15 décembre",
        "Des disponibilités existent en décembre",
        "Appointments will be released on Monday",
        "The soonest we can see you is December 15",
        "Próxima cita disponible: 15 de diciembre",
        "Próxima disponibilidad: mañana",
        "Nächster verfügbarer Termin: 15. Dezember 2026",
        "Prossimo appuntamento disponibile: 15 dicembre",
        "Следующая свободная дата: 15.12.2026",
        "الموعد المتاح التالي: 15/12/2026",
        "1 er décembre à 9h30",
        "Premier décembre à 9h30",
        "Dec 1st, 2026 at 9:30 am",
    ],
)
def test_an_announced_next_availability_is_never_an_absence(told: str) -> None:
    for content in (f"<p>{NONE}.</p><p>{told}</p>", f"<p>{told}</p><p>{NONE}.</p>"):
        reading = read(content)
        assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ()), reading.reason


@in_turn(
    "told",
    [
        "Prochaine disponibilité : mardi 15 juin 2027",
        "Prochaine disponibilité : 15/06/2027 à 9h30",
        "Prochain rendez-vous le 1er avril",
        "Next available: June 15, 2027",
    ],
)
def test_a_next_availability_beyond_the_horizon_is_an_absence_with_that_reason(told: str) -> None:
    reading = read(f"<p>{NONE}.</p><p>{told}</p>")
    assert reading.outcome is Outcome.NO_SLOTS
    assert [each.last for each in reading.covered] == [date(2027, 2, 23)]
    assert "the next availability is 2027-" in reading.reason
    assert "beyond the 90 days" in reading.reason


@in_turn(
    "told",
    [
        "De nouveaux rendez-vous sont ouverts tous les jours ouvrés à partir de 8h.",
        "Nous publions de nouveaux créneaux du lundi au vendredi à 9h00 et à 14h00.",
        "Réouverture de l'accueil le 30 novembre",
        "Guichets ouverts le lundi",
        "La mairie est ouverte le samedi matin",
        "Prochaine disponibilité : -",
        "Prochaines disponibilités : nous consulter",
        "Les calendriers couvrent 30 jours glissants.",
        "2 rendez-vous au plus par famille. Accueil du lundi au vendredi.",
        "Des rendez-vous sont disponibles chaque lundi",
    ],
)
def test_what_announces_no_day_leaves_the_sentence_alone(told: str) -> None:
    assert read(f"<p>{NONE}.</p><p>{told}</p>").outcome is Outcome.NO_SLOTS


TROUBLES = (
    "Une erreur technique est survenue.",
    "Session expirée",
    "Vous êtes dans la file d'attente.",
    "Calendrier en cours de chargement…",
    "Chargement en cours",
    "Veuillez patienter",
    "Please wait",
    "Loading…",
    "Oups, quelque chose s'est mal passé",
    "Something went wrong",
    "Vous avez été déconnecté",
    "Recherche de créneaux en cours",
    "Accès refusé",
    "Votre position : 123",
    "Activez JavaScript",
    "Ein Fehler ist aufgetreten",
)


@pytest.mark.rule("3.2")
@in_turn("trouble", TROUBLES)
def test_words_of_trouble_take_the_sentence_back(trouble: str) -> None:
    pages = (
        read(f"<p>{trouble} {NONE}.</p>"),
        read(f"<div>{NONE}. <b>{trouble}</b></div>"),
        read(f"<p>{NONE}.</p>", head=f"<div role='alert'><p>{trouble}</p></div>"),
        read(f"<p>{NONE}.</p>", head=f"<div role=status>{trouble}</div>"),
        read(f"<p>{NONE}.</p>", title=trouble),
        read(f"<p>{NONE}.</p>", head=f"<div role='ALERT log'>{trouble}</div>"),
        read(f"<p>{NONE}.</p>", head=f"<div aria-live=assertive>{trouble}</div>"),
        read(f"<p>{NONE}.</p>", head=f"<output>{trouble}</output>"),
        read(f"<p>{NONE}.</p>", head=f"<dialog open>{trouble}</dialog>"),
        read(f"<p>{NONE}.</p>", head=f"<h1>{trouble}</h1>"),
    )
    assert not any(page.outcome and page.outcome.conclusive for page in pages)
    assert not any(page.covered for page in pages)


@pytest.mark.rule("3.2")
@in_turn(
    "said",
    [
        "Captcha invalide.", "Votre adresse IP a été bloquée.", "You are now in line.",
        "Vous devez accepter les cookies pour continuer.", "Bienvenue. Ce service ouvre lundi !",
    ],
)  # fmt: skip
def test_a_sentence_that_nobody_has_read_in_an_alert_or_the_heading_is_doubt(said: str) -> None:
    for part in (f"<div role='alert'>{said}</div>", f"<h1>{said}</h1>", f"<output>{said}</output>"):
        reading = read(f"<p>{NONE}.</p>", head=part)
        assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())
    assert read(f"<p>{NONE}.</p>", head="<h1>Bienvenue</h1>").outcome is Outcome.NO_SLOTS


def test_an_alert_that_is_not_shown_or_speaks_of_none_is_no_trouble() -> None:
    assert read(f"<p>{NONE}.</p><p role='alert' hidden>Session expirée</p>").outcome is Outcome.NO_SLOTS
    assert read(f"<p role='alert'>{NONE}.</p>").outcome is Outcome.NO_SLOTS
    spinner = "<div class='spinner-border d-none' role='status'><span>Chargement...</span></div>"
    assert read(f"{spinner}<p>{NONE}.</p>").outcome is Outcome.NO_SLOTS
    cookies = "<div role='alert'>Ce site utilise des cookies de session.</div>"
    assert read(f"{cookies}<p>{NONE}.</p>").outcome is Outcome.NO_SLOTS


@pytest.mark.rule("3.2")
def test_trouble_beside_one_of_two_sentences_takes_both_back() -> None:
    reading = read(f"<p>{NONE}. Une erreur technique est survenue.</p><p>{NONE}.</p>")
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.rule("3.2")
def test_a_sentence_that_no_page_says_so_often_proves_nothing() -> None:
    reading = read(f"<p>{f'{NONE}. ' * 40}</p>")
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.rule("3.2")
def test_the_title_of_a_page_inside_another_takes_the_sentence_back() -> None:
    reading = read(f"<p>Bienvenue</p><title>Session expirée</title><p>{NONE}.</p>")
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.rule("3.2")
@in_turn("before", ["Prenez un ticket", "Ouvert de 14h à 17h30"])
def test_a_moment_in_a_link_right_behind_a_full_stop_is_seen(before: str) -> None:
    reading = read(f"<p>{NONE}.</p><p>{before}.<a href='/0'>27/11 à 9h30</a></p>")
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.rule("3.1")
def test_a_page_that_bears_our_own_mark_of_hidden_parts_hides_nothing_by_it() -> None:
    reading = read(f"<p _hidden_=''>{NONE}.</p><ul><li class='libre'><a>27/11/2026 à 9h30</a></li></ul>")
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())
