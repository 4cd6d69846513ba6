"""One realistic report for all tests of this folder. Every number and picture in it is made up."""

import io
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from selftaught.reports import (
    Code,
    Column,
    Curve,
    Estimate,
    Facts,
    Finding,
    Findings,
    Gallery,
    LinePlot,
    Neighbours,
    NotApplicable,
    Report,
    Sample,
    ScatterMap,
    Section,
    Table,
    Text,
    Threshold,
    Verdict,
    as_numbers,
)

NAMES = ("circle", "square", "triangle", "cross", "ring", "bar", "stripes", "dots", "wedge", "frame")
BUDGETS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 400.0)
TICKS = tuple((budget, "all" if budget == 400 else f"{budget:g}") for budget in BUDGETS)
CONTESTANTS = (
    ("SimCLR encoder", 0.905, 0.40, 0.55, "main"),
    ("HOG + colour histogram", 0.868, 0.31, 0.50, "control"),
    ("supervised from scratch", 0.898, 0.14, 0.62, "control"),
    ("random-patch k-means", 0.801, 0.27, 0.45, "control"),
    ("PCA of pixels", 0.712, 0.24, 0.42, "control"),
    ("untrained twin", 0.604, 0.22, 0.35, "control"),
)
RECIPE = """\
seed = 0

[modality]
kind = "image"
size = 48

[pretext]
kind = "simclr"
temperature = 0.2

[budget]
minutes = 4.0
"""


