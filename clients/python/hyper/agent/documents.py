"""Resources as compact documents for a model.

Everything is there that the model needs for its next step, and once: empty members, links that
repeat another one, and documentation for people are left out. So are the secrets of new tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hyperapi_client.document import State, read
from hyperapi_client.forms import Field, Form

from hyper.agent.references import References

_SECRETS = ("access_token", "refresh_token")
_WITHHELD = "(not shown to models)"
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_UNUSED_LINKS = ("self", "first", "last", "service-desc", "service-doc", "profile")
_NOT_IN_ITEMS = ("created_at",)
_OWN_NAMES = ("uri", "links", "forms", "items", "item_forms", "next", "undo")
"""Names that a document has for itself. A member of that name gets an underscore behind it."""


class Documents:
    """Makes documents.

    :param references: shortens URIs.
    """

    def __init__(self, references: References) -> None:
        self._references = references

    def whole(self, state: State) -> dict[str, Any]:
        """Return a resource with its links, and with its forms and their fields.

        Forms of a page that has a query are only named: those of the same page without it have the
        fields.
        """
        described = "?" not in state.uri
        forms = {
            name: _form(form) if described else form.title
            for name, form in (state.forms or {}).items()
        }
        return self.outline(state) | _without_empty({"links": self._links(state), "forms": forms})

    def outline(self, state: State) -> dict[str, Any]:
        """Return the members of a resource and its items."""
        document = self._named(state)
        if state.items is not None:
            document["items"] = [self.item(each) for each in state.items]
            if offered := {name for each in state.items for name in each.forms or ()}:
                document["item_forms"] = sorted(offered)
            if "next" in state.links:
                document["next"] = self._references.short(state.links["next"].href)
        return document

    def item(self, state: State) -> dict[str, Any]:
        """Return an item of a page."""
        return {n: value for n, value in self._named(state).items() if n not in _NOT_IN_ITEMS}

    def _named(self, state: State) -> dict[str, Any]:
        """Return the URI of a resource and its members."""
        members = self.members(state.members).items()
        return {
            "uri": self._references.short(state.uri),
            **{f"{name}_" if name in _OWN_NAMES else name: value for name, value in members},
        }

    def change(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return an entry of the feed of changes, whose resource is in HAL."""
        document = {name: entry.get(name) for name in ("uri", "type", "deleted", "changed_at")}
        found = entry.get("resource")
        if isinstance(found, Mapping):
            members = self.item(read(found))
            document["resource"] = {n: value for n, value in members.items() if n != "uri"}
        return self.members({name: value for name, value in document.items() if value})

    def members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return members without empty ones, and with short URIs, at any depth."""
        found = {name: self._value(name, value) for name, value in members.items()}
        return _without_empty(found)

    def _value(self, name: str, value: Any) -> Any:
        if name in _SECRETS:
            return _WITHHELD
        if isinstance(value, Mapping):
            return self.members(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self._value(name, each) for each in value]
        if isinstance(value, str) and (name == "uri" or name.endswith("_uri")):
            return self._references.short(value)
        return value

    def _links(self, state: State) -> dict[str, str]:
        """Return the links that lead elsewhere: each URI once, and none that a member has."""
        seen = {state.uri, *(value for value in state.members.values() if isinstance(value, str))}
        found = {}
        for relation, link in state.links.items():
            if relation in (*_UNUSED_LINKS, "next") or link.templated or link.href in seen:
                continue
            seen.add(link.href)
            found[relation] = self._references.short(link.href)
        return found


def _form(form: Form) -> dict[str, Any]:
    fields = {each.name: _field(each) for each in form.fields.values() if each.type != "hidden"}
    return _without_empty(
        {"title": form.title, "destructive": is_destructive(form) or None, "fields": fields}
    )


def is_destructive(form: Form) -> bool:
    """Tell whether a form deletes something."""
    return form.method == "DELETE"


def _field(field: Field) -> str:
    """Describe a field in a few words."""
    same = field.prompt.lower().replace(" ", "_") == field.name.lower()
    parts = [
        "" if same else field.prompt,
        "" if field.type in ("text", "textarea", "search") else field.type,
        "|".join(field.options or ()),
        _span(field.shortest, field.longest, " characters"),
        _span(field.least, field.most, ""),
        f"such as {field.placeholder}" if field.placeholder else "",
        "required" if field.required else "",
    ]
    return ", ".join(filter(None, parts)) or "text"


def _span(least: float | None, most: float | None, unit: str) -> str:
    if most is None:
        return "" if least is None else f"at least {least}{unit}"
    return f"up to {most}{unit}" if least is None else f"{least} to {most}{unit}"


def _without_empty(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in _EMPTY}
