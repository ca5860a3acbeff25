"""Lines of todo.txt files: all that people write, and some that nobody should."""

import random
from collections.abc import Iterator

WORDS = [
    "buy",
    "call",
    "plan",
    "read",
    "write",
    "fix",
    "milk",
    "bread",
    "report",
    "garden",
    "taxes",
    "bike",
    "mail",
    "photos",
]
ODD = [
    "Grüße an Zoë",
    "买牛奶 🥛 和面包",
    "עברית و العربية",
    "cafe\u0301 and café",  # the same to look at, in two normal forms
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # Hangul, decomposed
    "zero\u200bwidth\u200djoiner 👩\u200d👩\u200d👧",
    "line\u2028separator\u2029and\x85next",
    "tab\tbetween, bell\x07, escape \x1b[31mred\x1b[0m",
    "no\xa0break \u3000ideographic",
    "vertical\x0btab\x0cform feed\x1cfile\x1dgroup\x1erecord",
    "\ufeffbyte order mark",
    "Å ﬁ ² Ⅷ",
    "\U0001f1e9\U0001f1ea \U000e0041 \U0010fffd",
    "[red]markup[/red] {braces} %s \\n \"quotes\" 'single'",
    "carriage\rreturn inside",
    "nul\x00inside",
    "x",
    "X marks the spot",
    "xylophone lessons",
    "(a) is not a priority",
    "(AA) neither",
    "(A)without a space",
    "x2030-01-01 no space",
    "2030-13-45 no such day",
    "2030-01-01",
    "x 2030-01-01 2029-12-31",
    "x 2030-01-01 2029-12-31 2028-01-01 three dates",
    "(B) (A) two priorities",
    "x (C) 2016-05-20 2016-04-30 measure space for +chapelShelving @chapel due:2016-05-30",
    "@context",
    "+project",
    "@ + : alone",
    "due:tomorrow due:2030-02-30 due:",
    "due:2030-01-01 due:2031-01-01",
    "due:0001-01-01 due:9999-12-31",
    "http://example.org/path?x=1 see 10:30 and a:b:c",
    "mail someone@example.org about 1+1",
    "  two  spaces   everywhere  ",
    "trailing space ",
    " leading space",
    "many @a @b @c @d @e @f @g @h @i @j @k @l @m @n @o @p @q @r @s @t @u @v",
    "@" + "long" * 20,
    "long " * 100,
    "todo.txt: a mark that is none",
    'todo.txt in JSON: "neither"',
    "pri:A rec:+1w t:2030-01-01 h:1 uuid:6f3f6c1a-4f0e-4d57-9d0a-3f3f8f4b7a52",
]


def some(number: int, seed: int = 1) -> Iterator[str]:
    """So many lines, the same each time."""
    chance = random.Random(seed)
    for count in range(number):
        if count % 20 == 0:
            yield f"{_start(chance)}{ODD[count // 20 % len(ODD)]}{_end(chance)}"
        else:
            yield _start(chance) + " ".join(_words(chance)) + _end(chance)


def _start(chance: random.Random) -> str:
    """Completion, priority and dates, in all their combinations."""
    start = ""
    if chance.random() < 0.3:
        start = "x "
        if chance.random() < 0.7:
            start += f"{_day(chance)} "
    elif chance.random() < 0.4:
        start = f"({chr(65 + chance.randrange(26))}) "
    if chance.random() < 0.5:
        start += f"{_day(chance)} "
    return start


def _words(chance: random.Random) -> list[str]:
    words = chance.choices(WORDS, k=chance.randint(1, 8))
    if chance.random() < 0.2:
        words.insert(chance.randrange(len(words) + 1), f"@{chance.choice(WORDS)}")
    return words


def _end(chance: random.Random) -> str:
    """Contexts, projects, due dates and pairs."""
    end = [f"@{word}" for word in chance.sample(WORDS, chance.choice([0, 0, 1, 2]))]
    end += [f"+{word}" for word in chance.sample(WORDS, chance.choice([0, 0, 1]))]
    if chance.random() < 0.3:
        end.append(f"due:{_day(chance)}")
    if chance.random() < 0.1:
        end.append(f"{chance.choice(WORDS)}:{chance.randrange(100)}")
    chance.shuffle(end)
    return "".join(f" {word}" for word in end)


def _day(chance: random.Random) -> str:
    return f"20{chance.randrange(10, 40)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
