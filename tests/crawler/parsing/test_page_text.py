"""Text of a saved page, as a browser shows it: its words, its hidden parts, its charset, its addresses."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from configs.world.desk import Outcome
from crawler.parsing.html_text import title, visible_text
from crawler.parsing.normal_form import contains_phrase
from crawler.parsing.sentence_limits import names_date
from crawler.platforms import example, platform
from crawler.reading import Reading
from tests.crawler.pages import PARIS, TODAY, answer, page, visit
from tests.crawler.pages import read as read_page
from tests.in_turn import in_turn

URL = "https://mairie.example/rdv/jour"
NONE = "Aucun rendez-vous n'est disponible."
SLOT = "<a class=libre href=/r/1>mardi 15 décembre 2026 à 9h30</a>"
RULES: dict[str, Any] = {"available": "a.libre", "date": ".", "no_slot_text": NONE}
MOMENT = datetime(2026, 12, 15, 8, 30, tzinfo=UTC)


def read(body: str | bytes, *, browser: bool = False, content_type: str = "") -> Reading:
    seen = replace(visit(URL, name="selectors", **RULES), browser=browser)
    return read_page(body, name="selectors", url=URL, step="0 1 0 0", of=seen, content_type=content_type)


def moments(reading: Reading) -> list[object]:
    return [slot.moment for slot in reading.slots]


NOT_SHOWN = [
    *("<dialog>{}</dialog>", "<div popover>{}</div>", "<div popover=manual>{}</div>", "<dialog popover>{}</dialog>"),
    *("<datalist>{}</datalist>", "<details>{}</details>", "<details><summary>Plus</summary>{}</details>"),
    "<details><summary>Plus</summary><p>Ou</p><div>{}</div></details>",
    *("<iframe src=x>{}</iframe>", "<noframes>{}</noframes>", "<noembed>{}</noembed>", "<object data=x>{}</object>"),
    *("<canvas>{}</canvas>", "<video src=x>{}</video>", "<audio src=x>{}</audio>", "<progress>{}</progress>"),
    *("<ruby>a<rp>{}</rp></ruby>", "<svg><desc>{}</desc></svg>", "<template>{}</template>", "<textarea>{}</textarea>"),
    *("<div hidden>{}</div>", "<div hidden=until-found>{}</div>", "<div style='visibility: collapse'>{}</div>"),
    *("<div style='DISPLAY:/**/none'>{}</div>", "<div style='color:red;content-visibility:hidden'>{}</div>"),
    *("<div style='opacity: 0'>{}</div>", "<div style='opacity:0.0;color:red'>{}</div>"),
    *("<div style='font-size:0'>{}</div>", "<div style='position:absolute;left:-9999px'>{}</div>"),
    *("<div style='text-indent: -999em'>{}</div>", "<div style='clip: rect(0 0 0 0)'>{}</div>"),
    *("<div style='height:0;overflow:hidden'>{}</div>", "<div style='clip-path:inset(50%)'>{}</div>"),
    *("<div v-if=a>{}</div>", "<div v-show=a>{}</div>", "<div :hidden=a>{}</div>", "<div v-for='a in b'>{}</div>"),
    *("<div ng-show=a>{}</div>", "<div ng-hide=a>{}</div>", "<div data-ng-if=a>{}</div>", "<div ng:show=a>{}</div>"),
    *("<div x-show=a>{}</div>", "<div x-show.important=a>{}</div>", "<div ng-if=a class='b ng-hide'>{}</div>"),
    *("<div data-bind='visible: a'>{}</div>", "<div data-bind='text: b, if: a'>{}</div>", "<div *ngIf=a>{}</div>"),
]  # fmt: skip
SHOWN = [
    *("<dialog open>{}</dialog>", "<dialog open popover>{}</dialog>", "<details open>{}</details>"),
    *("<details><summary>{}</summary></details>", "<div style='opacity:0.5'>{}</div>", "<div style='height:0'>{}</div>", "<div style='left:-10px'>{}</div>", "<div aria-hidden=true>{}</div>"),
    *("<div style='display:block;--display:none'>{}</div>", "<div class=hidden>{}</div>", "<div v-cloak>{}</div>"),
    *("<div ng-app><p>{}</p></div>", "<div x-data='{{}}'>{}</div>", "<div data-bind='text: a'>{}</div>", "<div inert>{}</div>"),
]  # fmt: skip


@pytest.mark.rule("3.2")
@in_turn("around", NOT_SHOWN)
def test_what_a_browser_does_not_show_proves_nothing_and_holds_no_slot(around: str) -> None:
    assert read(around.format(f"<p>{NONE}</p>")).outcome is Outcome.UNREADABLE
    assert read(around.format(NONE)).outcome is Outcome.UNREADABLE
    assert read(around.format(SLOT)).slots == ()


@in_turn("around", SHOWN)
def test_what_a_browser_shows_counts(around: str) -> None:
    in_details = around.startswith("<details")  # a help text, whose words for none are no answer
    none = read(around.format(f"<b>{NONE}</b>")).outcome
    assert none is (Outcome.UNREADABLE if in_details else Outcome.NO_SLOTS)
    assert moments(read(around.format(SLOT))) == [MOMENT]


@in_turn(
    "body",
    [
        "Aucun rendez-vous n'est dispo<font color=red>nible</font>.",
        "<span class=lettrine>A</span>ucun rendez-vous n'est disponible.",
        "Aucun <b>rendez</b>-vous n'est disponible.",
        "Aucun rendez-vous n'est dispo<wbr>nible.",
        "Aucun rendez-vous n'est dispo&shy;nible.",
        "Aucun ren\u200bdez\u2011vous n\u2019est dispo\u2060nible\ufeff.",
        "Aucun\u202frendez\u2010vous\xa0n\u02bcest &rlm;disponible.",
        "Aucun rendez-vous n'est disponible<!-- pas -->.",
        "<b>Aucun</b><br>rendez-vous<div>n'est disponible.</div>",
        "<td>Aucun</td><td>rendez-vous</td> <i>n'est disponible</i>.",
        "<a>\uff21ucun rendez-vous n\u00b4est disponible.</a><span>Revenez plus tard.</span>",
    ],
)  # fmt: skip
def test_a_sentence_is_read_however_it_is_set(body: str) -> None:
    assert read(f"<body>{body}").outcome is Outcome.NO_SLOTS


@pytest.mark.rule("3.2")
@in_turn(
    "written, day",
    [
        ("mardi 1<sup>er</sup> décembre 2026", 1),
        ("mardi 1\u1d49\u02b3 décembre 2026", 1),
        ("mardi 15 de\u0301cembre 2026", 15),
        ("mardi 15 d&eacute;&shy;cembre 2026", 15),
        ("<b>m</b>ardi 15 déc<wbr>embre 2026", 15),
        ("<span>mardi</span> <span>15</span><span>décembre</span><span>2026</span>", 15),
        ("<div>mardi</div><div>15</div><div>décembre</div><div>2026</div>", 15),
        ("mardi \uff11\uff15 décembre 2026", 15),
        ("mardi 15 \u202adécembre\u202c\xa02026", 15),
        ("mardi 15\u202fdécembre\u20092026", 15),
        ("2026\u201112\u201115", 15),
    ],
)
def test_a_date_is_read_however_it_is_set(written: str, day: int) -> None:
    """As a slot's date, and as a moment beside the words for none, which then prove nothing."""
    at = datetime(2026, 12, day, 8, 30, tzinfo=UTC)
    assert moments(read(f"<a class=libre>{written}<span> à 9<b>h</b>30</span></a>")) == [at]
    assert moments(read(f"<a class=libre>{written}<div>09:30</div></a>")) == [at]
    assert read(f"<p>{NONE}</p><p>{written} à 9h30</p>").outcome is Outcome.UNREADABLE


