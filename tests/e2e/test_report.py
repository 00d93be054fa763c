"""`zkdl report`: what it says in every state, that it loads nothing, and that a public one holds no secret."""

from __future__ import annotations

import json
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.e2e.running import Finished, finish, refusal, zkdl
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory

VOID = {"meta", "link"}
LOADING = {"src", "href", "srcset", "action", "data", "poster", "formaction", "background"}


class Page(HTMLParser):
    """Checks that tags are balanced, and collects text, tags and attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(run: Path, target: Path, *options: object) -> Page:
    done = zkdl("report", run, "--out", target, "--quiet", *options)
    assert done.status == 0, done.stderr
    return Page(target.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def private(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("private") / "r.html"
    report(finished.run, target)
    return target


@pytest.fixture(scope="module")
def public(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("public") / "r.html"
    report(finished.run, target, "--public")
    return target


def test_says_what_verify_says(private: Path, finished: Finished) -> None:
    page = Page(private.read_text())
    proven, rest = verify(finished.proof).describe().split("\n\nNot proven or only assumed:\n")
    assert all(" ".join(line.split()) in page.text for line in proven.splitlines())
    caveats = [line[4:] for line in rest.split("\n\n")[0].splitlines()]
    assert len(caveats) > 3 and all(line[1:] in page.text for line in caveats)
    assert verify(finished.proof).proof_sha256 in page.text
    assert "Proved and verified" in page.text and "UNPROVED" not in page.text


@pytest.mark.parametrize("kind", ["private", "public"])
def test_loads_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    source = request.getfixturevalue(kind).read_text()
    page = Page(source)
    assert not re.search(r"(https?:)?//\w|url\(|@import|javascript:", source)
    loads = [value for _, attributes in page.tags for name, value in attributes.items() if name in LOADING]
    assert loads == ["data:,"]
    assert {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "embed", "form"} == set()
    assert "default-src 'none'" in source and "prefers-color-scheme: dark" in source


def test_a_private_report_is_marked_and_closed_to_others(private: Path, finished: Finished) -> None:
    page = Page(private.read_text())
    assert "Private: contains figures that the proof hides" in page.text
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert page.text.count("float32") > 2 and "layer 1: gradients" in page.text
    tags = [tag for tag, _ in page.tags]
    assert tags.count("polyline") == 4 and tags.count("rect") > 8
    left = [RunDirectory(finished.run).read_figures(f"training-{i}") or {} for i in (0, 1)]
    assert f"layer 1: activations {min(f['forward_headroom'][0] for f in left):.1f} " in page.text


def test_a_public_report_holds_nothing_of_the_witness(public: Path, tmp_path: Path, finished: Finished) -> None:
    """Other figures, weights and data in the run directory give the same public report, but for the verifier's times."""
    other = finished.copy(tmp_path / "other")
    for path in (other.run / "figures").iterdir():
        path.unlink()
    (other.run / "data.npz").unlink()
    for path in (other.run / "weights").iterdir():
        path.unlink()
    report(other.run, tmp_path / "r.html", "--public")
    times = re.compile(r"\d+(\.\d+)? m?s\b")
    assert times.sub("T", (tmp_path / "r.html").read_text()) == times.sub("T", public.read_text())
    text = Page(public.read_text()).text
    assert "Private" not in text and "<polyline" not in public.read_text() and "headroom" not in text.lower()
    assert "Loss and accuracy" not in text and "prover's time" not in text


def test_soundness_marks_the_binding_term(private: Path, finished: Finished) -> None:
    weakest = min(verify(finished.proof).reports, key=lambda found: found.bits)
    assert f"<strong>{weakest.binding}</strong>" in private.read_text()


def test_without_proof_it_is_unproved(finished: Finished, tmp_path: Path) -> None:
    bare = finished.copy(tmp_path / "bare")
    bare.proof.unlink()
    page = report(bare.run, tmp_path / "r.html")
    assert "UNPROVED" in page.text and "Not verified" in page.text and "Proved and verified" not in page.text
    assert ("div", {"class": "status bad"}) in page.tags
    assert "Proven:" not in page.text
    report_card = tmp_path / "card.md"
    assert zkdl("report", bare.run, "--model-card", "--out", report_card).status == 0
    assert "UNPROVED" in report_card.read_text() and "zk-training-proof" not in report_card.read_text()


