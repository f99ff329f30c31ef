"""The picture: memory of workers and Redis, with the faults below."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from .faults import Fault
from .watcher import Sample

_MIB = 1024**2


def draw(samples: list[Sample], faults: list[Fault], path: Path) -> None:
    """Write the picture to *path*, a PNG."""
    began = samples[0].at
    minutes = [(sample.at - began) / 60 for sample in samples]
    figure, (workers, server, times) = plt.subplots(
        3, 1, sharex=True, figsize=(11, 9), height_ratios=(3, 2, 2), layout="constrained"
    )
    for name in samples[0].worker_bytes:
        sizes = [sample.worker_bytes.get(name, 0) / _MIB or None for sample in samples]
        workers.plot(minutes, sizes, label=name, linewidth=1)
    workers.set_ylabel("resident MiB\nof worker and children")
    workers.legend(loc="upper left", ncols=4)
    server.plot(minutes, [s.server_bytes / _MIB or None for s in samples], color="black")
    server.set_ylabel("Redis, used MiB")
    for axes in (workers, server):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    kinds = sorted({fault.kind for fault in faults})
    times.scatter(
        [(fault.began_at - began) / 60 for fault in faults],
        [kinds.index(fault.kind) for fault in faults],
        marker="|",
    )
    times.set_yticks(range(len(kinds)), kinds)
    times.set_xlabel("minutes")
    figure.savefig(path, dpi=110)
    plt.close(figure)
