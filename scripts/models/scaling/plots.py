"""The plots of docs/scaling.md. They need matplotlib, which tests/bench/requirements.lock has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the choice of the backend

Figures = dict[str, Any]
_STYLES = {"sized for the rate": "-", "fewer workers": "--", "larger stores": ":"}


def draw_all(figures: Figures, folder: Path) -> None:
    """Write each plot into its file."""
    folder.mkdir(parents=True, exist_ok=True)
    _bursts(figures, folder / "scaling-bursts.png")
    _outages(figures, folder / "scaling-outages.png")
    _hot(figures, folder / "scaling-hot.png")
    _costs(figures, folder / "scaling-costs.png")


def _bursts(figures: Figures, path: Path) -> None:
    with _plot(path) as axes:
        for rate, run in figures["rates"].items():
            _line(axes, run["burst"]["after"]["series"], float(rate), label=f"{int(rate):,} jobs/s")
        axes.set(xlabel="minutes", ylabel="backlog, in minutes of jobs", title="Ten times the rate for a minute")
        axes.legend()


def _outages(figures: Figures, path: Path) -> None:
    with _plot(path, 2, 2, figsize=(10, 7), sharex=True) as panels:
        for axes, (rate, runs) in zip(panels.flat, figures["rates"].items(), strict=True):
            for color, service in (("C0", "worker"), ("C3", "s3")):
                for size, run in runs["outages"][service].items():
                    style = {"color": color, "linestyle": _STYLES[size], "label": f"{service} out, {size}"}
                    _line(axes, run["series"], float(rate), **style)
            axes.set(title=f"{int(rate):,} jobs/s", xlim=(0, 240), ylim=(0, None))
            axes.set_ylabel("backlog, in minutes of jobs")
            axes.axvspan(10, 70, color="0.92")
        panels[0, 0].legend(fontsize="small")
        for axes in panels[1]:
            axes.set_xlabel("minutes")


def _hot(figures: Figures, path: Path) -> None:
    with _plot(path) as axes:
        for name, run in figures["hot"].items():
            minutes, backlogs = zip(*((at / 60, backlog) for at, backlog in run["series"]), strict=True)
            axes.plot(minutes, backlogs, label=f"{name} commands of one item")
        axes.set(xlabel="minutes", ylabel="waiting jobs of other items", title="One hot item, 50 jobs/s on others")
        axes.legend()


def _costs(figures: Figures, path: Path) -> None:
    with _plot(path) as axes:
        bills = {f"{int(rate):,}": run["steady"]["cost"] for rate, run in figures["rates"].items()}
        below = [0.0] * len(bills)
        for service in [name for name in next(iter(bills.values())) if name != "total"]:
            costs = [bill[service] for bill in bills.values()]
            axes.bar(list(bills), costs, bottom=below, label=service.replace("_", " "))
            below = [under + cost for under, cost in zip(below, costs, strict=True)]
        axes.set(xlabel="jobs/s", ylabel="dollars a million jobs")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _line(axes: Any, series: Iterable[tuple[float, float]], rate: float, **style: Any) -> None:
    points = [(at / 60, backlog / rate / 60) for at, backlog in series]
    axes.plot(*zip(*points, strict=True), **style)


@contextmanager
def _plot(path: Path, *panels: int, figsize: tuple[int, int] = (8, 4), **options: Any) -> Iterator[Any]:
    figure, axes = plt.subplots(*panels, figsize=figsize, **options)
    yield axes
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})  # the same figures give the same bytes
    plt.close(figure)
