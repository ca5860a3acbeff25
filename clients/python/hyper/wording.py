"""Quoted text, and counted things, for messages."""


def quoted(text: str) -> str:
    """Quote text, with the kind of quotation mark that it does not contain if possible."""
    return f'"{text}"' if "'" in text and '"' not in text else f"'{text}'"


def counted(number: int, thing: str) -> str:
    """Count things: ``1 task``, ``2,000 tasks``."""
    return f"1 {thing}" if number == 1 else f"{number:,} {thing}s"
