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
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                own = name == "zkdl.reference" or name.startswith("zkdl.reference.")
                assert own or name.split(".")[0] in sys.stdlib_module_names, (path, name)


def test_runs_without_packages(proof: Maker, tmp_path: Path) -> None:
    """Copied into an otherwise empty package, with an interpreter that sees no installed one."""
    shutil.copytree(FOLDER, tmp_path / "zkdl" / "reference", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "a.zkproof").write_bytes(proof("mse-one-layer"))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules['numpy'] = None\n"
        f"from zkdl.reference.verifier import main; status = main([{str(tmp_path / 'a.zkproof')!r}])\n"
        "assert not [name for name in sys.modules if name.startswith('zkdl.') and not name.startswith('zkdl.reference')]\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("VALID"), done.stderr


def test_installed_package_loads_nothing_else(tmp_path: Path) -> None:
    """Also inside zkdl: importing it brings in neither numpy nor any other part of the package."""
    code = (
        "import sys; sys.modules['numpy'] = None; import zkdl.reference.verifier\n"
        "assert not [name for name in sys.modules if name.startswith('zkdl.') and not name.startswith('zkdl.reference')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in MODULES}
    assert max(lengths.values()) <= 300, lengths
    assert sum(lengths.values()) <= 2970, lengths
