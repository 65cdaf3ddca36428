"""`scrapy detect --file`: saved pages and answers, of which nothing is asked."""

import json
from pathlib import Path

import pytest

from configs.prefecture import desks
from tests.crawler import ezbooking_pages as ez
from tests.crawler.commanded import Run
from tests.crawler.platform_detection.printed import entries
from tests.crawler.recordings import RECORDINGS


def test_a_desk_that_is_there_already_is_not_to_be_copied(detect: Run, tmp_path: Path) -> None:
    (known,) = [each for each in desks().values() if each.id == "cergy_95/naturalisation"]
    (tmp_path / "x.html").write_text(f"<!-- saved from url=(0054){known.url}/2 -->{ez.full()}")
    out = detect("--file", tmp_path / "x.html")[1]
    assert f"# it is already the desk {known.id}: copy nothing" in out


@pytest.mark.parametrize(
    ("content", "said"), [(b"x" * 2_000_001, "larger than 2,000,000 bytes"), (b"", "no text"), (b" \n", "no text")], ids=["large", "empty", "blank"]
)  # fmt: skip
def test_a_saved_page_that_is_none_is_refused(detect: Run, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.html").write_bytes(content)
    code, out, err = detect("--file", tmp_path / "x.html")
    assert code == 2
    assert said in out + err


def test_a_saved_page_is_known_by_its_own_traces_and_read(detect: Run, tmp_path: Path) -> None:
    trace = "<!-- saved from url=(0054)https://www.essonne.gouv.fr/booking/create/9845/2 -->"
    (tmp_path / "x.html").write_text(trace + ez.full())
    code, out, _ = detect("--file", tmp_path / "x.html")
    (entry,) = entries(out)
    assert (code, entry["url"]) == (0, "https://www.essonne.gouv.fr/booking/create/9845")
    assert f"# NO_SLOTS: {ez.SENTENCE}" in out
    assert "# for configs/prefectures/evry-courcouronnes_91.yaml" in out


def test_a_saved_page_without_an_address_is_named_and_asks_for_it(detect: Run, tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text('<div id="inner_Booking"><form id="FormBookingCreate">?</form></div>')
    code, out, _ = detect("--file", tmp_path / "x.html")
    assert (code, entries(out)) == (0, [])
    assert out.startswith("# ezbooking: file:///")
    assert "say the one that people open" in out
    told = detect("https://www.essonne.gouv.fr/booking/create/1", "--file", tmp_path / "x.html")[1]
    assert entries(told)[0]["url"] == "https://www.essonne.gouv.fr/booking/create/1"


def test_a_saved_list_of_desks_names_each_and_asks_none(detect: Run, tmp_path: Path) -> None:
    links = "".join(
        f'<li><a href="https://www.essonne.gouv.fr/booking/create/{form}/0">{text}</a></li>'
        for form, text in ((1, "Naturalisation"), (2, "Échange de permis de conduire"))
    )
    (tmp_path / "x.html").write_text(f"<html><title>Prendre rendez-vous</title><ul>{links}</ul></html>")
    code, out, _ = detect("--file", tmp_path / "x.html")
    assert (code, [each["procedures"] for each in entries(out)]) == (
        0,
        [["NATURALISATION"], ["PERMIS_CONDUIRE"]],
    )
    assert out.count("# not asked: nothing is, with --file") == 2


def test_a_saved_list_of_what_can_be_booked_makes_a_desk_of_each(detect: Run, tmp_path: Path) -> None:
    motives = [{"id": 1, "name": "Carte grise"}, {"id": 2, "name": "Échange de permis de conduire"}]
    (tmp_path / "x.json").write_text(json.dumps({"data": {"agendas": [], "visit_motives": motives}}))
    code, out, _ = detect("https://www.doctolib.fr/prefecture/lille/guichet", "--file", tmp_path / "x.json")
    assert code == 0
    assert [(each["procedures"], each["parameters"]) for each in entries(out)] == [
        (["CARTE_GRISE"], {"motives": [1]}),
        (["PERMIS_CONDUIRE"], {"motives": [2]}),
    ]


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("file", "first", "said"),
    [
        ("prefenligne/ezbooking/val-doise_11343_step2_no_slot.html", "# ezbooking: https://www.val-doise.gouv.fr/booking/create/11343", "# NO_SLOTS: Il n'existe plus"),
        ("custom/rdv-service-public/maintenance.html", "# rdv_service_public: file://", "# MAINTENANCE: "),
        ("blocked/cloudflare_init_v1.html", "# platform unknown", "BLOCKED: "),
        ("blocked/cloudflare_captcha_norobot_v1.html", "# platform unknown", "CAPTCHA: "),
        ("blocked/cloudflare_recaptcha_2019.html", "# platform unknown", "CAPTCHA: "),
    ],
)  # fmt: skip
def test_a_recorded_page_is_named(detect: Run, file: str, first: str, said: str) -> None:
    if not (RECORDINGS / file).exists():
        pytest.skip(f"no recorded answers at {RECORDINGS}: set RECORDINGS to their folder")
    code, out, _ = detect("--file", RECORDINGS / file)
    assert (code, out.startswith(first)) == (int("unknown" in first), True)
    assert said in out
