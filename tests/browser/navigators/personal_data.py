"""Personal data: the archive that is taken along, and the deletion of the account."""

from pathlib import Path

from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.visitor import LOOK

_DOWNLOAD = "Télécharger l’archive (ZIP)"


def open_data(person: Person) -> None:
    """Open the page by the navigation."""
    person.hands.press(
        person.page.get_by_role("navigation").get_by_role("link", name=person.words.match("Mes données"))
    )
    person.arrive("Mes données")


def take_archive(person: Person, file: Path) -> None:
    """Ask for the archive, wait until it is made, and keep it as a file."""
    person.press("Préparer mon archive")
    person.see_notice("Votre archive est en préparation. Un message dira qu’elle est prête.")

    def is_ready() -> bool:
        person.open("/donnees", "Mes données")
        return person.link(_DOWNLOAD).count() == 1

    until(is_ready, pause=LOOK)
    with person.page.expect_download() as download:
        person.follow(_DOWNLOAD)
    download.value.save_as(file)


def delete_account(person: Person) -> None:
    """Delete the account with its running plan: the box is asked for once it is left out."""
    person.follow("Aller à la suppression")
    person.arrive("Supprimer mon compte")
    person.see("Ce que vous perdez")
    delete = "Supprimer mon compte définitivement"
    person.press(delete)
    person.arrive("Supprimer mon compte")
    person.hands.tick(person.main.get_by_role("checkbox"))
    person.press(delete)
    person.arrive("Se connecter")
    person.see_notice("Votre compte est supprimé. Un dernier message le confirme.")
