"""Hints about a page of an unknown platform."""

from datetime import timedelta

from crawler.parsing.css_selectors import find_matches
from crawler.platform_detection.identify import page_of
from crawler.platform_detection.rule_hints import find_hints
from crawler.reading import Page


def page(body: str) -> Page:
    return page_of("https://www.quelque-part.invalid/rdv", f"<html><body>{body}</body></html>".encode())


def days(*ahead: int) -> list[str]:
    today = page("").visit.today
    return [f"{today + timedelta(days=each):%d/%m/%Y} à 9h30" for each in ahead]


def test_dates_ahead_are_pointed_out_by_a_selector_that_finds_them() -> None:
    first, second = days(3, 4)
    shown = page(
        f'<ul><li class="libre"><a href="/1">{first}</a></li><li class="libre"><a href="/2">{second}</a></li></ul>'
        f"<p class='pied'>Mis à jour le {days(-3)[0]}</p><td>{days(-30)[0]}</td>"
    )
    (said,) = find_hints(shown)
    assert said == f"could be slots: 2 with a date ahead at li.libre > a, e.g. {first!r}"
    assert len(find_matches(shown.root, "li.libre > a")) == 2


def test_sentences_that_could_say_that_nothing_is_free_are_quoted_whole_and_once() -> None:
    text = (
        "<div><p>Bonjour. Aucun rendez-vous n'est disponible. Merci.</p></div><p>Il n'y a plus de créneau</p>"
    )
    assert list(find_hints(page(text))) == [
        'could be the no_slot_text: "Aucun rendez-vous n\'est disponible."',
        'could be the no_slot_text: "Il n\'y a plus de créneau"',
    ]


def test_what_has_to_be_chosen_first_is_named() -> None:
    choice = '<select name="motif"><option value="">Choisir</option><option value="1">Carte grise</option></select>'
    assert list(find_hints(page(choice))) == ["could be a step: select[name=motif], with 'Carte grise'"]


def test_what_nobody_sees_and_what_is_no_hint_is_left_out() -> None:
    hidden = f"<script>Aucun rendez-vous disponible</script><noscript><a>{days(3)[0]}</a></noscript>"
    assert list(find_hints(page(hidden + "<p>Aucun problème.</p><li>Rien</li>"))) == []
