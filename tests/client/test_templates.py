"""URI templates, against the examples of RFC 6570 and another implementation."""

from typing import Any

import pytest
import uritemplate
from hyperapi_client.templates import expand, variables
from hypothesis import given
from hypothesis import strategies as st

VALUES = {
    "var": "value",
    "hello": "Hello World!",
    "path": "/foo/bar",
    "empty": "",
    "undef": None,
    "x": "1024",
    "y": "768",
    "half": "50%",
    "base": "http://example.com/home/",
    "list": ["red", "green", "blue"],
    "keys": {"semi": ";", "dot": ".", "comma": ","},
    "none": [],
    "count": ("one", "two", "three"),
    "who": "fred",
    "dub": "me/too",
    "v": "6",
}


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("{var}", "value"),
        ("{hello}", "Hello%20World%21"),
        ("{+hello}", "Hello%20World!"),
        ("{+path}/here", "/foo/bar/here"),
        ("here?ref={+path}", "here?ref=/foo/bar"),
        ("X{#hello}", "X#Hello%20World!"),
        ("map?{x,y}", "map?1024,768"),
        ("{+x,hello,y}", "1024,Hello%20World!,768"),
        ("{#path,x}/here", "#/foo/bar,1024/here"),
        ("X{.var}", "X.value"),
        ("{/var,x}/here", "/value/1024/here"),
        ("{;x,y,empty}", ";x=1024;y=768;empty"),
        ("{?x,y,empty}", "?x=1024&y=768&empty="),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("{var:3}", "val"),
        ("{list}", "red,green,blue"),
        ("{list*}", "red,green,blue"),
        ("{keys}", "semi,%3B,dot,.,comma,%2C"),
        ("{keys*}", "semi=%3B,dot=.,comma=%2C"),
        ("{+keys*}", "semi=;,dot=.,comma=,"),
        ("{/list*,path:4}", "/red/green/blue/%2Ffoo"),
        ("{;keys*}", ";semi=%3B;dot=.;comma=%2C"),
        ("{?list}", "?list=red,green,blue"),
        ("{?list*}", "?list=red&list=green&list=blue"),
        ("{&keys*}", "&semi=%3B&dot=.&comma=%2C"),
        ("{/count*}", "/one/two/three"),
        ("{?undef,none,who}", "?who=fred"),
        ("X{?undef}", "X"),
        ("{+half}", "50%25"),
        ("{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex"),
        ("/ü/{who}", "/%C3%BC/fred"),
        ("/%20/{+who}", "/%20/fred"),
        ("{who!}", "{who!}"),  # is no template: let it be seen
    ],
)
def test_examples_of_the_rfc(template: str, uri: str) -> None:
    assert expand(template, VALUES) == uri


def test_flags_are_written_as_json_has_them() -> None:
    assert expand("x{?done,n}", {"done": False, "n": 3}) == "x?done=false&n=3"


def test_variables_are_named_once() -> None:
    assert variables("/{a}/{b:3}{?a,c*}") == ["a", "b", "c"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    operator=st.sampled_from(["", "+", "#", ".", "/", ";", "?", "&"]),
    modifier=st.sampled_from(["", "*", ":2"]),
    value=st.one_of(texts, st.lists(texts, max_size=3)),
)
def test_another_implementation_agrees(operator: str, modifier: str, value: Any) -> None:
    if modifier == ":2" and isinstance(value, list):
        modifier = ""
    template = f"/a{{{operator}x{modifier},y}}/b"
    values = {"x": value, "y": "z"}
    leaves_triplets = "%" in str(values) and operator in ("+", "#")
    equals = operator == ";" and isinstance(value, list) and "" in value
    # An empty list is undefined (RFC 6570 §2.3), and an empty item has no equals sign (§3.2.7).
    if value != [] and not leaves_triplets and not equals:
        assert expand(template, values) == uritemplate.expand(template, values)
