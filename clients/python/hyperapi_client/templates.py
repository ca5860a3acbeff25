"""URI templates (RFC 6570, all four levels)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
_VARIABLE = re.compile(r"([A-Za-z0-9_.%]+)(?::([1-9][0-9]{0,3})|(\*))?")
_RESERVED = ":/?#[]@!$&'()*+,;="
_TRIPLET = re.compile(r"(%[0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class _Operator:
    """The rules of an expression (RFC 6570, appendix A)."""

    first: str
    between: str
    named: bool
    empty: str
    kept: str


_OPERATORS = {
    "": _Operator("", ",", False, "", ""),
    "+": _Operator("", ",", False, "", _RESERVED),
    "#": _Operator("#", ",", False, "", _RESERVED),
    ".": _Operator(".", ".", False, "", ""),
    "/": _Operator("/", "/", False, "", ""),
    ";": _Operator(";", ";", True, "", ""),
    "?": _Operator("?", "&", True, "=", ""),
    "&": _Operator("&", "&", True, "=", ""),
}


def variables(template: str) -> list[str]:
    """Return the names of a template's variables, in order, each once."""
    found = [
        variable[1]
        for expression in _EXPRESSION.finditer(template)
        for part in expression[2].split(",")
        if (variable := _VARIABLE.fullmatch(part))
    ]
    return list(dict.fromkeys(found))


def expand(template: str, values: Mapping[str, Any]) -> str:
    """Expand a template.

    A value is text, a number, a boolean, a list or a mapping of these. None and empty lists are
    left out.
    """
    whole, end = [], 0
    for expression in _EXPRESSION.finditer(template):
        whole.append(_literal(template[end : expression.start()]))
        whole.append(_expanded(_OPERATORS[expression[1]], expression[2], values))
        end = expression.end()
    return "".join([*whole, _literal(template[end:])])


def _expanded(operator: _Operator, inside: str, values: Mapping[str, Any]) -> str:
    parts: list[str] = []
    for part in inside.split(","):
        variable = _VARIABLE.fullmatch(part)
        if variable is None:
            return "{" + inside + "}"  # keep an unknown expression as it is
        value = values.get(variable[1])
        if value is not None and value not in ([], {}, ()):
            length = int(variable[2]) if variable[2] else None
            parts += _of_variable(operator, variable[1], value, length, bool(variable[3]))
    return operator.first + operator.between.join(parts) if parts else ""


def _of_variable(
    operator: _Operator, name: str, value: Any, length: int | None, explode: bool
) -> list[str]:
    """Return the parts of one variable: several for an exploded list."""
    if isinstance(value, Mapping):
        pairs = [(_encoded(_text(key), operator), _encoded(_text(each), operator))
                 for key, each in value.items()]  # fmt: skip
        if explode:
            return [f"{key}={each}" if operator.named or each else key + "=" for key, each in pairs]
        return [_named(operator, name, ",".join(f"{key},{each}" for key, each in pairs))]
    if isinstance(value, Sequence) and not isinstance(value, str):
        encoded = [_encoded(_text(each), operator) for each in value]
        if explode:
            return [_named(operator, name, each) for each in encoded]
        return [_named(operator, name, ",".join(encoded))]
    return [_named(operator, name, _encoded(_text(value)[:length], operator))]


def _named(operator: _Operator, name: str, encoded: str) -> str:
    if not operator.named:
        return encoded
    return f"{name}={encoded}" if encoded else name + operator.empty


def _encoded(text: str, operator: _Operator) -> str:
    if not operator.kept:
        return quote(text, safe="-._~")
    return _literal(text)


def _literal(text: str) -> str:
    """Encode text, keeping reserved characters and percent-encoded triplets."""
    return "".join(
        part if _TRIPLET.fullmatch(part) else quote(part, safe=_RESERVED + "-._~")
        for part in _TRIPLET.split(text)
    )


def _text(value: Any) -> str:
    """Return a value as text; booleans as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