def thumbnail(code: int, rng: np.random.Generator, size: int = 48) -> bytes:
    """Return a small JPEG of one drawn shape on a noisy ground."""
    ground = np.clip(rng.normal(60 + 12 * code, 14, (size, size, 3)) + rng.integers(-30, 60, 3), 0, 255)
    picture = Image.fromarray(ground.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    fill = tuple(int(value) for value in rng.integers(120, 255, 3))
    left, top = (int(value) for value in rng.integers(4, 14, 2))
    box = (left, top, left + 28, top + 28)
    match NAMES[code]:
        case "circle":
            draw.ellipse(box, fill=fill)
        case "ring":
            draw.ellipse(box, outline=fill, width=6)
        case "square":
            draw.rectangle(box, fill=fill)
        case "frame":
            draw.rectangle(box, outline=fill, width=5)
        case "triangle":
            draw.polygon(((left + 14, top), (left + 28, top + 28), (left, top + 28)), fill=fill)
        case "wedge":
            draw.pieslice(box, 20, 140, fill=fill)
        case "bar":
            draw.rectangle((left, top + 10, left + 30, top + 18), fill=fill)
        case "stripes":
            for offset in range(0, 28, 8):
                draw.rectangle((left, top + offset, left + 28, top + offset + 3), fill=fill)
        case "dots":
            for across in (4, 16, 28):
                draw.ellipse((left + across - 4, top + across - 4, left + across + 3, top + across + 3), fill=fill)
        case _:
            draw.line(box, fill=fill, width=6)
            draw.line((box[0], box[3], box[2], box[1]), fill=fill, width=6)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class DemoReport(Report):
    """A report whose fields hold what a stage would have measured."""

    name: str
    scores: dict[str, tuple[float, ...]]
    half: float
    pictures: tuple[Sample, ...]
    codes: tuple[int, ...]
    places: tuple[tuple[float, ...], tuple[float, ...]]
    matrix: np.ndarray | None = None

    @property
    def title(self) -> str:
        """Return the heading."""
        return f"Evaluation of {self.name} on 10,000 pictures"

    def verdict(self) -> Verdict:
        """Return a verdict of the kind that evaluate gives."""
        saved = Estimate(value=23, low=17, high=31, n=25, unit="")
        return Verdict(
            headline="Pretraining helps here: with 10 labels per class it saves you about 13 more",
            sentences=(
                "At 10 labels per class the SimCLR encoder reaches 0.744 accuracy; the best control, HOG + colour "
                "histogram, needs 23 labels per class for the same.",
                "With all labels the advantage over training from scratch is inside the interval: no clear winner.",
            ),
            tone="good",
            facts=(
                ("Accuracy at 10 labels a class", Estimate(value=0.744, low=0.726, high=0.761, n=25)),
                ("Best control, same labels", Estimate(value=0.670, low=0.652, high=0.688, n=25)),
                ("Labels the control needs", saved),
                ("Labels the untrained twin needs", Estimate(value=400, bound=">")),
            ),
        )

    def sections(self) -> tuple[Section, ...]:
        """Return every kind of block."""
        return (
            Section(
                title="Label efficiency",
                note="How much accuracy a given number of labels buys, beside what you would get without pretraining.",
                blocks=(self._curve(), self._controls()),
            ),
            Section(title="Training", note="The run is healthy: no collapse, no divergence.", blocks=training()),
            Section(title="Embedding", note="What the encoder puts close together.", blocks=self._embedding()),
            Section(title="Data", note="Four things to know about the pictures.", blocks=(findings(), facts())),
            Section(
                title="Repeat it",
                blocks=(
                    Text(text="The recipe below is resolved: every default is written out."),
                    Code(
                        title="Command",
                        code="selftaught pretrain runs/demo/recipe.toml --data pictures/ --out runs/again",
                        language="sh",
                    ),
                    Code(title="Recipe", code=RECIPE, language="toml"),
                ),
            ),
        )

    def _curve(self) -> LinePlot:
        curves = tuple(
            Curve(
                name=name,
                x=BUDGETS,
                y=ys,
                low=tuple(y - self.half / math.sqrt(x) ** 0.6 for x, y in zip(BUDGETS, ys, strict=True)),
                high=tuple(y + self.half / math.sqrt(x) ** 0.6 for x, y in zip(BUDGETS, ys, strict=True)),
                style="main" if index == 0 else "control",
            )
            for index, (name, ys) in enumerate(self.scores.items())
        )
        return LinePlot(
            title="Accuracy by labels per class",
            curves=curves,
            x_label="labels per class",
            y_label="test accuracy",
            x_scale="log",
            ticks=TICKS,
            thresholds=(Threshold(value=0.1, name="majority class"),),
            caption="Bands are 95% intervals over 5 draws, 3 seeds and the 2,000 test pictures. Protocol linear-1.",
        )

    def _controls(self) -> Table:
        rows: list[tuple[Estimate | NotApplicable | str | int | float | None, ...]] = []
        for index, (name, ys) in enumerate(self.scores.items()):
            cells = [Estimate(value=y, low=y - 0.013, high=y + 0.013, n=25) for y in (ys[0], ys[3], ys[5], ys[6])]
            rows.append((name, *cells, (0.0, 12.0, 246.0, 31.0, 2.5, 0.0)[index]))
        rows.append(("public checkpoint", None, None, None, None, None))
        rows.append(("majority class", *(NotApplicable(reason="needs no labels"),) * 3, 0.1, NotApplicable()))
        labels = (*("1 label", "10 labels", "50 labels", "all labels"),)
        return Table(
            title="Beside its controls",
            columns=("contestant", *labels, Column(name="time to fit", unit="s", digits=1)),
            rows=tuple(rows),
            best=((0, 1), (0, 2), (0, 3), (0, 4)),
            main=(0,),
            caption="Accuracy on the sealed test part with 95% interval.",
        )

    def _embedding(self) -> tuple[ScatterMap, Gallery]:
        x, y = self.places
        labelled = ScatterMap(
            title="Map of held-out pictures",
            x=x,
            y=y,
            codes=self.codes,
            names=NAMES,
            samples=self.pictures,
            category="class",
            caption="t-SNE of the pooled features, perplexity 30. Distances between far groups mean little.",
        )
        by_class = [[i for i, code in enumerate(self.codes) if code == wanted] for wanted in range(4)]
        rows = tuple(
            Neighbours(
                query=self.pictures[members[0]],
                found=tuple(self.pictures[i] for i in (*members[1:7], by_class[(code + 1) % 4][9])),
                agrees=(True,) * 6 + (False,),
            )
            for code, members in enumerate(by_class)
        )
        return labelled, Gallery(
            title="Nearest neighbours", rows=rows, caption="Cosine distance; queries drawn by seed."
        )


def training() -> tuple[LinePlot, ...]:
    """Return three plots of half width, one with two long curves."""
    steps = np.arange(0.0, 3000.0, 4.0)
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.05, steps.size)
    loss = 2.1 + 3.1 * np.exp(-steps / 500) + noise
    held = 2.2 + 3.0 * np.exp(-steps / 520) + noise / 3
    marks = as_numbers(np.arange(0.0, 3001.0, 300.0))
    return (
        LinePlot(
            title="Loss",
            width="half",
            x_label="step",
            y_label="NT-Xent",
            y_unit="nats",
            curves=(
                Curve(name="validation", x=as_numbers(steps), y=as_numbers(held), style="main"),
                Curve(name="training", x=as_numbers(steps), y=as_numbers(loss)),
            ),
        ),
        LinePlot(
            title="kNN accuracy while training",
            width="half",
            x_label="step",
            y_label="validation accuracy",
            curves=(Curve(name="kNN", x=marks, y=tuple(0.8 - 0.5 * math.exp(-m / 700) for m in marks), style="main"),),
        ),
        LinePlot(
            title="Effective rank",
            width="half",
            x_label="step",
            y_label="RankMe",
            curves=(
                Curve(name="RankMe", x=marks, y=tuple(140 - 110 * math.exp(-m / 900) for m in marks), style="main"),
            ),
            thresholds=(Threshold(value=16.0, name="partial collapse below"),),
        ),
        LinePlot(
            title="Learning rate",
            width="half",
            x_label="step",
            y_label="rate",
            y_scale="log",
            curves=(Curve(name="rate", x=marks, y=tuple(1e-3 * (1.02 - m / 3000) for m in marks), style="main"),),
        ),
    )


