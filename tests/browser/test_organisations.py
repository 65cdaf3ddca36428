"""An association helps thirty people who wait, from its request to its end: each of them is told what concerns them."""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from playwright.sync_api import BrowserContext, expect

from configs.ground.clock import clock
from deploy.local.seed import seed
from deploy.local.stack import Stack
from tests.browser.navigators import sign_in
from tests.browser.navigators.person import Person, Words
from tests.browser.site import MakeContext
from tests.lab.bench.latency import hasty, open_slot, take_all
from tests.sample_desk_files import only
from tests.waiting import PATIENCE, until
from tests.whole.conftest import STACK_JOURNEY, appoint_admin, quiet_stack
from tests.whole.visitor import LOOK, Visitor

pytestmark = STACK_JOURNEY
_NAME: Final = "Accueil de l’Essonne"
_PEOPLE, _ASKED, _AGREED, _WAIT = 30, 11, 10, 4  # the first ones, by number
_TAKES, _LEAVES = 1, 2  # who finds an appointment, and who takes all over: by number
_LANGUAGES = ("fr", "en", "ar")
_TABLE = "/organisation/people"
_LINK = re.compile(r"http://\S+/l/help\.\S+")


@pytest.fixture
def stack() -> Iterator[Stack]:
    with quiet_stack(lambda text: only("ezbooking", hasty(text)), PROXY_HOPS="1") as made:
        seed(made)
        yield made


class House:
    """People of one stack, each in a browser and a network of their own; those helped have links alone."""

    def __init__(self, stack: Stack, make_context: MakeContext) -> None:
        expect.set_options(timeout=PATIENCE * 1000)
        self._stack, self._make_context = stack, make_context
        self._front = f"http://127.0.0.1:{stack.ports.api}"
        self._networks = 0
        self.helped = {
            number: self.seat(f"person{number}", _LANGUAGES[number % 3], phone=number == _LEAVES)
            for number in range(1, _ASKED + 1)
        }

    def seat(self, name: str, language: str = "fr", *, phone: bool = False) -> Person:
        """Seat somebody in front of a browser."""
        return self._seat(self._open(language, phone=phone), name, language)

    def seat_member(self, name: str) -> Person:
        """Seat somebody who signs in."""
        person = self.seat(name)
        sign_in.join(person)
        return person

    def seat_operator(self) -> Person:
        """Seat an operator, whose login has shown both factors."""
        context = self._open("fr")
        person = self._seat(context, "operator", "fr")
        person.visitor.register()
        appoint_admin(person.visitor)
        url = self._front.replace("http:", "https:")  # Chromium takes such a cookie only from there
        context.add_cookies(
            [{"name": "__Host-access", "value": person.visitor.token, "url": url, "secure": True}]
        )
        return person

    def _open(self, language: str, *, phone: bool = False) -> BrowserContext:
        self._networks += 1
        width, address = 390 if phone else 1280, f"203.0.{self._networks}.7"
        return self._make_context(self._front, language=language, width=width, touch=phone, address=address)

    def _seat(self, context: BrowserContext, name: str, language: str) -> Person:
        visitor = Visitor(self._stack, f"{name}@example.org")
        return Person(context.new_page(), Words(language), visitor, self._front)


def test_thirty_people_are_helped_and_none_is_lost_without_a_word(
    stack: Stack, make_context: MakeContext
) -> None:
    house = House(stack, make_context)
    owner, operator = house.seat_member("owner"), house.seat_operator()
    ask_for_opening(owner)
    open_it(operator)
    read_mail(owner, "Votre organisation est ouverte")
    caseworker, viewer = (house.seat_member(each) for each in ("robin", "sam"))
    invite(owner, caseworker, "Accompagne des personnes")
    invite(owner, viewer, "Consulte")

    enter_all(caseworker, write_file(house))
    for number in house.helped:
        ask_consent(caseworker, number)
    for number in range(1, _AGREED + 1):
        agree(house.helped[number])
    expect(find_rows(viewer)).to_have_count(_PEOPLE)

    waiting = {number: house.helped[number] for number in range(1, _WAIT + 1)}
    open_slot(stack)
    for each in (*waiting.values(), caseworker):
        until(partial(count_slots, each, 1), pause=LOOK)
    mark_found(caseworker, _TAKES)
    take_all(stack)
    open_slot(stack)
    for each in (*(waiting[number] for number in waiting if number != _TAKES), caseworker):
        until(partial(count_slots, each, 2), pause=LOOK)
    assert read_numbers(caseworker) == [set(waiting), set(waiting) - {_TAKES}]
    told = {number: len(read_slots(each)) for number, each in house.helped.items()}
    assert told == dict.fromkeys(told, 0) | dict.fromkeys(waiting, 2) | {_TAKES: 1}
    assert [read_slots(each) for each in (owner, viewer)] == [[], []]

    take_over(house.helped[_LEAVES])
    read_mail(caseworker, "Une personne a repris son aide")
    expect(find_rows(viewer)).to_have_count(_PEOPLE - 1)

    end(owner)
    for each in (owner, caseworker, viewer):
        read_mail(each, "Votre organisation prend fin")
    for number, each in house.helped.items():
        if number != _LEAVES:
            read_end(each)


