"""How things are put into words."""


def quoted(text: str) -> str:
    """Text between quotation marks, such as it does not hold itself if that can be had."""
    return f'"{text}"' if "'" in text and '"' not in text else f"'{text}'"


def counted(number: int, thing: str) -> str:
    """So many of a thing: ``1 task``, ``2,000 tasks``."""
    return f"1 {thing}" if number == 1 else f"{number:,} {thing}s"
