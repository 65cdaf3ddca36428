"""Ways to work a page: mouse and touch, or the keyboard only."""

from datetime import date

from playwright.sync_api import Locator, Page, expect

_MOST_TABS = 150  # stops of the longest page, twice
_IS_FOCUSED = "element => element === document.activeElement"
# Focus must be seen on the element, or on the label around its box.
_SHOWS_FOCUS = """element => [element, element.closest('label')].some(each => {
  const style = each && getComputedStyle(each);
  return style && (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none');
})"""


class Hands:
    """Mouse or finger: elements are pressed where they stand."""

    def press(self, target: Locator) -> None:
        """Press a button or follow a link."""
        target.click()

    def write(self, target: Locator, text: str) -> None:
        """Replace the text of a field."""
        target.fill(text)

    def choose(self, target: Locator, label: str) -> None:
        """Choose an option by the beginning of its text."""
        option = target.locator("option").filter(has_text=label).first
        target.select_option(option.get_attribute("value"))

    def tick(self, target: Locator) -> None:
        """Tick a box."""
        target.check()

    def untick(self, target: Locator) -> None:
        """Take the tick away from a box."""
        target.uncheck()

    def write_day(self, target: Locator, day: date) -> None:
        """Fill a field for a date."""
        target.fill(day.isoformat())

    def write_hour(self, target: Locator, hour: str) -> None:
        """Fill a field for a time, `HH:MM` in the morning."""
        target.fill(hour)


class Keyboard(Hands):
    """Keys only: Tab until the element has the focus, which must be visible, then what opens or fills it."""

    def press(self, target: Locator) -> None:
        self._reach(target).keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        keyboard = self._reach(target).keyboard
        keyboard.press("ControlOrMeta+a")
        keyboard.type(text)
        expect(target).to_have_value(text)

    def choose(self, target: Locator, label: str) -> None:
        self._reach(target).keyboard.type(label)
        expect(target.locator("option:checked")).to_contain_text(label)

    def tick(self, target: Locator) -> None:
        self._reach(target).keyboard.press("Space")
        expect(target).to_be_checked()

    def untick(self, target: Locator) -> None:
        self._reach(target).keyboard.press("Space")
        expect(target).not_to_be_checked()

    def write_day(self, target: Locator, day: date) -> None:
        """Fill a field for a date whose day and month are equal: their order is the browser's affair."""
        assert day.day == day.month
        self._reach(target).keyboard.type(day.strftime("%d%m%Y"))
        expect(target).to_have_value(day.isoformat())

    def write_hour(self, target: Locator, hour: str) -> None:
        """Fill a field for a time. The letter chooses the morning where there are two halves of the day."""
        self._reach(target).keyboard.type(hour.replace(":", "") + "a")
        expect(target).to_have_value(hour)

    def _reach(self, target: Locator) -> Page:
        expect(target).to_be_visible()
        page = target.page
        for _ in range(_MOST_TABS):
            if target.evaluate(_IS_FOCUSED):
                break
            page.keyboard.press("Tab")
        assert target.evaluate(_IS_FOCUSED), f"Tab never reaches {target}"
        assert target.evaluate(_SHOWS_FOCUS), f"the focus on {target} cannot be seen"
        return page
