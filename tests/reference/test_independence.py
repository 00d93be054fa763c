"""The second verifier stands alone: no numpy, nothing of zkdl, short."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import zkdl.reference
from tests.reference.proofs import Maker

FOLDER = Path(zkdl.reference.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))


def test_imports() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                # Relative imports stay inside the package: one level only.
                assert not isinstance(node, ast.ImportFrom) or node.level == 1, path
                continue
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), (path, names)


def test_runs_without_packages(proof: Maker, tmp_path: Path) -> None:
    """Copied somewhere else, with an interpreter that sees no installed package."""
    shutil.copytree(FOLDER, tmp_path / "alone", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "a.zkproof").write_bytes(proof("mse-one-layer"))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules['numpy'] = sys.modules['zkdl'] = None\n"
        f"from alone.verifier import main; sys.exit(main([{str(tmp_path / 'a.zkproof')!r}]))"
    )
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("VALID"), done.stderr


def test_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in MODULES}
    assert max(lengths.values()) <= 300, lengths
    assert sum(lengths.values()) <= 2600, lengths