META = "<html><head><meta charset={}></head><body>{}</body></html>"


@in_turn(
    "body, content_type",
    [
        (SLOT.encode(), ""),
        (SLOT.encode("cp1252"), ""),
        (SLOT.encode("cp1252"), "text/html; charset=inconnu-1"),
        (SLOT.encode("iso8859-15"), "text/html; charset=iso885915"),
        (META.format("iso-8859-1", SLOT).encode("cp1252"), "text/html"),
        (META.format("utf-16", SLOT).encode(), "text/html"),
        (META.format("windows-1252", SLOT).encode(), "text/html; charset=utf-8"),
        (META.format("latin1", SLOT).encode("utf-8-sig"), "text/html; charset=latin1"),
        (f"<!-- <meta charset=utf-8> -->{SLOT}".encode("cp1252"), ""),
        (f"<head>{'<!-- -->' * 500}<meta charset=koi8-r></head>{SLOT}".encode("utf-8-sig"), ""),
        (f"<head>{'<link href=a>' * 200}<meta http-equiv=Content-Type content='text/html; charset=macintosh'>{SLOT}".encode("mac-roman"), ""),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?>" + SLOT.encode("cp1252"), ""),
        (b"\xff\xfe" + SLOT.encode("utf-16-le"), "text/html; charset=utf-8"),
        (b"\xfe\xff" + SLOT.encode("utf-16-be"), ""),
        (SLOT.encode("utf-16-le"), "text/html; charset=utf-16"),
        (SLOT.encode() + "<p>é".encode()[:-1], ""),
    ],
)  # fmt: skip
def test_a_page_is_decoded_as_a_browser_does(body: bytes, content_type: str) -> None:
    assert moments(read(body, content_type=content_type)) == [MOMENT]


