"""The code path of other processors, and of GPUs, agrees with Python integers: it is compiled for this one."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kernels.samples import EDGES, BogusRng
from zkdl.backend.reference_field import GOLDILOCKS

NATIVE = Path(__file__).resolve().parents[2] / "native"


@pytest.mark.parametrize("options", [[], ["-DZK_PORTABLE"]], ids=["assembler", "portable"])
def test_headers_against_integers(options: list[str], tmp_path: Path) -> None:
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    program = tmp_path / "arithmetic"
    command = [compiler, "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", *options, f"-I{NATIVE / 'include'}"]
    subprocess.run([*command, str(NATIVE / "tests" / "arithmetic.cpp"), "-o", str(program)], check=True)
    rng, edges = BogusRng(11), EDGES.tolist()
    inputs = [list(x) for x in itertools.product(edges[:9:2], edges[1::3], edges[::2], edges[3:9:2])]
    inputs += rng.field(2000, 4).tolist()
    text = "\n".join(" ".join(map(str, row)) for row in inputs)
    run = subprocess.run([str(program)], input=text, capture_output=True, text=True, check=True)
    lines = [list(map(int, line.split())) for line in run.stdout.splitlines()]
    for row, line in zip(inputs, lines, strict=True):
        a, b = (row[0], row[1]), (row[2], row[3])
        product = GOLDILOCKS.multiply(a, b)
        thousand = GOLDILOCKS.scale(product, 1000)
        nested = GOLDILOCKS.add(a, GOLDILOCKS.multiply(product, b))
        results = (
            GOLDILOCKS.add(a, b),
            GOLDILOCKS.subtract(a, b),
            product,
            thousand,
            thousand,
            nested,
        )
        assert line == [part for result in results for part in result]


def test_instruction_sets_agree(tmp_path: Path) -> None:
    """What this processor's vector instructions compute is what scalar code computes, edges of the field included."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++: other compilers build scalar code")
    program = tmp_path / "instruction_sets"
    names = ["fraction_scalar", "fraction_avx512", "matrix_avx512", "ntt", "ntt_scalar", "ntt_avx2", "ntt_avx512"]
    sources = [NATIVE / "tests" / "instruction_sets.cpp", *(NATIVE / "src" / f"{name}.cpp" for name in names)]
    options = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE / 'include'}", f"-I{NATIVE / 'src'}"]
    subprocess.run([compiler, *options, *map(str, sources), "-o", str(program), "-lpthread"], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, [line for line in run.stdout.splitlines() if "differs" in line]
