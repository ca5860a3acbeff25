"""Fills in forms as they say, knowing nothing of what they are for (HAL-FORMS, draft 2.0)."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

_parser: Any = import_module("re._parser")  # reads a regular expression into its parts

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LETTERS = "a é&=+%<>\"'ß;/?#日\U0001f388"
PATIENCE = 200
_KNOWN = {"after_uri": ""}
"""What a form cannot say: which resource another one can stand behind. Empty is the front."""
LONGEST_TARGET = 5000
"""Characters of a URI: servers take 8 KiB, which the cursors of page links are part of."""

Property = Mapping[str, Any]


class CannotFill(AssertionError):
    """A field says about itself what nothing can satisfy."""


@dataclass(frozen=True)
class Filler:
    """Somebody who fills in forms.

    :param knows: what only a person can know, by the names of fields.
    :param uris: those met so far, for fields that want one.
    """

    knows: Mapping[str, str] = field(default_factory=dict)
    uris: Iterable[str] = ()

    def fill(self, form: Mapping[str, Any], way: "Way", seed: int = 1) -> "Sent":
        """The request that a form makes when it is filled in one way.

        What a GET sends is shortened until its target is not too long for a URI.
        """
        return _shortened(form, self._filled(form, way, seed))

    def _filled(self, form: Mapping[str, Any], way: "Way", seed: int) -> "Sent":
        random = Random(seed)  # the same every time, so that a failure can be seen again
        values: dict[str, Any] = {}
        for each in form["properties"]:
            known = {**_KNOWN, **self.knows}.get(each["name"])
            if each["required"] or each["type"] == "hidden" or way.optional:
                value = known if known is not None else way.value(each, random, self.uris)
                if value is not None:
                    values[each["name"]] = _as_sent(each, value, form["contentType"])
        return Sent(form["method"], form["target"], form["contentType"], values)


@dataclass(frozen=True)
class Sent:
    """A form, filled in."""

    method: str
    target: str
    content_type: str
    values: Mapping[str, Any]

    @property
    def uri(self) -> str:
        """Where it goes; what GET sends replaces the target's query."""
        if self.method != "GET":
            return self.target
        return urlunsplit(urlsplit(self.target)._replace(query=urlencode(self.values, doseq=True)))

    @property
    def request(self) -> dict[str, Any]:
        """Its body, for a test client."""
        if self.method == "GET":
            return {}
        if self.content_type == JSON:
            return {"json": dict(self.values)}  # a DELETE without fields brings {} as well
        return {"data": urlencode(self.values, doseq=True), "content_type": FORM}