DATED = f"<p>{NONE} Prochaine ouverture le mardi 15 décembre.</p>"
DAMAGED = [
    META.format("utf-8", DATED).encode("cp1252"),
    META.format("utf-8", DATED.encode().decode("cp1252")).encode(),
    META.format("utf-8", DATED.replace("é", "Ã\x83Â©")).encode(),
    META.format("latin1", DATED).encode(),
    META.format("macintosh", DATED).encode("cp1252"),
    META.format("cp1252", DATED).encode("mac-roman"),
    META.format("windows-1251", DATED).encode("cp1252"),
    META.format("gb18030", DATED).encode("cp1252"),
    META.format("utf-8", DATED.replace("é", "&Atilde;&copy;")).encode(),
    META.format("utf-8", DATED.replace("é", "&#xFFFD;")).encode(),
    *(
        META.format("utf-8", DATED.replace("é", lost)).encode()
        for lost in ("&amp;eacute;", "?", "\u25a1", "\\u00e9")
    ),
    META.format(
        "utf-8", f"{NONE}<script type=application/json>{json.dumps({'a': 'dÃ©cembre'})}</script>"
    ).encode(),
]


@pytest.mark.rule("3.2")
@in_turn("body", DAMAGED)
def test_damaged_text_proves_no_absence(body: bytes) -> None:
    assert read(body).outcome is Outcome.UNREADABLE


@pytest.mark.rule("3.2")
@in_turn("codec", ["utf-16-be", "utf-16-le"])
def test_two_bytes_a_letter_under_another_name_prove_no_absence(codec: str) -> None:
    assert read(f"<p>{NONE}</p>".encode(codec), content_type="text/html; charset=koi8-r").covered == ()


@in_turn(
    "beside",
    ["\ufffd", "dÃ©cembre", "S\u00c3O PAULO, MAÇÃ", "<!-- d\ufffdbut -->", "<script>// dÃ©but</script>"],
)
def test_damage_takes_no_slot_away_and_harmless_signs_are_none(beside: str) -> None:
    seen = read(f"{SLOT}<p>{beside}</p>")
    assert moments(seen) == [MOMENT]
    harmless = not beside.startswith(("\ufffd", "d"))
    assert bool(seen.covered) is harmless
    none = read(f"<p>{NONE}</p><p>Été, cœur, ÉVRY, 10 µg, русский العربية 预约, CÔTÉ\xa0! {beside}</p>")
    assert none.outcome is (Outcome.NO_SLOTS if harmless else Outcome.UNREADABLE)


