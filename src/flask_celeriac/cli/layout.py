"""Plain text that lines up."""

from __future__ import annotations

from collections.abc import Sequence

import click


def table(head: Sequence[str], rows: Sequence[Sequence[object]], *, indent: int = 2) -> str:
    """Return *rows* under *head*, each column as wide as its longest cell; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(click_width, column)) for column in zip(head, *cells, strict=True)]
    is_number = [
        all(isinstance(row[index], (int, float)) or row[index] == "-" for row in rows)
        for index in range(len(head))
    ]

    def line(values: Sequence[str]) -> str:
        padded = [
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, is_number, strict=True)
        ]
        return " " * indent + "  ".join(padded).rstrip()

    return "\n".join([click.style(line(head), dim=True), *map(line, cells)])


def click_width(text: str) -> int:
    """Return how many columns *text* takes."""
    return len(click.unstyle(text))


def duration(seconds: float) -> str:
    """Return *seconds* as a person says it, in at most two units: `3 d 4 h`, `12 s`."""
    left = int(seconds)
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def count(number: int, noun: str) -> str:
    """Return `1 task`, `2 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
