"""The plots of docs/scaling.md. Needs matplotlib, which tests/bench/requirements.lock brings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the choice of what draws

Figures = dict[str, Any]
_STYLES = {"sized for the rate": "-", "fewer workers": "--", "larger stores": ":"}
_METADATA = {"Software": None}  # the same bytes from the same figures


def draw_all(figures: Figures, folder: Path) -> None:
    """Each plot into its file."""
    folder.mkdir(parents=True, exist_ok=True)
    _bursts(figures, folder / "scaling-bursts.png")
    _outages(figures, folder / "scaling-outages.png")
    _hot(figures, folder / "scaling-hot.png")
    _costs(figures, folder / "scaling-costs.png")


def _line(axes: Any, series: Iterable[tuple[float, float]], rate: float, **how: Any) -> None:
    points = list(series)
    axes.plot([at / 60 for at, _ in points], [backlog / rate / 60 for _, backlog in points], **how)


def _bursts(figures: Figures, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 4))
    for rate, of in figures["rates"].items():
        _line(axes, of["burst"]["after"]["series"], float(rate), label=f"{int(rate):,} jobs/s")
    axes.set(xlabel="minutes", ylabel="backlog, in minutes of jobs", title="Ten times the rate for a minute")
    axes.legend()
    _save(figure, path)


def _outages(figures: Figures, path: Path) -> None:
    figure, panels = plt.subplots(2, 2, figsize=(10, 7), sharex=True)
    for axes, (rate, of) in zip(panels.flat, figures["rates"].items(), strict=True):
        for color, what in (("C0", "worker"), ("C3", "s3")):
            for size, run in of["outages"][what].items():
                how = {"color": color, "linestyle": _STYLES[size], "label": f"{what} out, {size}"}
                _line(axes, run["series"], float(rate), **how)
        axes.set(title=f"{int(rate):,} jobs/s", xlim=(0, 240), ylim=(0, None))
        axes.set_ylabel("backlog, in minutes of jobs")
        axes.axvspan(10, 70, color="0.92")
    panels[0, 0].legend(fontsize="small")
    for axes in panels[1]:
        axes.set_xlabel("minutes")
    _save(figure, path)


def _hot(figures: Figures, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 4))
    for name, of in figures["hot"].items():
        axes.plot(
            [at / 60 for at, _ in of["series"]],
            [backlog for _, backlog in of["series"]],
            label=f"{name} commands of one item",
        )
    axes.set(xlabel="minutes", ylabel="waiting jobs of other items", title="One hot item, 50 jobs/s on others")
    axes.legend()
    _save(figure, path)


def _costs(figures: Figures, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 4))
    rates = list(figures["rates"])
    services = [name for name in figures["rates"][rates[0]]["steady"]["cost"] if name != "total"]
    below = [0.0] * len(rates)
    for service in services:
        costs = [figures["rates"][rate]["steady"]["cost"][service] for rate in rates]
        axes.bar([f"{int(rate):,}" for rate in rates], costs, bottom=below, label=service.replace("_", " "))
        below = [under + cost for under, cost in zip(below, costs, strict=True)]
    axes.set(xlabel="jobs/s", ylabel="dollars a million jobs")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata=_METADATA)
    plt.close(figure)
