import pytest

from api.models.contact_linking import PhoneCode
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.encryption import decrypt
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import add_grant, change, one, rows

PHONE = "+33612345601"


@pytest.fixture
def subscriber(camille: Browser) -> Browser:
    """Give a browser of a user with a plan, on the page of the channels."""
    add_grant(one(User).id, PlanName.URGENCE_24H, 365)
    camille.get("/canaux")
    return camille


def read_code() -> str:
    return decrypt(rows(Notification, Notification.kind == "phone_code")[-1].params["code"])


def find_contact(channel: Channel) -> Contact:
    return one(Contact, Contact.channel == channel)


def test_a_number_is_confirmed_by_its_code(subscriber: Browser, door: Door) -> None:
    assert "Un appel commercial exige votre accord préalable" in subscriber.page.text
    subscriber.send("/canaux/numero", phone="06 12 34 56 01")
    page = subscriber.follow()
    assert PHONE in page.text
    assert len(door.nudged) == 1
    code = read_code()
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    page = subscriber.send("/canaux/code-sms", code=wrong)
    assert (subscriber.status, "Ce code est faux." in page.text) == (422, True)
    assert wrong not in page.html
    subscriber.send("/canaux/code-sms", code=code)
    assert "Votre numéro est confirmé." in subscriber.follow().text
    assert (find_contact(Channel.SMS).address, find_contact(Channel.SMS).enabled) == (PHONE, True)


def test_mails_that_a_link_stopped_start_again(camille: Browser) -> None:
    assert "vous avez arrêté" not in camille.get("/canaux").text
    change(Contact, stopped_groups=["reminders", "desk"])
    text = camille.get("/canaux").text
    assert "les e-mails de rappel" in text
    assert "si un guichet est surveillé" in text
    camille.send("/canaux/e-mails-arretes")
    assert "Vous recevrez de nouveau ces e-mails." in camille.follow().text
    assert find_contact(Channel.EMAIL).stopped_groups == []
    assert "vous avez arrêté" not in camille.page.text


def test_a_code_sent_twice_leads_back_to_the_channels(subscriber: Browser) -> None:
    subscriber.send("/canaux/numero", phone=PHONE)
    subscriber.follow()
    form, code = subscriber.page, read_code()
    for _ in range(2):
        subscriber.page = form
        subscriber.send("/canaux/code-sms", code=code)
        assert (subscriber.status, subscriber.location) == (303, "/canaux")


@pytest.mark.parametrize(
    ("phone", "text"),
    [
        ("", "Écrivez votre numéro."),
        ('"><script>alert(1)</script>', "Ce numéro n’est pas valable."),
        ("0" * 10_000, "Il faut au plus 60 caractères."),
        ("+1 202 555 0143", "Les codes vont aux numéros mobiles de France"),
    ],
    ids=["empty", "markup", "long", "foreign"],
)
def test_a_wrong_number_says_so_beside_the_field(subscriber: Browser, phone: str, text: str) -> None:
    page = subscriber.send("/canaux/numero", phone=phone)
    assert (subscriber.status, text in page.text) == (422, True)
    assert "<script>alert" not in page.html
    assert rows(PhoneCode) == []


def test_without_a_plan_the_page_says_what_sms_need(camille: Browser) -> None:
    page = camille.get("/canaux")
    assert "Les SMS demandent une formule en cours." in page.text
    assert "/canaux/numero" not in page.html


def test_channels_are_switched_and_the_state_of_the_address_shows(camille: Browser) -> None:
    camille.get("/canaux")
    page = camille.page
    fields = page.find_form("/canaux/choix")["fields"]
    assert fields.pop("notifyEmail") == ["true"]
    for _ in range(2):
        camille.page = page
        camille.send("/canaux/choix")
        assert "Tout est éteint" in camille.follow().text
    assert not find_contact(Channel.EMAIL).enabled
    change(Contact, state=ContactState.BOUNCED)
    assert "Nos messages à cette adresse nous reviennent" in camille.get("/canaux").text
    change(Contact, state=ContactState.UNSUBSCRIBED)
    assert "Vous ne vouliez plus d’e-mails." in camille.get("/canaux").text
    camille.send("/canaux/choix", notifyEmail="true")
    assert find_contact(Channel.EMAIL).reachable


def test_a_number_is_removed_also_where_the_access_cookie_is_too_old(subscriber: Browser) -> None:
    subscriber.send("/canaux/numero", phone=PHONE)
    subscriber.follow()
    subscriber.forget_access()
    subscriber.send("/canaux/sans-numero")
    assert "Votre numéro est retiré." in subscriber.follow().text
    assert [each.channel for each in rows(Contact)] == [Channel.EMAIL]
