"""The same bits with any number of BLAS threads, in fresh processes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = """
import hashlib
from tests.unit.train.builders import make_training
from zkdl.train import formats
from zkdl.train.trainer import Trainer

run, features, labels = make_training(
    widths=(300, 260, 130, 10), examples=600, batch=48, steps=25, format=formats.default_format(weight_frac=30)
)
state = hashlib.sha256()
for segment, weights in Trainer(run, features, labels, 16):
    state.update(segment.canonical())
    for matrix in weights.W + weights.b:
        state.update(matrix.tobytes())
print(state.hexdigest())
"""


def _digest(threads: int) -> str:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_one_and_two_threads_give_the_same_weights():
    assert _digest(1) == _digest(2)
