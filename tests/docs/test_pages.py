"""Every command and every code block of the documents for users runs, in order, as printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ELSEWHERE, ROOT, blocks, run_page, user_pages

# What is not run here, with the reason that stands in the page. Anything else that is marked fails.
NOT_RUN = {
    ("README.md", "installation"): 1,
    ("README.md", "runs the test suite, and the test suite runs this"): 1,
    ("README.md", "MNIST, see benchmarks"): 1,
    ("README.md", "PyTorch, run in docs/pytorch.md"): 1,
    ("CONTRIBUTING.md", "installation"): 1,
    ("docs/gpu.md", "needs a GPU"): 1,
    ("docs/policy.md", "installation"): 1,
    ("docs/policy.md", "run in tutorials/auditor.md"): 1,
    ("docs/quickstart.md", "installation"): 1,
}
PAGES = [page for page in user_pages() if blocks(page)]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if any(not b.reason for b in blocks(p))], ids=_name)
def test_page_runs_as_printed(page: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path) > 0


def test_the_list_of_what_is_not_run_is_exact() -> None:
    found: dict[tuple[str, str], int] = {}
    for page in PAGES:
        for block in blocks(page):
            if block.reason:
                key = (_name(page), block.reason)
                found[key] = found.get(key, 0) + 1
    assert found == NOT_RUN


def test_pages_that_are_run_elsewhere_are() -> None:
    for page, test in ELSEWHERE.items():
        assert (ROOT / page).is_file() and Path(page).name in (ROOT / test).read_text(encoding="utf-8")


def test_a_block_that_is_wrong_fails(tmp_path: Path) -> None:
    for code in ("```sh\nfalse\n```\n", "```console\n$ echo one\ntwo\n```\n", "```python\nassert False\n```\n"):
        page = tmp_path / "page.md"
        page.write_text(code)
        with pytest.raises(AssertionError):
            run_page(page, tmp_path)


def test_pages_share_files_and_names(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '```toml title="a.toml"\nb = 1\n```\n\n```python\nimport pathlib\ntext = pathlib.Path("a.toml").read_text()\n```\n'
        "\n<!-- not run: a reason -->\n```sh\nfalse\n```\n\n```python\nassert text\n```\n\n```console\n$ cat a.toml\nb = 1\n```\n"
    )
    assert run_page(page, tmp_path) == 4
