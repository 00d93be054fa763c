"""Write src/zkdl/data/digits.npz from scikit-learn's copy of the UCI optical digits (1797 images of 8x8, values 0..16).

Run: python tools/bundle_digits.py   (needs scikit-learn, which is no dependency of zkdl)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "src" / "zkdl" / "data" / "digits.npz"


def main() -> None:
    digits = load_digits()
    # A fixed permutation: the original order groups examples by writer, so a plain cut would test on other writers only.
    order = np.random.RandomState(20260101).permutation(len(digits.target))
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        TARGET, features=digits.data[order].astype(np.uint8), labels=digits.target[order].astype(np.uint8)
    )
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
