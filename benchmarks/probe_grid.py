"""Time the batched logistic grid against a loop over scikit-learn, at the same tolerance on the same cores.

    OMP_NUM_THREADS=2 python benchmarks/probe_grid.py [--features FILE.npz]

The grid: label budgets per class x 5 draws (all labels: one draw, for both sides) x 8 strengths, 10,000 x 512
features, 10 classes. Each side standardises each labelled set once. scikit-learn is timed on float32 features, which it
keeps, and on float64, its usual type. FILE.npz holds x, y, xt, yt (training and test features and labels); without it,
features are generated. Wall seconds are what counts; CPU seconds stand beside them as the machine may be shared.
"""

import argparse
import csv
import datetime
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from selftaught.probes.budgets import nested_budgets
from selftaught.probes.linear import STRENGTHS, LogisticFit, fit_logistic_grid, predict

BUDGETS = (1, 2, 5, 10, 20, 50, 200, None)
GRIDS = {
    "protocol 1 2 5 10 20 50 all": (1, 2, 5, 10, 20, 50, None),
    "six 1 5 20 50 200 all": (1, 5, 20, 50, 200, None),
}
RESULTS = Path(__file__).parent / "results" / "probe_grid.csv"


def generated(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Ten overlapping classes seen through a rectified random layer: a spectrum that falls over four decades."""
    dim, classes, n = 512, 10, 15000
    spectrum = np.arange(1, dim + 1) ** -0.8
    means = 0.2 * rng.normal(size=(classes, dim)) * spectrum * (np.arange(dim) < 64)
    labels = rng.integers(classes, size=n)
    hidden = means[labels] + rng.normal(size=(n, dim)) * spectrum
    features = np.maximum(hidden @ rng.normal(size=(dim, dim)) / np.sqrt(dim) + 0.05, 0).astype(np.float32)
    return {"x": features[:10000], "y": labels[:10000], "xt": features[10000:], "yt": labels[10000:]}


def timed(work: Callable[[], object]) -> tuple[object, float, float]:
    """Return the result, wall seconds and CPU seconds of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def peer(data: dict[str, np.ndarray], rows: list[np.ndarray], dtype: type, tolerance: float) -> list[tuple]:
    """The scikit-learn loop: per labelled set the scaling and one regression per strength."""
    fits = []
    for subset in rows:
        chosen = data["x"][subset].astype(dtype)
        mean, scale = chosen.mean(0, dtype=np.float64), chosen.std(0, dtype=np.float64)
        scale[scale == 0] = 1
        chosen = ((chosen - mean) / scale).astype(dtype)
        models = [
            LogisticRegression(C=strength, tol=tolerance, max_iter=10000).fit(chosen, data["y"][subset])
            for strength in STRENGTHS
        ]
        fits.append((mean, scale, models))
    return fits


def peer_accuracies(data: dict[str, np.ndarray], fits: list[tuple], dtype: type) -> np.ndarray:
    """Test accuracy per labelled set and strength."""
    table = []
    for mean, scale, models in fits:
        rows = ((data["xt"] - mean) / scale).astype(dtype)
        table.append([(model.predict(rows) == data["yt"]).mean() for model in models])
    return np.array(table)


def gradient_norm(data: dict[str, np.ndarray], subset: np.ndarray, fit: LogisticFit) -> float:
    """Largest gradient entry over the strengths, recomputed from the returned weights in float64."""
    rows = data["x"][subset].astype(np.float64)
    scale = rows.std(0)
    scale[scale == 0] = 1
    standard = (rows - rows.mean(0)) / scale
    target = fit.classes == data["y"][subset][:, None]
    worst = 0.0
    for weights, intercept, strength in zip(fit.weights, fit.intercepts, fit.strengths, strict=True):
        logits = rows @ weights.T.astype(np.float64) + intercept
        chance = np.exp(logits - logits.max(1, keepdims=True))
        residual = (chance / chance.sum(1, keepdims=True) - target) / len(rows)
        gradient = residual.T @ standard + weights * scale / (strength * len(rows))
        worst = max(worst, np.abs(gradient).max(), np.abs(residual.sum(0)).max())
    return float(worst)


def facts() -> dict[str, str]:
    """Hardware, versions, date and commit, without host names or paths."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "hardware": f"{model}, {torch.get_num_threads()} threads of {os.cpu_count()} cores",
        "torch": torch.__version__,
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "commit": commit.stdout.strip() if commit.returncode == 0 else "uncommitted",
    }


def measure(data: dict[str, np.ndarray], per_class: int | None, tolerance: float, repeats: int) -> dict[str, object]:
    """Ours and the loop in turn on one budget; ours is repeated after each, its median counts."""
    rows = [budget.rows for budget in nested_budgets(data["y"], (per_class,)).sets]
    row: dict[str, object] = {"budget": per_class or "all", "problems": len(rows) * len(STRENGTHS)}
    walls, cpus, differences = [], [], {}
    for name, dtype in (("sklearn32", np.float32), ("sklearn64", np.float64)):
        for _ in range(repeats):
            fits, wall, cpu = timed(lambda: fit_logistic_grid(data["x"], data["y"], rows, STRENGTHS, tolerance))
            walls.append(wall)
            cpus.append(cpu)
        models, row[f"{name}_s"], row[f"{name}_cpu_s"] = timed(lambda dtype=dtype: peer(data, rows, dtype, tolerance))
        ours = np.array([[(guess == data["yt"]).mean() for guess in predict(fit, data["xt"])] for fit in fits])
        differences[name] = np.abs(ours - peer_accuracies(data, models, dtype))
        row[f"{name}_ratio"] = row[f"{name}_s"] / statistics.median(walls)
        row[f"{name}_cpu_ratio"] = row[f"{name}_cpu_s"] / statistics.median(cpus)
        row[f"{name}_accuracy_mean_difference"] = float(differences[name].mean())
        row[f"{name}_accuracy_max_difference"] = float(differences[name].max())
    row |= {"ours_s": statistics.median(walls), "ours_cpu_s": statistics.median(cpus)}
    row |= {"best_accuracy": float(ours.mean(0).max()), "reported_gradient_norm": max(map(largest_norm, fits))}
    row["recomputed_gradient_norm"] = max(
        gradient_norm(data, subset, fit) for subset, fit in zip(rows, fits, strict=True)
    )
    return row


def largest_norm(fit: LogisticFit) -> float:
    return float(fit.gradient_norm.max())


def total(rows: list[dict[str, object]], name: str, budgets: tuple[int | None, ...]) -> dict[str, object]:
    """The sum over the budgets of one grid."""
    chosen = [row for row in rows if row["budget"] in [budget or "all" for budget in budgets]]
    result: dict[str, object] = {"budget": f"grid: {name}"}
    for key in chosen[0]:
        if key == "problems" or key.endswith("_s"):
            result[key] = sum(row[key] for row in chosen)
        elif key.endswith(("max_difference", "norm")):
            result[key] = max(row[key] for row in chosen)
        elif key.endswith("mean_difference"):
            result[key] = sum(row[key] * row["problems"] for row in chosen) / sum(row["problems"] for row in chosen)
    for peer_name in ("sklearn32", "sklearn64"):
        result[f"{peer_name}_ratio"] = result[f"{peer_name}_s"] / result["ours_s"]
        result[f"{peer_name}_cpu_ratio"] = result[f"{peer_name}_cpu_s"] / result["ours_cpu_s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, help="NPZ with x, y, xt, yt instead of generated features")
    parser.add_argument("--name", default="given features", help="what the features of the file are")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--append", action="store_true", help="keep the rows that the results file has")
    options = parser.parse_args()
    data = dict(np.load(options.features)) if options.features else generated(np.random.default_rng(0))
    task = options.name if options.features else "generated features"
    small = nested_budgets(data["y"], (1,), 1).sets[0].rows
    fit_logistic_grid(data["x"], data["y"], [small], STRENGTHS)  # the first call of torch and LAPACK is not the grid's
    LogisticRegression().fit(data["x"][small], data["y"][small])
    rows = []
    for per_class in BUDGETS:
        rows.append(measure(data, per_class, options.tolerance, options.repeats))
        print(rows[-1], flush=True)
    rows += [total(rows, name, budgets) for name, budgets in GRIDS.items()]
    table = [
        {"task": f"{task} {data['x'].shape[0]} x {data['x'].shape[1]}, tolerance {options.tolerance:g}"} | row | facts()
        for row in rows
    ]
    fields = list(table[0])
    new = not (options.append and RESULTS.exists())
    with RESULTS.open("w" if new else "a", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="")
        if new:
            writer.writeheader()
        for row in table:
            writer.writerow({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()})
    for row in table[-len(GRIDS) :]:
        print(row)


if __name__ == "__main__":
    main()
