"""From a folder of pictures to a verdict and vectors, in Python.

    python examples/photos.py pictures/ labels.csv

labels.csv has the columns id (the path within the folder) and label. The same on the command line:

    selftaught pretrain pictures/ --out runs/photos --minutes 5
    selftaught evaluate runs/photos --labels labels.csv
    selftaught embed runs/photos pictures/ --out vectors.parquet
"""

import argparse
from pathlib import Path

import numpy as np

import selftaught
from selftaught import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/photos"))
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()

    # 1. Pretrain. No labels are read here.
    trained = selftaught.pretrain(options.pictures, out=options.out, recipe=Recipe(minutes=options.minutes))
    print(f"The run is {trained.state} after {trained.steps} steps.")

    # 2. Evaluate: the encoder beside its controls, on a test part that training never saw.
    report = selftaught.evaluate(options.out, labels=options.labels)
    print(report.verdict().headline)
    for score in report.scores:
        if score.per_class is None:
            print(f"  {score.name}: {score.value:.3f} [{score.low:.3f}, {score.high:.3f}] with all labels")
    print(f"The page: {report.page}")

    # 3. Use the encoder: one vector a picture, in the order of the source.
    encoder = selftaught.load(options.out)
    vectors = encoder.embed(options.pictures)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit[0]
    print(f"{len(vectors)} vectors of {vectors.shape[1]} values; most like the first: {np.argsort(-likeness)[1:4]}")


if __name__ == "__main__":
    main()