@pytest.mark.rule("3.2")
@in_turn("said", ["d\\ufffdbut", "dÃ©but", "d\\u00c3\\u00a9but", "d\ufffdbut"])
@in_turn("name", ["maiia", "doctolib"])
def test_damaged_json_proves_no_absence(name: str, said: str) -> None:
    empty = {"maiia": '{{"items": [], "total": 0{}}}', "doctolib": '{{"availabilities": [], "total": 0{}}}'}[
        name
    ]
    reader = platform(name)
    seen = example(reader, TODAY, PARIS)
    ask = reader.first_request(seen)

    def covers(more: str) -> bool:
        return bool(answer(name, seen, ask, empty.format(more)).covered)

    assert not covers(f', "note": "{said}"')


@in_turn(
    "base, href, url",
    [
        ("", "reservation/1", "https://mairie.example/rdv/reservation/1"),
        ("<base href='/rendez-vous/'>", "1", "https://mairie.example/rendez-vous/1"),
        ("<base href='../a/'><base href='/b/'>", "1", "https://mairie.example/a/1"),
        ("<base target=_top><base href='/b/'>", "1", "https://mairie.example/b/1"),
        ("<base href='\\b\\'>", "?d=1", "https://mairie.example/b/?d=1"),
        ("<base href='javascript:1'>", "1", "https://mairie.example/rdv/1"),
        ("<base href='http://[x'>", "1", "https://mairie.example/rdv/1"),
        ("<base href='https://ailleurs.example/'>", "1", URL),
        ("<base href='https://ailleurs.example/'>", "https://mairie.example/1", "https://mairie.example/1"),
        ("", " /r/motif séjour?x=a b\n#haut", "https://mairie.example/r/motif%20s%C3%A9jour?x=a%20b"),
        ("", "/r/d%C3%A9j%20\t1?a[]=1|2", "https://mairie.example/r/d%C3%A9j%201?a[]=1|2"),
        ("", "\\r\\1?a=\\", "https://mairie.example/r/1?a=\\"),
        ("", "https:\\\\mairie.example\\1", "https://mairie.example/1"),
        ("", "\\\\ailleurs.example\\1", URL),
        ("", "/\\ailleurs.example/1", URL),
        ("", "///ailleurs.example/1", URL),
        ("", "javascript:void('\\\\')", URL),
    ],
)
def test_an_address_is_the_one_that_a_browser_asks(base: str, href: str, url: str) -> None:
    slot = SLOT.replace("href=/r/1", f'href="{href}"')
    (seen,) = read(f"<html><head>{base}</head><body>{slot}</body></html>").slots
    assert seen.url == url


@in_turn("end", ["</html>", "</HTML >\n<html>"])
def test_what_stands_behind_the_documents_end_is_read_as_a_browser_does(end: str) -> None:
    assert moments(read(f"<html><p>Bonjour</p>{end}{SLOT}</html>")) == [MOMENT]


# Phrases and titles


@in_turn("text", ["Semaine 48", "du 23/11 au 29/11", "Le 23.11.2026", "1er décembre", "23 NOVEMBRE"])
def test_a_heading_that_names_a_day_or_a_week_is_dated(text: str) -> None:
    assert names_date(text)


@in_turn(
    "text, sentence",
    [
        ("dossier incomplet", "complet"),
        ("à compléter", "complet"),
        ("Aucun créneau disponible cette semaine", "Aucun créneau disponible."),
        ("Aucun créneau", "Aucun créneau disponible"),
        ("aucuncréneau", "Aucun créneau"),
        ("", "Complet"),
        ("Complet", "\u0301"),
    ],
)
def test_other_words_are_another_sentence(text: str, sentence: str) -> None:
    assert not contains_phrase(text, sentence)


@in_turn("written", ["a\x1b[2Jb", "a\x9b2Jb", "a&#27;[2Jb", "a\x07 b", "a\u2028b"])
def test_what_speaks_to_a_terminal_is_taken_out_of_titles_and_texts(written: str) -> None:
    root = page(f"<html><head><title>{written}</title></head><body>{written}</body></html>").root
    assert (title(root)[:2], title(root)[-1]) == ("a ", "b")
    assert title(root).isprintable()
    assert visible_text(root).isprintable()
