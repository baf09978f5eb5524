"""How does a test fill in the preference form? As a person does: the page's inputs are sent back, with some changed."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass(slots=True)
class Input:
    """One input of a form. ``value`` None: a box that is not ticked."""

    name: str
    kind: str
    value: str | None


class ReadPage(HTMLParser):
    """A page as a browser knows it. ``forms``: their inputs in order; ``text``: what a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.forms: list[list[Input]] = []
        self._by_id: dict[str, Input] = {}
        self._labels: dict[str, str] = {}
        self._within: list[str] = []
        self._label = ""
        self._last: Input | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Notes inputs, and whose label begins."""
        given = {name: value or "" for name, value in attributes}
        if tag in ("style", "label", "textarea"):
            self._within.append(tag)
        if tag == "form":
            self.forms.append([])
        elif tag == "label":
            self._label = given["for"]
        elif tag in ("input", "select", "textarea"):
            kind = given.get("type", "text") if tag == "input" else tag
            value = None if kind == "checkbox" and "checked" not in given else given.get("value", "")
            self._last = Input(given["name"], kind, value)
            self.forms[-1].append(self._last)
            self._by_id[given.get("id", "")] = self._last
        elif tag == "option" and "selected" in given and self._last is not None:
            self._last.value = given["value"]

    def handle_endtag(self, tag: str) -> None:
        """Ends what began."""
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        """Reads text, labels and what a text area holds, without the line end that it begins with."""
        within = self._within[-1] if self._within else ""
        if within == "textarea" and self._last is not None:
            self._last.value = data.removeprefix("\n")
        elif within == "label":
            self._labels[self._label] = self._labels.get(self._label, "") + data
        self.text += "" if within == "style" else data

    def acts(self) -> list[str | None]:
        """What the forms of the page do."""
        return [each.value for form in self.forms for each in form if each.name == "act"]

    def inputs(self) -> dict[str, Input]:
        """Label -> input."""
        return {text.strip(): self._by_id[place] for place, text in self._labels.items()}

    def values(self) -> dict[str, str | bool]:
        """Label -> what stands there; of a box whether it is ticked."""
        return {label: each.value is not None if each.kind == "checkbox" else each.value or ""
                for label, each in self.inputs().items()}

    def filled(self, **changes: str | bool) -> dict[str, str]:
        """What the form that saves sends; ``changes`` by label, with ``_`` for blanks."""
        form = next(form for form in self.forms if any((i.name, i.value) == ("act", "save") for i in form))
        sent = {each.name: each.value for each in form if each.value is not None}
        inputs = self.inputs()
        for label, value in changes.items():
            name = inputs[label.replace("_", " ")].name
            sent.pop(name, None)
            if value is not False:
                sent[name] = "1" if value is True else str(value)
        return sent