def ask_for_opening(owner: Person) -> None:
    """Ask for an organisation, from the dashboard on; accept the contract."""
    navigation = owner.page.get_by_role("navigation")
    for link in ("Réglages", "Organisation"):
        owner.hands.press(navigation.get_by_role("link", name=link))
    owner.arrive("Organisation")
    owner.write("Nom de l’organisation", _NAME)
    owner.write(
        "Qui aidez-vous, et comment ?", "Des familles qui attendent un rendez-vous, à notre permanence."
    )
    owner.write("Adresse postale", "1 rue de la Paix, 91000 Évry-Courcouronnes")
    owner.write("SIREN", "732 829 320")
    owner.press("Demander l’ouverture")
    owner.see_notice("Votre demande est reçue : un opérateur la regarde, et vous recevrez un message.")
    owner.press("Accepter le contrat")
    owner.see_notice("Le contrat est accepté.")


def open_it(operator: Person) -> None:
    """Open the organisation for a month, from the list of operators."""
    operator.open("/admin/organisations")
    page = operator.page
    page.get_by_role("main").get_by_role("link", name=_NAME).click()
    page.get_by_role("link", name="Ouvrir").click()
    page.get_by_label("Dernier jour").fill(f"{clock() + timedelta(days=30):%Y-%m-%d}")
    page.get_by_role("button", name="Ouvrir").click()
    expect(operator.main).to_contain_text("L’organisation est ouverte, ses membres sont prévenus.")


def invite(owner: Person, member: Person, role: str) -> None:
    """Invite somebody with a role, who accepts."""
    owner.open("/organisation", "Organisation")
    owner.write("Inviter par e-mail", member.visitor.email)
    owner.hands.choose(owner.field("Rôle"), role)
    owner.press("Inviter")
    owner.see_notice("L’invitation est envoyée : elle vaut 14 jours.")
    mail = until(lambda: find_mails(member, "Une organisation vous invite"), pause=LOOK)[0]
    link = re.search(r"http://\S+/organisation\b\S*", mail["text"])
    assert link, mail["text"]
    member.page.goto(link[0])
    expect(member.main).to_contain_text(_NAME)
    member.press("Accepter l’invitation")
    member.see_notice("Vous êtes membre de l’organisation.")


def write_file(house: House) -> bytes:
    """Return a file of people: some wait at the desk whose slots open, some elsewhere, most have no address."""
    lines = ["nom;langue;courriel;prevenir;prefecture;demarches"]
    for number in range(1, _PEOPLE + 1):
        person = house.helped.get(number)
        email = person.visitor.email if person else ""
        wish = "91;NATURALISATION" if number <= _WAIT else "93;TITRE_SEJOUR" if number <= _AGREED else ";"
        told = "les deux" if email else "accompagnant"
        lines.append(f"Personne {number};{_LANGUAGES[number % 3]};{email};{told};{wish}")
    return "\r\n".join(lines).encode()


