"""The curves of a training, for every report that shows one."""

from __future__ import annotations

from collections.abc import Sequence

from selftaught.reports.blocks import Curve, LinePlot


def training_plots(losses: Sequence[dict[str, float]], watched: Sequence[dict[str, float]]) -> tuple[LinePlot, ...]:
    """The loss, the effective rank and, with labels, the validation kNN over steps."""
    plots = [_plot("Loss", "loss", losses, ("loss",))] if losses else []
    if watched:
        plots.append(_plot("Effective rank", "RankMe", watched, ("rank", "lidar")))
        if "score" in watched[0]:
            plots.append(_plot("Validation kNN", "accuracy", watched, ("score",)))
        plots.append(_plot("Alignment and uniformity", "value", watched, ("alignment", "uniformity")))
    return tuple(plots)


def _plot(title: str, label: str, rows: Sequence[dict[str, float]], names: Sequence[str]) -> LinePlot:
    curves = tuple(
        Curve(
            name=name,
            x=tuple(row["step"] for row in rows),
            y=tuple(row[name] for row in rows),
            style="main" if index == 0 else "control",
        )
        for index, name in enumerate(names)
        if name in rows[0]
    )
    return LinePlot(curves=curves, x_label="step", y_label=label, title=title, width="half")