def findings() -> Findings:
    """Return one finding of each severity."""
    return Findings(
        items=(
            Finding(
                code="D104",
                severity="error",
                message="Pictures that cannot be decoded were set aside",
                count=3,
                remedy="See set_aside.csv; re-export them as PNG or JPEG.",
            ),
            Finding(
                code="D201",
                severity="warning",
                message="Near-duplicates stand in training and test",
                count=41,
                remedy="They were moved to the training part; pass --keep-duplicates to keep them.",
            ),
            Finding(code="D305", severity="info", message="Pictures differ in size: 32 to 640 px", count=10_000),
            Finding(code="D401", severity="passed", message="No class has fewer than 20 records"),
            Finding(code="D502", severity="not applicable", message="Leakage by group: no group column was given"),
        )
    )


def facts() -> Facts:
    """Return a short table of the data's facts."""
    return Facts(
        title="The data",
        rows=(
            ("records", 10_000, ""),
            ("labelled", 4000, ""),
            ("classes", 10, ""),
            ("size of the store", 70.4, "MB"),
            ("mean side", Estimate(value=64.0, low=32.0, high=640.0), "px"),
            ("groups", NotApplicable(reason="no group column"), ""),
            ("label noise", None, "%"),
            ("fingerprint", "3f9a1c07", ""),
        ),
    )


@cache
def build_demo(count: int = 2000) -> DemoReport:
    """Return the demo report with `count` pictures on its map."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 10, count)
    centres = rng.normal(0, 26, (10, 2))
    spread = rng.gamma(3.0, 1.6, (10, 1))
    places = centres[codes] + rng.normal(0, 1, (count, 2)) * (2.5 + spread[codes]) + rng.normal(0, 1.5, (count, 2))
    pictures = tuple(
        Sample(kind="picture", content=thumbnail(int(code), rng), caption=f"{NAMES[code]}/{index:05d}.png")
        for index, code in enumerate(codes)
    )
    scores = {
        name: tuple(round(top - (top - start) * math.exp(-rate * math.log(budget) * 0.9), 4) for budget in BUDGETS)
        for name, top, start, rate, _ in CONTESTANTS
    }
    return DemoReport(
        name="simclr-s",
        scores=scores,
        half=0.035,
        pictures=pictures,
        codes=tuple(int(code) for code in codes),
        places=(as_numbers(places[:, 0]), as_numbers(places[:, 1])),
        matrix=np.array([[1.0, float("nan")], [float("inf"), 0.5]]),
    )