def enter_all(caseworker: Person, file: bytes) -> None:
    """Enter people by a file, first with an error in it, which enters nobody."""
    caseworker.open(_TABLE, "Personnes aidées")
    caseworker.follow("Inscrire des personnes par un fichier")
    caseworker.arrive("Inscrire des personnes par un fichier")
    for content in (file.replace(b";NATURALISATION", b";NATURALISATON", 1), file):
        sent: Any = {"name": "personnes.csv", "mimeType": "text/csv", "buffer": content}
        caseworker.field("Votre fichier").set_input_files(sent)
        caseworker.press("Vérifier et inscrire")
        if content != file:
            caseworker.see("Rien n’est inscrit : corrigez ces lignes, puis envoyez le fichier de nouveau.")
    caseworker.see_notice("Personnes inscrites : %(number)s")
    expect(find_rows(caseworker)).to_have_count(_PEOPLE)


def find_rows(member: Person) -> Any:
    """Open the table; return its rows of people."""
    member.open(_TABLE, "Personnes aidées")
    return member.main.locator("tbody tr")


def open_person(member: Person, number: int) -> None:
    """Open the page of a person from the table."""
    member.open(_TABLE, "Personnes aidées")
    member.hands.press(member.main.get_by_role("link", name=f"#{number} Personne {number}", exact=True))
    member.arrive_at(re.compile(rf"#{number} "))


def ask_consent(caseworker: Person, number: int) -> None:
    open_person(caseworker, number)
    caseworker.press("Demander son accord")
    caseworker.see_notice("La demande est partie.")


def agree(person: Person) -> None:
    """Say yes by the link of the only mail so far, in the person's own language."""
    open_link(person, until(lambda: person.visitor.messages("email"), pause=LOOK)[0])
    assert person.page.locator("html").get_attribute("lang") == person.words.language
    person.press("Oui, me prévenir ici")
    person.see_notice("C’est noté : vous êtes prévenu ici.")


def open_link(person: Person, mail: dict[str, Any]) -> None:
    """Open the own page by the link of a mail."""
    link = _LINK.search(mail["text"])
    assert link, mail["text"]
    person.page.goto(link[0])
    person.arrive("L’aide que vous recevez")


def read_slots(person: Person) -> list[dict[str, Any]]:
    return person.visitor.messages("email", slots=True)


def count_slots(person: Person, at_least: int) -> bool:
    """Whether so many messages about slots came."""
    return len(read_slots(person)) >= at_least


def read_numbers(caseworker: Person) -> list[set[int]]:
    """Return of each message about slots, the oldest first, whom it names by number; none has a name."""
    texts = [each["text"] for each in sorted(read_slots(caseworker), key=lambda each: each["number"])]
    assert not any("Personne" in each for each in texts)
    return [{int(number) for number in re.findall(r"#(\d+)", each)} for each in texts]


def find_mails(person: Person, subject: str) -> list[dict[str, Any]]:
    return [each for each in person.visitor.messages("email") if subject in each["subject"]]


def read_mail(person: Person, subject: str) -> None:
    """Wait for the one mail with this subject."""
    assert len(until(partial(find_mails, person, subject), pause=LOOK)) == 1


def mark_found(caseworker: Person, number: int) -> None:
    """Mark for a person that an appointment is found."""
    open_person(caseworker, number)
    caseworker.see("Places libres")
    caseworker.press("Trouvé")
    caseworker.see_notice("Trouvé : l’alerte est fermée pour tous.")


def take_over(person: Person) -> None:
    """Make an account by the link of the newest message about slots; sign in there, and see the alert."""
    open_link(person, max(read_slots(person), key=lambda each: each["number"]))
    person.write("Mot de passe", person.visitor.password)
    person.press("Créer mon compte")
    person.arrive("Votre compte est créé")
    person.follow("Se connecter")
    person.arrive("Se connecter")
    sign_in.write_credentials(person)
    person.arrive("Mes alertes")
    expect(person.main.get_by_role("link", name="Essonne (91)").first).to_be_visible()


def end(owner: Person) -> None:
    """End the organisation."""
    owner.open("/organisation", "Organisation")
    owner.press("Mettre fin à l’organisation")
    owner.see_notice("L’organisation prend fin : ses membres et ses personnes en sont prévenus.")


def read_end(person: Person) -> None:
    """Wait for the mail about the end; its link leads to the own page, which says when it is."""
    subject = {"fr": "L’aide prend fin", "en": "The help ends", "ar": "تنتهي المساعدة"}[person.words.language]
    (mail,) = until(partial(find_mails, person, subject), pause=LOOK)
    open_link(person, mail)
    person.see("Cette aide prend fin le :")
