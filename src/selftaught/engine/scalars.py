"""The run's curves for TensorBoard, beside its CSV files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from selftaught.core.errors import MissingExtra


def tensorboard_scalars(folder: Path) -> Callable[[str, Mapping[str, float | int]], None]:
    """A function that writes every number of a row as `NAME/column` at the row's step. Raises MissingExtra."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as missing:
        raise MissingExtra("tensorboard", "tensorboard", "--tensorboard") from missing
    writer = SummaryWriter(str(folder))

    def write(name: str, row: Mapping[str, float | int]) -> None:
        for column, value in row.items():
            if column != "step":
                writer.add_scalar(f"{name}/{column}", value, int(row["step"]))
        writer.flush()

    return write
