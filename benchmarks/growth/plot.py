"""The picture: what a task costs the server, over what grows; a flat line is a flat cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

#: Of the steps of one task.
_COLOURS = {
    "publish": "tab:blue",
    "publish, delayed": "tab:cyan",
    "claim": "tab:red",
    "claim of 10": "tab:orange",
    "claim, last queue": "tab:pink",
    "claim in vain": "tab:brown",
    "finish": "tab:green",
    "renew": "tab:purple",
    "reap in vain": "tab:olive",
    "whole task": "black",
    "stock: take, ack": "tab:gray",
    "stock: whole task": "tab:gray",
}
_TICKS_US = (10, 20, 50, 100, 200, 500, 1000, 2000)
#: What the number of consumed queues may change.
_OF_TAKING = ("claim", "claim of 10", "claim, last queue", "claim in vain", "stock: take, ack")


class _Lines(NamedTuple):
    """The lines of one panel: their style, and what is added to their names."""

    panel: str
    style: str = "-"
    added: str = ""
    steps: Collection[str] = _COLOURS


#: What is in which part of the picture.
_PARTS = {
    "Messages that wait in the queue": [_Lines("waiting")],
    "Workers": [_Lines("claimants"), _Lines("workers", ":", ", real workers")],
    "Queues": [
        _Lines("existing queues"),
        _Lines("consumed queues", "--", ", all consumed", _OF_TAKING),
    ],
    "Delayed messages, due in ten hours": [_Lines("delayed")],
}
_TITLE = (
    "What a task costs Redis: median processor time at the smallest point, times the paired ratio "
    "with its 95 % interval"
)


def draw(panels: Mapping[str, Any], path: Path) -> None:
    """Write the picture of the panels, as the JSON file holds them, to *path*, a PNG."""
    figure, grid = plt.subplots(2, 2, sharey=True, figsize=(14, 12), layout="constrained")
    for axes, (title, parts) in zip(grid.flat, _PARTS.items(), strict=True):
        for lines in parts:
            _draw_lines(axes, panels[lines.panel], lines)
        _label(axes, title, [panels[lines.panel] for lines in parts])
    figure.suptitle(_TITLE)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _draw_lines(axes: Any, panel: Mapping[str, Any], lines: _Lines) -> None:
    for step, colour in _COLOURS.items():
        if step not in panel["steps"] or step not in lines.steps:
            continue
        found = panel["steps"][step]
        # The medians of all rounds would also show how fast the machine was in each.
        smallest_us = found["server_us"][0]
        low, middle, high = (
            [smallest_us * ratio[name] for ratio in found["ratios"]]
            for name in ("low", "median", "high")
        )
        axes.plot(
            *(panel["sizes"], middle, lines.style),
            marker="o",
            color=colour,
            label=step + lines.added,
        )
        axes.fill_between(panel["sizes"], low, high, color=colour, alpha=0.15, linewidth=0)


def _label(axes: Any, title: str, panels: Sequence[Mapping[str, Any]]) -> None:
    sizes = sorted({size for panel in panels for size in panel["sizes"]})
    # A logarithm with a place for zero.
    axes.set_xscale("symlog", linthresh=next(size for size in sizes if size))
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_yscale("log")
    axes.set_yticks(_TICKS_US, [str(tick) for tick in _TICKS_US])
    axes.set_title(title)
    axes.set_xlabel("; ".join(dict.fromkeys(panel["axis"] for panel in panels)))
    axes.set_ylabel("µs a task")
    axes.yaxis.set_tick_params(labelleft=True)
    axes.grid(alpha=0.3)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize="small", handlelength=3
    )
