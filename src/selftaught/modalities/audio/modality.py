"""The audio modality: options, and how a record becomes a batch of waves and a batch becomes log-mel pictures.

Shape letters: B records, T stored samples of the longest, N tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Classical, Fitted, Modality, Portrait, Predictor, Record, Rows, Stored
from selftaught.core.rng import Rng
from selftaught.core.targets import Continuous
from selftaught.data.source import Source
from selftaught.modalities.audio import decode
from selftaught.modalities.audio.classical import sound_controls
from selftaught.modalities.audio.corruptions import LADDERS, Clean, corrupt_waves
from selftaught.modalities.audio.decode import FULL_SCALE, Depth, Header, Limits
from selftaught.modalities.audio.facts import Fact, sound_facts
from selftaught.modalities.audio.mel import Scale, Spectrum
from selftaught.modalities.audio.portray import portray_wave
from selftaught.modalities.audio.statistics import fit_pictures
from selftaught.modalities.audio.stem import PatchStem, patches
from selftaught.modalities.audio.views import Augmentation, make_view
from selftaught.modalities.audio.waves import Waves, pad_waves
from selftaught.modalities.pieces import cut_source

PEEK = 64
HIGHEST_RATE = 16_000  # Hz that `recognise` stores at most: what speech and most sounds need
WINDOW_SECONDS = (0.25, 4.0)
HOP_SECONDS = 0.01
FRAMES = (32, 128)
FRAME_SECONDS = 0.025
LEVEL = 0.1  # root mean square that equalised recordings are brought to: 20 dB below full scale
FAINTEST = 1e-3  # root mean square below which equalising amplifies no further, so that silence stays silent
CHUNK = 64


class _Made(NamedTuple):
    # The options that `recognise` fills in.
    rate: int
    window: float
    frames: int
    depth: Depth


@dataclass(frozen=True, kw_only=True)
class Audio(Modality):
    """Speech and other sound. Options left None are chosen from the data by `recognise`.

    rate: of the stored samples, Hz; the commonest rate, 16,000 at most. window: length of a view, seconds; what 95 % of
    the recordings fit into, 0.25 to 4. frames: columns of a view's picture; one every 10 ms, 32 to 128 of them. mels:
    rows of it, bands from low to high (None: half the rate) Hz on the scale of HTK or Slaney. patch: side of a token,
    bands and frames. equalise: bring all recordings to one level. depth: of the stored samples. strength: dial on how
    hard "strong" views are. augmentation: everything else about views. piece: seconds; recordings of more than 1.5
    pieces become several records. limits: what an untrusted file may ask of the machine.

    A recording is stored as one wave of its own length; channels are averaged. A view is a log-mel picture
    (B, 1, mels, frames), the lowest band first, normalised by the mean and spread of the training part, so that
    picture encoders and patch tokens both read it. "clean" shows all of a recording: in the middle of silence where it
    is shorter than the window, squeezed in time where it is longer.
    """

    name: ClassVar[str] = "audio"
    offers: ClassVar[frozenset[str]] = frozenset({"target", "order", "transform"})
    layout: ClassVar[Literal["picture", "other"]] = "picture"
    reads: ClassVar[frozenset[str]] = frozenset({"files", "arrays"})
    corruptions: ClassVar[tuple[str, ...]] = tuple(LADDERS)
    level = ("wave", "loudness", "power")

    rate: int | None = None
    window: float | None = None
    frames: int | None = None
    mels: int = 64
    patch: int = 8
    low: float = 20.0
    high: float | None = None
    scale: Scale = "htk"
    equalise: bool = True
    depth: Depth | None = None
    strength: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    piece: float = 10.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name in ("rate", "window", "frames", "mels", "patch", "piece"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"Audio.{name} must be above 0; got {value}.")
        for name in ("mels", "frames"):
            value = getattr(self, name)
            if value is not None and value % self.patch:
                raise UsageError(f"Audio.patch must divide Audio.{name}; got {self.patch} and {value}.")
        half = self.rate / 2 if self.rate else float("inf")
        high = half if self.high is None else self.high
        if not 0 <= self.low < high <= half:
            raise UsageError(
                f"Audio.low and Audio.high must rise from 0 to half the rate, {half:g} Hz; got {self.low} and {high}."
            )

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Tokens stand in rows of frequency and columns of time."""
        return (Axis(name="frequency"), Axis(name="time"))

    @property
    def shape(self) -> tuple[int, ...]:
        """(1, mels, frames) of a full view."""
        return (1, self.mels, self._made().frames)

    @property
    def sentence(self) -> str:
        """What was decided, for the user."""
        made = self._made()
        return (
            f"speech or sound, {made.rate:,} Hz, windows of {made.window:.2f} s, "
            f"log-mel pictures of {self.mels} bands x {made.frames} frames"
        )

    @classmethod
    def recognises(cls, ids: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether at least half of some values are sound files."""
        found = [decode.looks_like_sound(record_id, value) for record_id, value in zip(ids, values, strict=True)]
        return bool(found) and 2 * sum(found) >= len(found)

    def recognise(self, records: Sequence[Record]) -> Audio:
        """A copy with every option that was None chosen from up to 64 records, evenly spread. Raises DataError."""
        headers: list[Header] = []
        problem = "there are no records"
        count = min(PEEK, len(records))
        for index in (place * len(records) // count for place in range(count)):
            try:
                headers.append(decode.peek_sound(records[index].read(), self.limits, self.rate))
            except DataError as error:
                problem = f"{records[index].id}: {error}"
        if not headers:
            raise DataError(f"None of {count} records could be read as sound ({problem}).")
        rate = self.rate or min(Counter(header.rate for header in headers).most_common(1)[0][0], HIGHEST_RATE)
        window = self.window or _usual_window(headers)
        least, most = (max(1, round(limit / self.patch)) for limit in FRAMES)
        frames = self.frames or self.patch * min(most, max(least, round(window / HOP_SECONDS / self.patch)))
        hop = max(1, round(window * rate / frames))
        depth: Depth = "float32" if any(header.deep for header in headers) else "int16"
        return replace(self, rate=rate, window=frames * hop / rate, frames=frames, depth=self.depth or depth)

    def cut(self, source: Source) -> Source:
        """The source with long recordings as several records; reads every file once, for its header."""
        lengths: list[float | None] = []
        for record in source.records:
            try:
                lengths.append(decode.peek_sound(record.read(), self.limits, None).seconds)
            except DataError:  # arrays are never cut; what is damaged is explained when it is decoded
                lengths.append(None)
        return cut_source(source, lengths, self.piece)

    def decode(self, record: Record) -> Stored:
        """wave (n,) at the chosen rate and depth; source (2,): rate (Hz) and channels of the file. Raises DataError."""
        made = self._made()
        try:
            sound = decode.read_sound(record.read(), self.limits, made.rate)
        except DataError as error:
            raise DataError(f"{record.id}: {error}") from error
        wave, remarks = decode.to_depth(sound.values, made.depth)
        fields = {"wave": wave, "source": np.array(sound.source, np.int32)}
        return Stored(fields=fields, findings=(*sound.findings, *remarks))

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        """mean, std (1,) of clean log-mel pictures, covariance (36, 36) of their 6 x 6 patches. Raises DataError."""
        plain = Fitted(arrays={"mean": np.zeros(1, np.float32), "std": np.ones(1, np.float32)})
        parts = (some for part in rows for some in _chunks(part))
        views = [self.augment(self.batch(part, plain), View(kind="clean"), Rng(seed=0)).x for part in parts]
        pictures = [view for view in views if isinstance(view, Tensor)]
        if not pictures:
            raise DataError("There are no sounds in the training part; nothing can be fitted.")
        made = self._made()
        return fit_pictures(torch.cat(pictures), {"rate": made.rate, "window": made.window, "mels": self.mels})

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        """x: waves (B, T) as stored, filled up with zeros; the middle of the next record of the batch, likewise; and a
        table (B, 6): length and gain of both, mean, std. The other record is for mixing in: it travels along, so that
        no view depends on what else is in the batch when it is drawn."""
        made, spectrum = self._made(), self._spectrum()
        parts = list(rows.fields["wave"])
        wave, length = pad_waves(parts)
        most = 2 * made.frames * spectrum.hop
        other, heard = pad_waves(_middle(part, most) for part in parts)
        gain = torch.stack([self._gain(part) for part in parts])
        bounds = torch.from_numpy(np.concatenate([fitted.arrays["mean"], fitted.arrays["std"]])).to(gain)
        columns = [length.float(), gain, heard.roll(1).float(), gain.roll(1), *bounds[:, None].expand(2, len(parts))]
        grid = (self.mels // self.patch, made.frames // self.patch)
        facts = Facts(record=rows.record, group=rows.group, label=rows.label)
        return _with_tokens((wave, other.roll(1, 0), torch.stack(columns, 1)), grid, facts)

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        """One view: x float32 (B, 1, bands, frames), normalised by the fitted mean and std.

        strong: everything in `augmentation`. weak: a window. clean: all of the recording. noisy: weak with noise at the
        lowest ratio. span: a short stretch. transform: weak, backwards in time where facts.transform is 1.
        """
        made = self._made()
        if not isinstance(batch.x, tuple):
            raise UsageError("Audio.augment starts from Audio.batch; it was given a batch that is a view already.")
        wave, other, table = batch.x
        ids, spectrum = batch.facts.record, self._spectrum()
        waves = Waves(wave=wave, other=other, table=table, ids=ids, spectrum=spectrum, frames=made.frames)
        high, wide = (max(1, round(side * view.size / self.patch)) for side in (self.mels, made.frames))
        how = self.augmentation.scaled(self.strength)
        seen = make_view(waves, view, (high, wide), self.patch, how, rng)
        facts = batch.facts if seen.turned is None else replace(batch.facts, transform=seen.turned)
        shown = replace(_with_tokens(seen.picture, (high, wide), facts), origin=seen.origin)
        if not view.target:
            return shown
        # Silence around a recording is worth no prediction.
        return replace(shown, target=Continuous(values=patches(seen.picture, self.patch), valid=seen.inside))

    def stem(self, dim: int, fitted: Fitted) -> PatchStem:
        """The patch embedding, for a view of any size."""
        return PatchStem(dim, self.patch)

    def classical(self) -> tuple[Classical | Predictor, ...]:
        """MFCC statistics, a support vector machine on them, and the log-mel picture."""
        return sound_controls(self._sounds, self._made().rate)

    def portray(self, rows: Rows, side: int) -> tuple[Portrait, ...]:
        """The first seconds of every row as WAV bytes."""
        rate = self._made().rate
        return tuple(portray_wave(_to_full_scale(part), rate) for part in rows.fields["wave"])

    def corrupt(self, rows: Rows, name: str, severity: int, rng: Rng) -> Rows:
        """Decoded rows through a corruption of `corruptions`, severity 1 to 5; what gets too loud is turned down."""
        parts = list(rows.fields["wave"])
        wave, length = pad_waves(_to_full_scale(part) for part in parts)
        clean = Clean(wave=wave, length=length, ids=rows.record, rate=self._made().rate, rng=rng)
        changed = corrupt_waves(clean, name, severity)
        changed = changed / changed.abs().amax(1, keepdim=True).clamp(min=1)
        if parts[0].dtype == torch.int16:
            changed = (changed * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1).to(torch.int16)
        found = tuple(line[: len(part)] for line, part in zip(changed, parts, strict=True))
        ragged = isinstance(rows.fields["wave"], tuple)
        return replace(rows, fields={**rows.fields, "wave": found if ragged else torch.stack(found)})

    def audit(self, rows: Iterable[Rows]) -> tuple[Fact, ...]:
        """(fact, value, unit): durations, rates, channels, silence, clipping, level."""
        sounds = (
            (_to_full_scale(wave).cpu().numpy(), int(source[0]), int(source[1]))
            for part in rows
            for wave, source in zip(part.fields["wave"], part.fields["source"], strict=True)
        )
        return sound_facts(sounds, self._made().rate)

    def _made(self) -> _Made:
        if self.rate and self.window and self.frames and self.depth:
            return _Made(self.rate, self.window, self.frames, self.depth)
        raise UsageError("This Audio has open options; call Audio.recognise(records) first and use what it returns.")

    def _spectrum(self) -> Spectrum:
        made = self._made()
        hop = max(1, round(made.window * made.rate / made.frames))
        frame, high = max(round(FRAME_SECONDS * made.rate), 2 * hop), self.high or made.rate / 2
        return Spectrum(rate=made.rate, frame=frame, hop=hop, mels=self.mels, low=self.low, high=high, scale=self.scale)

    def _gain(self, part: Tensor) -> Tensor:
        """What a stored value is multiplied with."""
        unit = 1 / FULL_SCALE if part.dtype == torch.int16 else 1.0
        level = part.float().square().mean().sqrt() * unit
        if not self.equalise:
            return torch.full_like(level, unit)
        return level.clamp(min=FAINTEST).reciprocal() * (LEVEL * unit)

    def _sounds(self, rows: Rows) -> Iterator[tuple[Tensor, Tensor]]:
        """Waves (B, T) times their gain, with their lengths, a chunk at a time."""
        for some in _chunks(rows):
            parts = [part.cpu() for part in some.fields["wave"]]
            yield pad_waves(part.float() * self._gain(part) for part in parts)


def _usual_window(headers: Sequence[Header]) -> float:
    known = [header.seconds for header in headers if header.seconds is not None]
    usual = float(np.quantile(known, 0.95)) if known else WINDOW_SECONDS[1]
    return min(WINDOW_SECONDS[1], max(WINDOW_SECONDS[0], usual))


def _middle(part: Tensor, most: int) -> Tensor:
    start = max(0, (len(part) - most) // 2)
    return part[start : start + most]


def _to_full_scale(part: Tensor) -> Tensor:
    return part.float() / FULL_SCALE if part.dtype == torch.int16 else part.float()


def _chunks(rows: Rows) -> Iterator[Rows]:
    """The rows in pieces whose transforms fit the memory."""
    for start in range(0, len(rows.record), CHUNK):
        here = slice(start, start + CHUNK)
        yield Rows(fields={name: value[here] for name, value in rows.fields.items()}, record=rows.record[here])


def _with_tokens(x: Tensor | tuple[Tensor, ...], grid: tuple[int, int], facts: Facts) -> Batch:
    """A batch whose tokens cover all of every recording."""
    rows, tokens, device = len(facts.record), grid[0] * grid[1], facts.record.device
    row, column = (torch.arange(side, device=device, dtype=torch.float32) for side in grid)
    pos = torch.stack([row.repeat_interleave(grid[1]), column.repeat(grid[0])], 1)
    return Batch(
        x=x,
        stream=Audio.name,
        segment=torch.ones(1, 1, dtype=torch.long, device=device).expand(rows, tokens),
        pos=pos.expand(rows, tokens, 2),
        axes=(Axis(name="frequency"), Axis(name="time")),
        origin=((pos + 0.5) / torch.tensor(grid, device=device)).expand(rows, tokens, 2),
        unit=torch.arange(tokens, device=device).expand(rows, tokens),
        facts=facts,
        dense=True,
    )
