"""The image modality: options, and how a record becomes a batch and a batch becomes views.

Shape letters: B records, C channels, S side of the canvas, s side of the view, N tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from selftaught.core.batch import Axis, Batch, Facts, View
from selftaught.core.errors import DataError, UsageError
from selftaught.core.modality import Classical, Fact, Fitted, Modality, Portrait, Record, Rows, Stored
from selftaught.core.rng import Rng
from selftaught.core.targets import Continuous
from selftaught.modalities.covariance import patch_covariance
from selftaught.modalities.image.classical import feature_sets
from selftaught.modalities.image.corruptions import LADDERS, corrupt_pixels
from selftaught.modalities.image.decode import (
    Depth,
    Limits,
    Picture,
    count_colours,
    looks_like_picture,
    read_picture,
    square,
)
from selftaught.modalities.image.geometry import Window, token_origin, turn_window, whole_window
from selftaught.modalities.image.portray import portray_pixels
from selftaught.modalities.image.statistics import fit_pixels, value_range
from selftaught.modalities.image.stem import PatchStem, patches
from selftaught.modalities.image.views import (
    Augmentation,
    draw_window,
    render,
    turn_freely,
)

PEEK = 64
COVARIANCE_PICTURES = 500


class _Made(NamedTuple):
    # The options that `recognise` fills in.
    size: int
    patch: int
    canvas: int
    channels: int
    depth: Depth


@dataclass(frozen=True, kw_only=True)
class Image(Modality):
    """Pictures with any number of channels. Options left None are chosen from the data by `recognise`.

    size: side of a view, pixels; the median shorter side of the pictures, 64 at most. patch: side of a token, pixels;
    an eighth of the size, so that it divides it. canvas: side of the stored square, pixels; 1.25 times the size (room
    for crops), but no more than the longest side seen. channels: 1 grey, 3 colour, or any number of bands. depth: of
    the stored values. strength: dial on how hard "strong" views are; multiplies the colour amounts and the share of the
    picture that a crop may leave out. augmentation: everything else about views. store: "encoded" keeps the files'
    bytes and decodes every batch anew. background: behind transparent pixels, 0 black .. 1 white. limits: what an
    untrusted file may ask of the machine.

    A picture is stored squashed to the square canvas beside its true sides; crops undo the squash. A "clean" view is
    the whole picture squashed to the square view.
    """

    name: ClassVar[str] = "image"
    offers: ClassVar[frozenset[str]] = frozenset({"target", "order", "transform"})
    layout: ClassVar[Literal["picture", "other"]] = "picture"
    reads: ClassVar[frozenset[str]] = frozenset({"files", "arrays"})
    corruptions: ClassVar[tuple[str, ...]] = tuple(LADDERS)
    level = ("pixels", "brightness", "mean")

    size: int | None = None
    patch: int | None = None
    canvas: int | None = None
    channels: int | None = None
    depth: Depth | None = None
    strength: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    store: Literal["decoded", "encoded"] = "decoded"
    background: float = 1.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name in ("size", "patch", "canvas", "channels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"Image.{name} must be at least 1; got {value}.")
        if self.size is not None and self.patch is not None and self.size % self.patch:
            raise UsageError(f"Image.patch must divide Image.size; got {self.patch} and {self.size}.")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Tokens stand in rows and columns."""
        return (Axis(name="y"), Axis(name="x"))

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width) of a full view."""
        made = self._made()
        return (made.channels, made.size, made.size)

    @classmethod
    def recognises(cls, ids: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether at least half of some values are picture files or arrays that may be pictures."""
        return bool(ids) and 2 * sum(map(looks_like_picture, ids, values)) >= len(ids)

    @property
    def sentence(self) -> str:
        """What was decided, in one line."""
        made = self._made()
        colours = {1: "grey", 3: "colour"}.get(made.channels, f"{made.channels} channels")
        return f"pictures, {colours}, {made.depth}, views of {made.size} x {made.size} pixels, patches of {made.patch}"

    def recognise(self, records: Sequence[Record]) -> Image:
        """A copy with every option that was None chosen from up to 64 records, evenly spread. Raises DataError."""
        pictures = []
        count = min(PEEK, len(records))
        problem = "there are no records"
        for index in (place * len(records) // count for place in range(count)):
            try:
                value = records[index].read()
                picture = read_picture(value, self.limits, enough=1, channels=self.channels)
                pictures.append((picture, not isinstance(value, (np.ndarray, Tensor))))
            except DataError as error:
                problem = f"{records[index].id}: {error}"
        if not pictures:
            raise DataError(f"None of {count} records could be read as a picture ({problem}).")
        size = self.size or _usual_size([picture for picture, _ in pictures])
        longest = max(max(picture.side) for picture, _ in pictures)
        colours = max(count_colours(picture.values, encoded) for picture, encoded in pictures)
        depths: tuple[Depth, ...] = ("uint8", "uint16", "float32")
        deepest = max(depths.index(picture.values.dtype.name) for picture, _ in pictures)
        return replace(
            self,
            size=size,
            patch=self.patch or usual_patch(size),
            canvas=self.canvas or max(1, min(round(1.25 * size), longest)),
            channels=self.channels or colours,
            depth=self.depth or depths[deepest],
        )

    def decode(self, record: Record) -> Stored:
        """pixels (C, S, S) in the chosen depth, or bytes; side (2,): true height and width. Raises DataError."""
        value = record.read()
        try:
            picture = self._decode_value(value)
        except DataError as error:
            raise DataError(f"{record.id}: {error}") from error
        side = np.array(picture.side, np.int32)
        if self.store == "decoded":
            return Stored(fields={"pixels": picture.values, "side": side}, findings=picture.findings)
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise DataError(f"{record.id}: only the bytes of picture files can be stored encoded; use store='decoded'.")
        content = np.frombuffer(value, np.uint8)
        return Stored(fields={"bytes": content, "side": side}, findings=picture.findings)

    def fit(self, rows: Iterable[Rows]) -> Fitted:
        """low, high: values that become 0 and 1; mean, std of what results; all (C,). Raises DataError without rows.

        covariance: of 6 x 6 patches of normalised clean views, for encoders that start from the data's own filters.
        """
        made = self._made()
        parts = list(rows)
        fitted = fit_pixels((self._pixels(part) for part in parts), made.channels, made.depth)
        every = max(1, sum(len(part.record) for part in parts) // COVARIANCE_PICTURES)
        clean = View(kind="clean")
        views = [self.augment(self.batch(_thin(part, every), fitted), clean, Rng(seed=0)).x for part in parts]
        covariance = patch_covariance(torch.cat([view for view in views if isinstance(view, Tensor)]))
        return fitted if covariance is None else replace(fitted, arrays={**fitted.arrays, "covariance": covariance})

    def batch(self, rows: Rows, fitted: Fitted) -> Batch:
        """x: pixels (B, C, S, S) as stored (16 bit as float32), aspect (B,), and low, high, mean, std (B, 4, C)."""
        made = self._made()
        pixels, side = self._pixels(rows), rows.fields["side"]
        assert isinstance(side, Tensor)  # a field of fixed shape
        aspect = side[:, 1].float() / side[:, 0].float()
        table = np.stack([fitted.arrays[name] for name in ("low", "high", "mean", "std")]).astype(np.float32)
        bounds = torch.from_numpy(table).to(pixels.device).expand(len(pixels), 4, -1)
        facts = Facts(record=rows.record, group=rows.group, label=rows.label)
        window = whole_window(len(pixels), pixels.device)
        return _with_tokens((pixels, aspect, bounds), window, made.size // made.patch, facts)

    def augment(self, batch: Batch, view: View, rng: Rng) -> Batch:
        """One view: x float32 (B, C, s, s), normalised by the fitted mean and std.

        weak: crop, mirror and turns. strong: weak with colours. noisy: weak with pixel noise. clean: the whole picture.
        span: a small crop, neither mirrored nor turned. transform: crop and mirror, facts.transform quarter turns.
        """
        made = self._made()
        if not isinstance(batch.x, tuple):
            raise UsageError("Image.augment starts from Image.batch; it was given a batch that is a view already.")
        pixels, aspect, bounds = batch.x
        ids = batch.facts.record
        count = max(1, round(made.size * view.size / made.patch))
        side = count * made.patch
        how = self.augmentation.scaled(self.strength)
        window, facts = whole_window(len(pixels), pixels.device), batch.facts
        if view.kind != "clean":
            window = draw_window(ids, aspect, view.scale or (how.span if view.kind == "span" else how.crop), how, rng)
        if view.kind == "span":
            window = replace(window, mirrored=None, upside=None)
        if view.kind == "transform":
            turns = rng.integers(ids, "transform", 4)
            window, facts = turn_window(window, turns), replace(facts, transform=turns)
        if view.kind not in ("clean", "span", "transform"):
            window = turn_freely(window, ids, how, rng)
        draw = rng.uniform(ids, "colour", (9,)) if view.kind == "strong" else None
        x = render(pixels, bounds, None if view.kind == "clean" else window, side, how, draw)
        if view.kind == "noisy":
            x = x.addcdiv_(rng.normal(ids, "noise", tuple(x.shape[1:])), bounds[:, 3, :, None, None], value=how.noise)
        shown = _with_tokens(x, window, count, facts)
        if not view.target:
            return shown
        return replace(shown, target=Continuous(values=patches(x, made.patch), valid=shown.valid))

    def stem(self, dim: int, fitted: Fitted) -> PatchStem:
        """The patch embedding, for a view of any size."""
        made = self._made()
        return PatchStem(dim, made.patch, made.channels)

    def classical(self) -> tuple[Classical, ...]:
        """HOG with colour histogram, PCA of pixels, random-patch k-means features."""
        return feature_sets(self._pixels, self.fit)

    def portray(self, rows: Rows, side: int) -> tuple[Portrait, ...]:
        """JPEG thumbnails in the true aspect; floats beyond 0..1 are shown over the range of these rows."""
        pixels, sides = self._pixels(rows), rows.fields["side"]
        assert isinstance(sides, Tensor)  # a field of fixed shape
        return portray_pixels(pixels, sides, *self._range(pixels), side)

    def corrupt(self, rows: Rows, name: str, severity: int, rng: Rng) -> Rows:
        """The pictures, decoded, through a corruption of `corruptions` at a severity of 1 to 5. Raises UsageError."""
        pixels = self._pixels(rows)
        low, high = (limit[:, None, None] for limit in self._range(pixels))
        x = corrupt_pixels((pixels.float() - low) / (high - low), rows.record, name, severity, rng)
        x = x * (high - low) + low
        changed = x.round().to(torch.uint8) if pixels.dtype == torch.uint8 else x
        return replace(rows, fields={"pixels": changed, "side": rows.fields["side"]})

    def audit(self, rows: Iterable[Rows]) -> tuple[Fact, ...]:
        """Sides and aspects of the pictures as they were."""
        sides = [side.tolist() for part in rows for side in part.fields["side"]]
        if not sides:
            return ()
        height, width = np.array(sides, np.float64).T
        facts: list[Fact] = [("pictures", float(len(sides)), "records")]
        for name, value in (("height", height), ("width", width), ("width / height", width / height)):
            unit = "" if "/" in name else "pixels"
            facts.append((f"{name}, median", float(np.median(value)), unit))
            facts.append((f"{name}, range", f"{value.min():.4g} to {value.max():.4g}", unit))
        return tuple(facts)

    def _range(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The raw values of these pictures that become 0 and 1, each (C,)."""
        least, most = pixels.float().amin((0, 2, 3)), pixels.float().amax((0, 2, 3))
        low, high = value_range(least.double(), most.double(), self._made().depth)
        return low.float(), high.float()

    def _made(self) -> _Made:
        if self.size and self.patch and self.canvas and self.channels and self.depth:
            return _Made(self.size, self.patch, self.canvas, self.channels, self.depth)
        raise UsageError("This Image has open options; call Image.recognise(records) first and use what it returns.")

    def _decode_value(self, value: object) -> Picture:
        made = self._made()
        picture = read_picture(value, self.limits, enough=2 * made.canvas, channels=made.channels)
        return square(picture, made.canvas, made.channels, made.depth, self.background)

    def _pixels(self, rows: Rows) -> Tensor:
        if "pixels" in rows.fields:
            pixels = rows.fields["pixels"]
            assert isinstance(pixels, Tensor)
        else:
            files = [part.cpu().numpy().tobytes() for part in rows.fields["bytes"]]
            decoded = np.stack([self._decode_value(content).values for content in files])
            pixels = torch.from_numpy(decoded).to(rows.record.device)
        return pixels if pixels.dtype == torch.uint8 else pixels.float()


def usual_patch(size: int) -> int:
    """The divisor of the size that is nearest to an eighth of it."""
    divisors = [value for value in range(1, size + 1) if size % value == 0]
    return min(divisors, key=lambda value: (abs(value - size / 8), value))


def _usual_size(pictures: Sequence[Picture]) -> int:
    shorter = sorted(min(picture.side) for picture in pictures)[len(pictures) // 2]
    return min(64, max(8, shorter // 4 * 4))


def _with_tokens(x: Tensor | tuple[Tensor, ...], window: Window, count: int, facts: Facts) -> Batch:
    device, rows, tokens = window.top.device, len(window.top), count * count
    line = torch.arange(count, device=device, dtype=torch.float32)
    pos = torch.stack([line.repeat_interleave(count), line.repeat(count)], 1)
    return Batch(
        x=x,
        stream=Image.name,
        segment=torch.ones(1, 1, dtype=torch.long, device=device).expand(rows, tokens),
        pos=pos.expand(rows, tokens, 2),
        axes=(Axis(name="y"), Axis(name="x")),
        origin=token_origin(window, count),
        unit=torch.arange(tokens, device=device).expand(rows, tokens),
        facts=facts,
        dense=True,
    )


def _thin(rows: Rows, every: int) -> Rows:
    """Every so-manieth row."""
    return Rows(fields={name: value[::every] for name, value in rows.fields.items()}, record=rows.record[::every])
