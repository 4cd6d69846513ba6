"""The series modality: options, and how a recording becomes a batch and a batch becomes views.

Shape letters: B records, L steps of the longest record, S steps of a view, C channels, N tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Classical, Fitted, Modality, Portrait, Predictor, Record, Rows, Stored
from selftaught.core.rng import Rng
from selftaught.data.source import Source
from selftaught.modalities.series import choose
from selftaught.modalities.series.archive import holds_many
from selftaught.modalities.series.classical import feature_sets
from selftaught.modalities.series.clock import pace_of
from selftaught.modalities.series.corrupt import FAULTS, corrupt_one
from selftaught.modalities.series.decode import Layout, decode_raw, length_of
from selftaught.modalities.series.expand import cut_streams, open_archives, read_record, read_some
from selftaught.modalities.series.statistics import audit_recordings, fit_channels, recordings_of, standardise
from selftaught.modalities.series.stem import PatchStem, target_of
from selftaught.modalities.series.tokens import with_tokens
from selftaught.modalities.series.views import Augmentation, change_values, draw_path, sample, whole_path


@dataclass(frozen=True, kw_only=True)
class Series(Modality):
    """Recordings of one or more channels over time. Options left None are chosen from the data by `recognise`.

    window: steps of a full training view; the median length, 512 at most. patch: steps of a token; about a 16th of the
    window, 16 at most. channels: names of the columns, in order. order: which axis of an array comes first. time: name
    of the time column, "" for none. rate: steps per unit of time (Hz where times are dates or seconds), 0 where times
    are unknown; recordings of another rate are resampled. longest: rows of a piece; longer recordings are several.
    mixing: tokens hold all channels of a stretch of time, or (False) one channel each. unit: what is dropped together
    where channels are apart: a token, or a whole channel (masked streams). scale: channels are brought to mean 0 and
    deviation 1 over the training part, or over each record's own steps. strength: dial on how hard "strong" views are;
    multiplies the amounts and what a crop may leave out. augmentation: everything else about views.

    A missing value is NaN in the store and in `Batch.x`, which is (B, S, C); a "clean" view is the whole recording.
    """

    name: ClassVar[str] = "series"
    offers: ClassVar[frozenset[str]] = frozenset({"target", "order", "time"})
    layout: ClassVar[Literal["picture", "columns", "words", "sequence", "other"]] = "sequence"
    reads: ClassVar[frozenset[str]] = frozenset({"series", "arrays", "files"})
    corruptions: ClassVar[tuple[str, ...]] = tuple(FAULTS)
    level = ("values", "level", "mean")

    window: int | None = None
    patch: int | None = None
    channels: tuple[str, ...] | None = None
    order: Literal["time", "channels"] | None = None
    time: str | None = None
    rate: float | None = None
    longest: int = 8_192
    mixing: bool = True
    unit: Literal["patch", "channel"] = "patch"
    scale: Literal["training", "record"] = "training"
    strength: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("window", "patch", "longest"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"Series.{name} must be at least 1; got {value}.")
        if self.channels is not None and (not self.channels or len(set(self.channels)) < len(self.channels)):
            raise UsageError(f"Series.channels must name one or more different columns; got {self.channels}.")
        if self.unit == "channel" and self.mixing:
            raise UsageError("Series(unit='channel') needs mixing=False: a token of all channels cannot drop one.")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Time; and the channel where tokens are of one channel."""
        time = Axis(name="time")
        return (time,) if self.mixing else (time, Axis(name="channel", size=self.shape[1]))

    @property
    def shape(self) -> tuple[int, ...]:
        """(steps, channels) of a full training view; records may be longer or shorter."""
        window, _, layout = self._made()
        return (window, len(layout.channels))

    @property
    def sentence(self) -> str:
        """What was decided, in one line."""
        window, patch, layout = self._made()
        names = ", ".join(layout.channels[:4]) + (", ..." if len(layout.channels) > 4 else "")
        kind = "" if self.mixing else " of one channel"
        count = f"{len(layout.channels)} channel" + ("s" if len(layout.channels) > 1 else "")
        return f"series of {count} ({names}), {pace_of(layout.rate)}, windows of {window}, {patch} a token{kind}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that are read: channels, and the time where there is one."""
        return (*(self.channels or ()), *((self.time,) if self.time else ()))

    @classmethod
    def recognises(cls, ids: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether these values look like recordings; one in four may be broken."""
        return bool(ids) and 4 * sum(map(choose.looks_like_series, ids, values)) >= 3 * len(ids)

    def recognise(self, records: Sequence[Record]) -> Series:
        """A copy with every option that was None chosen from up to 64 records, evenly spread. Raises DataError."""
        raws = read_some(records)
        arrays = [raw for raw in raws if isinstance(raw, np.ndarray)]
        tables = [raw for raw in raws if not isinstance(raw, np.ndarray)]
        within = any(holds_many(record.id) for record in records)  # such recordings are read as (time, channels)
        first = self.order == "channels" if self.order or within else choose.choose_order(arrays)
        time = choose.choose_time(tables) if self.time is None else self.time
        if tables:
            channels = self.channels or choose.choose_channels(tables, time)
        else:
            sides = arrays[0].shape if arrays[0].ndim == 2 else (1, 1)
            channels = self.channels or tuple(map(str, range(sides[0 if first else 1])))
        window = self.window or choose.usual_window([length_of(raw, first) for raw in raws])
        return replace(
            self,
            window=window,
            patch=self.patch or choose.usual_patch(window),
            channels=channels,
            order="channels" if first else "time",
            time=time,
            rate=choose.choose_rate(tables, time) if self.rate is None else self.rate,
        )

    def cut(self, source: Source) -> Source:
        """The source with the recordings of archives, and pieces of long streams, as records; reads every file once."""
        window, _, layout = self._made()
        source = open_archives(source)
        lengths: list[float | None] = []
        for record in source.records:
            try:
                lengths.append(float(length_of(read_record(record), layout.channels_first)))
            except DataError:  # explained when it is decoded
                lengths.append(None)
        return cut_streams(source, lengths, self.longest, window)

    def decode(self, record: Record) -> Stored:
        """values (T, C) float32, NaN where missing; rate (1,): steps per unit of time as recorded. Raises DataError."""
        try:
            layout = self._made()[2]
            values, rate, findings = decode_raw(read_record(record, layout.channels_first), layout)
        except DataError as error:
            raise DataError(f"{record.id}: {error}") from error
        return Stored(fields={"values": values, "rate": np.array([rate], np.float32)}, findings=findings)

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        """mean and std of each channel, (C,), over the observed values. Raises DataError without any."""
        return fit_channels((recordings_of(part) for part in rows), self.shape[1])

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        """x: values (B, L, C), scaled, NaN where missing and beyond a record's end; length (B,), steps."""
        recordings, device, patch = recordings_of(rows), rows.record.device, self._made()[1]
        length = torch.tensor([len(each) for each in recordings], device=device)
        values = pad_sequence(recordings, batch_first=True, padding_value=float("nan")).to(device)
        values = standardise(values.float(), fitted, own=self.scale == "record")
        facts = Facts(record=rows.record, group=rows.group, label=rows.label)
        path = whole_path(length, values.shape[1], patch)
        return with_tokens((values, length), path, patch, self.axes, self.unit == "channel", facts)

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        """One view: x float32 (B, S, C), NaN where missing.

        strong: a crop with pieces moved, its pace bent, and values changed. weak: a crop. clean: the whole recording.
        noisy: a crop with noise. span: unchanged values of a stretch of the record's own tokens.
        """
        if not isinstance(batch.x, tuple):
            raise UsageError("Series.augment starts from Series.batch; it was given a batch that is a view already.")
        (window, patch, _), how = self._made(), self.augmentation.scaled(self.strength)
        values, length = batch.x
        ids = batch.facts.record
        path = whole_path(length, values.shape[1], patch)
        if view.kind != "clean":
            path = draw_path(ids, length, view, window, patch, how, rng)
        x = sample(values, path)
        if view.kind == "strong":
            x = change_values(x, ids, how, rng)
        if view.kind == "noisy":
            x = x + how.jitter * rng.normal(ids, "noise", tuple(x.shape[1:]))
        shown = with_tokens(x, path, patch, self.axes, self.unit == "channel", batch.facts)
        target = target_of(x, patch, self.mixing, shown.valid) if view.target else None
        return replace(shown, target=target)

    def stem(self, dim: int, fitted: Fitted) -> PatchStem:
        """The patch embedding, for a view of any length."""
        return PatchStem(dim, self._made()[1], self.shape[1], self.mixing)

    def classical(self) -> tuple[Classical | Predictor, ...]:
        """MiniRocket-like shares, summary statistics and plain values as features; the nearest neighbour by values."""
        return feature_sets(self.shape[1])

    def corrupt(self, rows: Rows, name: str, severity: int, rng: Rng) -> Rows:
        """Decoded rows with one fault of `corruptions` in severity 1..5; lengths and labels stay."""
        parts = zip(recordings_of(rows), rows.record.split(1), strict=True)
        changed = tuple(corrupt_one(each, record, name, severity, rng) for each, record in parts)
        values = torch.stack(changed) if isinstance(rows.fields["values"], Tensor) else changed
        return replace(rows, fields={**rows.fields, "values": values})

    def audit(self, rows: Iterable[Rows]) -> tuple[tuple[str, float | str, str], ...]:
        """Facts on lengths, durations, rates, missing values and constant channels."""
        layout = self._made()[2]
        return audit_recordings(rows, layout.channels, layout.rate)

    def portray(self, rows: Rows, side: int) -> tuple[Portrait, ...]:
        """Line plots, (time, channels): eight channels and about four values a pixel at most, in their own unit."""
        arrays = [each[:, :8].float().cpu().numpy() for each in recordings_of(rows)]
        return tuple(Portrait(kind="line", content=each[:: max(1, len(each) // (4 * side))]) for each in arrays)

    def _made(self) -> tuple[int, int, Layout]:
        rate, time = self.rate, self.time
        if not (self.window and self.patch and self.channels and self.order) or time is None or rate is None:
            raise UsageError("This Series has open options; call Series.recognise(records) and use what it returns.")
        layout = Layout(channels=self.channels, time=time, rate=rate, channels_first=self.order == "channels")
        return -(-self.window // self.patch) * self.patch, self.patch, layout