@pytest.mark.parametrize("place, status", [(-100, 1), (3, 3)])
def test_a_rejected_proof_is_reported_and_refused(finished: Finished, tmp_path: Path, place: int, status: int) -> None:
    false = finished.copy(tmp_path / "false")
    data = bytearray(false.proof.read_bytes())
    data[place] ^= 1
    false.proof.write_bytes(bytes(data))
    target = tmp_path / "r.html"
    assert refusal("report", false.run, "--out", target)[0] == status
    page = Page(target.read_text())
    assert "UNPROVED: the proof was rejected" in page.text and "Proven:" not in page.text


def test_the_proof_of_another_run_is_refused(finished: Finished, tmp_path: Path) -> None:
    other = finish(tmp_path / "other", run='seed = "another"')
    target = tmp_path / "r.html"
    assert refusal("report", other.run, "--proof", finished.proof, "--out", target) == (1, "EXPECTED_STATEMENT")
    assert "UNPROVED" in target.read_text()


def test_hostile_names_are_escaped(finished: Finished, tmp_path: Path) -> None:
    hostile = finished.copy(tmp_path / "copy")
    name = "<script>alert(1)</script>'\"&`\n```.zkproof".replace("/", "\u2215")
    hostile.proof.rename(hostile.run / name)
    target = tmp_path / "r.html"
    page = report(hostile.run, target, "--proof", hostile.run / name)
    assert "script" not in {tag for tag, _ in page.tags} and "<script" not in target.read_text()
    assert "<script>alert(1)" in page.text
    card = tmp_path / "card.md"
    assert zkdl("report", hostile.run, "--proof", hostile.run / name, "--model-card", "--out", card).status == 0
    assert "````sh\n" in card.read_text() and "\n```.zkproof" not in card.read_text()


def test_model_card(finished: Finished, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    done = zkdl("report", finished.run, "--model-card", "--out", card, "--json")
    assert done.status == 0 and done.answer["kind"] == "model-card" and done.answer["public"] is True
    text = card.read_text()
    assert text.startswith("---\ntags:\n- zk-training-proof\n---\n")
    assert verify(finished.proof).proof_sha256 in text and "Not proven or only assumed:" in text
    assert "zkdl verify run.zkproof" in text


def test_json_and_default_place(finished: Finished, tmp_path: Path) -> None:
    copy = finished.copy(tmp_path / "copy")
    done = zkdl("report", copy.run, "--json", "--quiet")
    assert done.status == 0, done.stderr
    expected = {
        "schema": "zkdl/report/1",
        "ok": True,
        "code": "OK",
        "state": "verified",
        "public": False,
        "kind": "html",
    }
    assert done.answer == {**expected, "report": str(copy.run / "report.html")}
    assert (copy.run / "report.html").is_file()


def test_a_run_of_an_earlier_release_has_a_shorter_report(finished: Finished, tmp_path: Path) -> None:
    old = finished.copy(tmp_path / "old")
    for path in (old.run / "figures").iterdir():
        path.unlink()
    (old.run / "figures").rmdir()
    text = report(old.run, tmp_path / "r.html").text
    assert "not recorded" in text and "No times are remembered" in text


def test_test_data_of_the_configuration(finished: Finished, tmp_path: Path) -> None:
    configuration = finished.configuration
    target = tmp_path / "r.html"
    assert refusal("report", finished.run, "--config", configuration, "--out", target) == (2, "CONFIG_VALUE")
    text = configuration.read_text().replace('"digits.npz"', f'"{finished.data}"\ntest = "{finished.data}"')
    (tmp_path / "c.toml").write_text(text)
    page = report(finished.run, target, "--config", tmp_path / "c.toml")
    assert "Accuracy on the test data" in page.text
    (tmp_path / "c.toml").write_text(text.replace("[64, 12, 10]", "[64, 13, 10]"))
    assert refusal("report", finished.run, "--config", tmp_path / "c.toml", "--out", target) == (2, "RUN_OTHER")


def test_refusals(finished: Finished, tmp_path: Path) -> None:
    assert refusal("report", tmp_path) == (2, "RUN_MISSING")
    assert refusal("report", finished.run, "--proof", tmp_path / "none", "--out", tmp_path / "r") == (2, "FILE_MISSING")
    assert refusal("report", finished.run, "--out", tmp_path / "no" / "r.html") == (2, "FILE_WRITE")
    damaged = finished.copy(tmp_path / "damaged")
    for content in (b"[]", b"{", b"{}", json.dumps({"loss": [1]}).encode()):
        (damaged.run / "figures" / "training-0.json").write_bytes(content)
        assert refusal("report", damaged.run, "--out", tmp_path / "r.html") == (2, "RUN_DAMAGED")