def _shortened(form: Mapping[str, Any], sent: Sent) -> Sent:
    """The same with shorter free text, until its target is not too long for a URI."""
    free = [
        each["name"]
        for each in form["properties"]
        if not {"regex", "options"} & each.keys() and each["type"] in ("text", "search")
    ]
    while len(sent.uri) > LONGEST_TARGET:
        values = dict(sent.values)
        longest = max(values.keys() & set(free), key=lambda name: len(values[name]))
        values[longest] = values[longest][: len(values[longest]) // 2]
        sent = replace(sent, values=values)
    return sent


@dataclass(frozen=True)
class Way:
    """One way to fill in fields.

    :param optional: are fields filled in that need not be?
    :param value: of a field; None leaves it out.
    """

    name: str
    optional: bool
    value: Callable[[Property, Random, Iterable[str]], Any]


def _prefilled(each: Property, random: Random, uris: Iterable[str]) -> Any:
    if each.get("value") is not None:
        return each["value"]
    return _anything(each, random, uris) if each["required"] else None


def _blank(each: Property, random: Random, uris: Iterable[str]) -> Any:
    given = _prefilled(each, random, uris)
    return "" if given is None else given


def _anything(each: Property, random: Random, uris: Iterable[str]) -> Any:
    return _value(each, random, uris, 0.5)


def _least(each: Property, random: Random, uris: Iterable[str]) -> Any:
    return _value(each, random, uris, 0)


def _most(each: Property, random: Random, uris: Iterable[str]) -> Any:
    return _value(each, random, uris, 1)


WAYS = [
    Way("as it came", True, _prefilled),
    Way("with only what is required", False, _anything),
    Way("with every field", True, _anything),
    Way("with the least of everything", True, _least),
    Way("with the most of everything", True, _most),
]
BLANK = Way("with blank fields, as browsers send them", True, _blank)


def _as_sent(each: Property, value: Any, content_type: str) -> Any:
    """In JSON a number is a number and a box is ticked or not; in a form all is text."""
    if content_type != JSON or each["type"] == "hidden":
        return value
    kinds: dict[str, Callable[[Any], Any]] = {"number": int, "range": int, "checkbox": bool}
    return kinds.get(each["type"], str)(value)


def _value(each: Property, random: Random, uris: Iterable[str], much: float) -> Any:
    """A value for a field that it says it takes: the least, the most or something between."""
    if each["type"] == "hidden" or each["readOnly"]:
        return each["value"]
    if "options" in each:
        choices = [choice["value"] for choice in each["options"]["inline"]]
        return choices[round(much * (len(choices) - 1))]
    if each["type"] in ("number", "range"):
        least = each.get("min", 0)
        most = each.get("max", least + 100)
        if each["name"] == "expires_in":
            most = max(least, most - 300)  # the token's life is shorter when the form is sent
        return least + int(much * (most - least))
    if each["type"] == "url":
        fitting = sorted(uri for uri in uris if _fits(each, uri))
        return fitting[0] if fitting else None
    if each["type"] == "email" and "regex" not in each:
        return "a@b" if much == 0 else "someone@example.org"
    return _text(each, random, much)


def example(regex: str, seed: int) -> str:
    """Some text that a regular expression matches."""
    return _text({"regex": regex}, Random(seed), seed % 3 / 2)


def text_for(schema: Property, random: Random) -> str:
    """Some text that a member's JSON Schema takes."""
    return _text({**schema, "regex": schema["pattern"]}, random, 0.5)


def fits(pattern: str, text: str) -> bool:
    """Whether a regular expression matches a text."""
    return re.search(pattern, text) is not None


def _text(each: Property, random: Random, much: float) -> str:
    least, most = max(each.get("minLength", 0), 1), each.get("maxLength", 300)
    length = least + int(much * (most - least))
    if "regex" not in each:
        return "".join(random.choices(LETTERS.replace(" ", ""), k=length))
    tree = _parser.parse(each["regex"])
    for attempt in range(PATIENCE):  # ever shorter
        spread = length - attempt if attempt < 8 else int(length * 0.9 ** (attempt - 8))
        text = _Writer(random, max(spread, 0)).write(tree)
        if _fits(each, text) and least <= len(text) <= most:
            return text
    raise CannotFill(f"nothing fits {each}")


def _fits(each: Property, text: str) -> bool:
    return re.search(each.get("regex", ""), text) is not None


_TYPED = "".join(map(chr, range(0x20, 0x7F))) + "éß日"
"""Characters that people type."""


class _Writer:
    """Writes text that a parsed expression may match; what it looks around for is left to chance.

    :param spread: how often to repeat what may be repeated. All repeats of the expression share
        it, so that the text is not longer with each of them.
    """

    def __init__(self, random: Random, spread: int) -> None:
        self.random = random
        self.left = spread
        self.groups: dict[int, str] = {}
        self.parts: dict[str, Callable[[Any], str]] = {
            "LITERAL": chr,
            "NOT_LITERAL": lambda code: random.choice(_TYPED.replace(chr(code), "")),
            "IN": lambda choices: random.choice(_characters(tuple(choices))),
            "BRANCH": lambda branches: self.write(random.choice(branches[1])),
            "SUBPATTERN": self.group,
            "MAX_REPEAT": self.repeat,
            "MIN_REPEAT": self.repeat,
            "GROUPREF": lambda number: self.groups.get(number, ""),
            **dict.fromkeys(("AT", "ASSERT", "ASSERT_NOT"), lambda _: ""),
        }

    def write(self, tree: Any) -> str:
        """Text for a part of the expression."""
        return "".join(self.parts[str(kind)](argument) for kind, argument in tree)

    def group(self, argument: Any) -> str:
        number, _, _, inner = argument
        self.groups[number] = self.write(inner)
        return self.groups[number]

    def repeat(self, argument: Any) -> str:
        least, most, inner = argument
        times = self.random.randint(least, most) if most <= 1 else self.often(least, most)
        if [str(kind) for kind, _ in inner] == ["IN"]:
            return "".join(self.random.choices(_characters(tuple(inner[0][1])), k=times))
        return "".join(self.write(inner) for _ in range(times))

    def often(self, least: int, most: int) -> int:
        """How many times to repeat, and take them from those that are left."""
        times = max(least, min(self.left, most))
        self.left = max(self.left - times, 0)
        return times


@lru_cache
def _characters(choices: tuple[Any, ...]) -> str:
    """Those that a character class lets in, of the ones that people type."""
    typed = set(_TYPED)
    named: set[str] = set()
    for kind, argument in choices:
        if str(kind) == "LITERAL":
            named.add(chr(argument))
        elif str(kind) == "RANGE":
            named |= {chr(code) for code in range(argument[0], argument[1] + 1)}
        elif str(kind) == "CATEGORY":
            named |= {each for each in typed | set("\t\n\r") if _in_category(str(argument), each)}
    negated = any(str(kind) == "NEGATE" for kind, _ in choices)
    return "".join(sorted(typed - named if negated else named))


def _in_category(category: str, character: str) -> bool:
    classes = {
        "CATEGORY_DIGIT": r"\d",
        "CATEGORY_SPACE": r"\s",
        "CATEGORY_WORD": r"\w",
        "CATEGORY_NOT_DIGIT": r"\D",
        "CATEGORY_NOT_SPACE": r"\S",
        "CATEGORY_NOT_WORD": r"\W",
    }
    return re.fullmatch(classes[category], character) is not None
