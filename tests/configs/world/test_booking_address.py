"""Addresses of candidates: what a platform's pattern keeps of a pasted one, and that nothing else stays."""

import pytest

from configs.world.booking_address import cut_address, parse_booking_address
from configs.world.booking_hosts import explain_unasked, find_owner
from configs.world.prefecture import desks
from crawler.discovery.candidates import load_candidate_list

RDVPREF = "https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/4443/"
SERVICE = "https://rdv.anct.gouv.fr/prendre_rdv"


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        (f" {RDVPREF}cgu/?token=secret#moi ", RDVPREF),
        ("HTTP://WWW.Nord.gouv.fr:80/booking/create/12/4?mail=a@b.fr", "https://www.nord.gouv.fr/booking/create/12"),
        (f"{SERVICE}?invitation_token=secret&public_link_organisation_id=3&address=chez+moi",
         f"{SERVICE}?public_link_organisation_id=3"),
        ("https://rdv.rhone.gouv.fr/eAppointment_69/element/jsp/appointment.jsp;jsessionid=secret?sitekey=P1",
         "https://rdv.rhone.gouv.fr/eAppointment_69/appointment.do?sitekey=P1"),
        (f"{SERVICE}?public_link_organisation_id=camille%40example.org", None),
        ("https://rdv.anct.gouv.fr/users/rdvs/12/cancel?token=secret", None),
        ("https://www.nord.gouv.fr/booking/cancel/12?code=secret", None),
        ("https://www.doctolib.fr/account/appointments/secret", None),
        ("https://camille:secret@www.nord.gouv.fr/booking/create/12", None),
        ("https://www.nord.gouv.fr:22/booking/create/12", None),
        ("http://10.0.0.93/booking/create/12", None),
        ("camille@example.org", None),
    ],
)  # fmt: skip
def test_of_a_pasted_address_only_the_page_is_kept(pasted: str, kept: str | None) -> None:
    found = parse_booking_address(pasted)
    assert (found and found.url) == kept
    assert "secret" not in repr(found)


def test_the_address_of_each_shipped_desk_is_itself_whatever_stands_behind_it() -> None:
    national = {"https://rendezvouspasseport.ants.gouv.fr/", "https://rendezvousonline.fr/"}
    for desk in desks().values():
        if desk.url not in national:
            found = parse_booking_address(f"{desk.url}{'&' if '?' in desk.url else '?'}token=secret")
            assert (found and (found.url, found.platform)) == (desk.url, desk.platform)


def test_what_a_prefectures_site_links_without_a_known_form_loses_its_query() -> None:
    found = cut_address("https://rdv.example.fr/guichet?session=secret#top")
    assert found
    assert (found.url, found.platform) == ("https://rdv.example.fr/guichet", None)


def test_the_list_names_pages_that_may_be_asked() -> None:
    assert len({each.address.key for each in load_candidate_list()}) == 21
    assert {explain_unasked(each.address.host) for each in load_candidate_list()} == {None}


def test_a_host_is_asked_where_files_or_a_platform_name_it() -> None:
    assert (find_owner("www.rdv.var.gouv.fr:443"), explain_unasked("rdv.var.gouv.fr:443")) == (
        "toulon_83",
        None,
    )
    assert "allow it in configs/hosts.yaml" in str(explain_unasked("rdv.example.fr:443"))
    assert explain_unasked("rendezvousonline.fr:443")
