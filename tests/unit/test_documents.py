"""Documents agree with the code: codes, commands, paths, links, tables of fields, messages and error terms."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from tests.support.tiny import KEYS, SETS, TINY, Tiny, tiny_run
from zkdl import errors
from zkdl.cli.main import cli
from zkdl.cli.verbs import VERBS
from zkdl.commitment.link import link_shape
from zkdl.hiding.ledger import PadCount
from zkdl.proof import certificate, data_proof
from zkdl.proof.data_proof import data_proof_layout
from zkdl.proof.format import FORMAT_VERSION, MAGIC, PROTOCOL
from zkdl.proof.prove import prove_data_certificate
from zkdl.proof.run_certificates import DATA_PROTOCOL, data_certificate_layout
from zkdl.proof.security import certificate_report, data_proof_report, segment_report
from zkdl.statement import tables
from zkdl.transcript.channel import VerifierChannel
from zkdl.transcript.transcript import PUBLIC, Transcript

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "zkdl"
SPEC = ROOT / "docs" / "spec"
DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("benchmarks/*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """Cells of every table row."""
    for line in text.splitlines():
        if line.startswith("|") and not set(line) <= set("|-: "):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def section(text: str, title: str) -> str:
    """The text below a heading, up to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found.group(2)


# Errors


def _constants(node: ast.expr) -> Iterator[str]:
    """Strings that an expression may evaluate to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _constants(value)


def codes_in_source() -> set[str]:
    found = {"OK"}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code":
                found |= set(_constants(node.value))
            elif isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "default_code" for t in node.targets):
                found |= set(_constants(node.value))
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "code":
                        found |= set(_constants(value))
    return {code for code in found if re.fullmatch(r"[A-Z][A-Z0-9_]+", code)}


def test_every_code_is_documented() -> None:
    documented = set(quoted(read("docs/errors.md")))
    assert not codes_in_source() - documented
    listed = {quoted(row[0])[0] for row in rows(read("docs/errors.md")) if re.fullmatch(r"`[A-Z0-9_]+`", row[0])}
    assert len(listed) > 40
    assert not listed - codes_in_source(), "documented, but nothing raises them"


def test_exit_statuses_of_the_readme() -> None:
    table = {int(row[0]) for row in rows(read("README.md")) if row[0].isdigit()}
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ZkError)]
    assert table == {0, 130, *(kind.exit_status for kind in classes)}


# Commands


def shell_commands(text: str) -> list[str]:
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]


def test_the_two_commands() -> None:
    first, second = shell_commands(read("README.md"))
    assert first.endswith("zkdl demo") and "pip install ." in first
    assert '".[dev]"' in second and second.endswith("-m pytest")
    assert read(".ci/run").rstrip().endswith(second), "continuous integration runs the README's test command"
    assert re.search(r"^dev = \[", read("pyproject.toml"), re.MULTILINE)


def test_verbs_and_options_exist() -> None:
    readme = read("README.md")
    context = click.Context(cli)
    table = {quoted(row[0])[0].split()[1]: row[1] for row in rows(readme) if row[0].startswith("`zkdl ")}
    assert list(table) == list(VERBS)
    for verb, text in table.items():
        command = cli.get_command(context, verb)
        assert command is not None
        options = {name for parameter in command.params for name in parameter.opts}
        assert {"--json", "--quiet"} <= options
        assert set(re.findall(r"--[a-z-]+", text)) <= options


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_name_real_verbs(path: Path) -> None:
    for verb, options in re.findall(
        r"`zkdl ([a-z]+)((?: [^`]+)?)`", path.read_text(encoding="utf-8").replace("\n", " ")
    ):
        assert verb in VERBS
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", options)) <= known


def test_the_toml_example_is_a_configuration() -> None:
    import tomllib

    from zkdl.configuration import SECTIONS, from_values

    found = tomllib.loads(re.search(r"```toml\n(.*?)```", read("README.md"), re.DOTALL).group(1))  # type: ignore[union-attr]  # a missing block fails
    assert all(name in SECTIONS[part] for part, values in found.items() for name in values)
    configuration = from_values({name: value for values in found.values() for name, value in values.items()})
    assert configuration.widths == (784, 256, 256, 10)


def test_the_python_example_uses_real_names() -> None:
    import zkdl

    code = re.search(r"```python\n(.*?)```", read("README.md"), re.DOTALL)
    assert code is not None
    tree = ast.parse(code.group(1))
    names = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "zkdl"]
    assert {"Run", "MLP", "verify"} <= set(names)
    assert all(hasattr(zkdl, name) for name in names)
    methods = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "run"]
    assert all(hasattr(zkdl.Run, name) for name in methods)


def test_the_table_of_results_has_its_place() -> None:
    results = section(read("README.md"), "Results")
    assert "benchmarks.mnist" in results
    measured = json.loads(read("benchmarks/results/mnist.json"))
    assert f"{measured['prove_s']:.0f} s ({1e3 * measured['prover_s_per_step']:.0f} ms per step" in results
    assert f"{measured['verify_s']:.1f} s / {measured['verify_numpy_s']:.1f} s" in results
    assert f"{100 * measured['integer_accuracy']:.2f} % integer" in results
    headline = json.loads(read("benchmarks/results/headline.json"))
    for run in headline["runs"]:
        for figure in (f"{run['prover_s_per_step']:.3f} s", f"{run['proof_bytes'] / 1e6:.1f} MB"):
            assert figure in results


# Links and paths


def _anchors(path: Path) -> set[str]:
    out = set()
    for title in re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", title.lower())
        out.add(plain.replace(" ", "-"))
    return out


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


@pytest.mark.parametrize(
    "name", ["NOTATION.md", "SECURITY.md", "CONTRIBUTING.md", "README.md", "docs/security/holes.md"]
)
def test_paths_exist(name: str) -> None:
    found = {word for word in quoted(read(name)) if re.fullmatch(r"[\w./]+/[\w.]*|[\w/]+\.(?:py|cpp|h)", word)}
    # Folders of a run directory.
    private = ("weights/", "sections/", "segments/", "secrets/")
    missing = [
        word
        for word in found
        if "/" in word and not word.startswith(private) and not (SOURCE / word).exists() and not (ROOT / word).exists()
    ]
    assert not missing


def test_every_notation_row_says_where() -> None:
    text = read("NOTATION.md")
    for row in rows(text):
        if row[0] in ("symbol", "name"):
            assert row[-1] in ("where proven", "fixed in", "checked in", "where drawn or made")
        else:
            assert quoted(row[-1]), row
            assert all((SOURCE / path).exists() for path in quoted(row[-1])), row


def test_every_committed_column_is_in_the_notation() -> None:
    named = set(re.findall(r'`\("(\w+)", [lL]\)`', read("NOTATION.md")))
    limbs = tiny_run().segment.limbs
    for loss in ("ce", "mse"):
        for low_bits in (13, 7):  # two limbs, three limbs
            tiny = tiny_run(loss=loss, limbs=replace(limbs, low_bits=low_bits))
            assert {name for name, _ in tiny.public.layout.columns} <= named


@pytest.mark.parametrize("page", sorted(SOURCE.glob("protocols/[a-z]*.py")), ids=lambda path: path.stem)
def test_every_protocol_has_a_page(page: Path) -> None:
    text = read(f"docs/how-it-works/{page.stem}.md")
    assert f"protocols/{page.name}" in text and "Error:" in text or page.stem in ("gather",)
    assert f"({page.stem}.md)" in read("docs/how-it-works/README.md")


# Works that are cited by a name without a year.
NAMED = ("WHIR", "Longfellow", "zkDL")


def _citations() -> Iterator[tuple[str, str]]:
    """(where, key) of everything cited in square brackets, and of the works in NAMED in documents."""
    cited = r"\[([A-Z][A-Za-z]+\d\d|[a-z-]+\.md|" + "|".join(NAMED) + r")\b"
    for path in SOURCE.rglob("*.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for key in re.findall(cited, docstring):
            yield path.name, key
    for path in DOCUMENTS:
        if path.is_relative_to(ROOT / "docs" / "design") or path.name == "references.md":
            continue  # the design notes have lists of their own
        # A link's text is no citation.
        text = re.sub(r"\[[^\]]*\]\([^)]*\)", "", path.read_text(encoding="utf-8"))
        for key in re.findall(cited, text) + re.findall(rf"\b({'|'.join(NAMED)})\b", text):
            yield path.name, key


def test_citations_have_a_source() -> None:
    keys = {word for row in rows(read("docs/references.md")) for word in re.split(r"[,\s]+", row[0].replace("`", ""))}
    found = set(_citations())
    assert {"BCHKS25", "WHIR", "Gruen24"} <= {key for _, key in found}, "the pattern still finds citations"
    assert [f"{where} cites {key}" for where, key in sorted(found) if key not in keys] == []


# Specification


def test_fields_of_the_statements() -> None:
    tiny = tiny_run()
    text = read("docs/spec/statement.md")
    listed = [quoted(row[0]) for row in rows(section(text, "Run")) if row[0] != "field"]
    run = tiny.run.to_json()
    assert [name for names in listed for name in names] == [*run, *run["format"]]
    listed = [quoted(row[0]) for row in rows(section(text, "Segment")) if row[0] != "field"]
    assert [name for names in listed for name in names] == list(tiny.segment.to_json())


def test_tables_of_the_specification() -> None:
    text = section(read("docs/spec/training.md"), "Tables")
    assert {quoted(row[0])[0]: int(row[1]) for row in rows(text) if row[0] != "table"} == tables.TAGS


def test_container_constants() -> None:
    text = read("docs/spec/container.md")
    assert (
        f"`{MAGIC.decode()}`" in text and f"u32 format version = {FORMAT_VERSION}" in text and f"`{PROTOCOL}`" in text
    )
    assert f"Proof format: {FORMAT_VERSION} " in read("CHANGELOG.md")


class _Spy:
    """Labels of everything a verifier absorbs, draws and reads, in the order of their first use."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: dict[tuple[str, str], int] = {}
        absorb, squeeze, last = Transcript.absorb, Transcript.squeeze, VerifierChannel.receive_last

        def note(who: str, label: str, n_bytes: int) -> None:
            self.seen.setdefault((who, label), n_bytes)

        def spy_absorb(transcript: Transcript, label: str, kind: int, data: bytes) -> None:
            note("-" if kind == PUBLIC else "P", label, len(data))
            absorb(transcript, label, kind, data)

        def spy_squeeze(transcript: Transcript, label: str, n_bytes: int) -> bytes:
            note("V", label, n_bytes)
            return squeeze(transcript, label, n_bytes)

        def spy_last(channel: VerifierChannel, label: str, n_bytes: int) -> bytes:
            note("P", label, n_bytes)
            return last(channel, label, n_bytes)

        monkeypatch.setattr(Transcript, "absorb", spy_absorb)
        monkeypatch.setattr(Transcript, "squeeze", spy_squeeze)
        monkeypatch.setattr(VerifierChannel, "receive_last", spy_last)

    def messages(self) -> list[tuple[str, str]]:
        """Without the two absorptions that start every transcript."""
        ignored = [("-", "protocol"), ("-", "statement")]
        return [message for message in self.seen if message not in ignored]


def specified(name: str, openings: list[str]) -> list[tuple[str, str]]:
    """Messages of a specification page; runs of rows with <name> repeat for every opening."""
    messages = rows(section(read(f"docs/spec/{name}"), "Messages"))
    found = [(row[0], quoted(row[1])) for row in messages if row[0] in ("P", "V")]
    out: list[tuple[str, str]] = []
    i = 0
    while i < len(found):
        run = i
        while run < len(found) and "<name>" in found[run][1][0]:
            run += 1
        if run == i:
            out += [(found[i][0], label) for label in found[i][1]]
            i += 1
            continue
        for opening in openings:
            for who, labels in found[i:run]:
                out += [(who, label.replace("<name>", opening)) for label in labels]
        i = run
    return out


def _proven(tiny: Tiny) -> tuple[Tiny, bytes]:
    witness, weights_out = tiny.witness()
    public, proof, _ = tiny.prove_segment(witness, weights_out)
    return replace(tiny, segment=public.segment), proof


@pytest.mark.parametrize(("loss", "seeded"), [("ce", True), ("mse", False)])
def test_messages_of_a_segment(loss: str, seeded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, proof = _proven(tiny_run(loss=loss, seeded=seeded))
    expected = specified("segment.md", tiny.public.openings)
    absent = {"grind"} | ({"w_in-values"} if seeded else set())
    absent |= {"division", "division-product"} if loss == "mse" else set()
    spy = _Spy(monkeypatch)
    tiny.verify_segment(tiny.public, io.BytesIO(proof), alone=True)
    assert spy.messages() == [message for message in expected if message[1] not in absent]


def test_messages_of_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tiny_run()
    proof = prove_data_certificate(tiny.run, tiny.dataset, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
    layout = data_certificate_layout(tiny.run, TINY)
    spy = _Spy(monkeypatch)
    certificate.verify(tiny.backend, DATA_PROTOCOL, tiny.run.canonical(), layout, tiny.dataset.root, io.BytesIO(proof))
    expected = specified("certificates.md", ["target", "own"])
    assert spy.messages() == [message for message in expected if message[1] != "grind"]


def test_messages_of_a_data_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tiny_run()
    link = tiny.prove_segment(*tiny.witness())[2]
    proof = tiny.prove_data([link])
    spy = _Spy(monkeypatch)
    tiny.verify_data([link.public], io.BytesIO(proof))
    assert spy.messages() == specified("dataset.md", list(data_proof.OPENINGS))
    assert link.committed.shape == link_shape(tiny.run.data_budget, TINY)


def test_pad_counts_of_the_specification() -> None:
    for loss in ("ce", "mse"):
        for seeded in (True, False):
            public = tiny_run(loss=loss, seeded=seeded).public
            layers, biases, v = public.run.L, sum(public.run.bias), public.layout.leaves.n_vars
            slots = public.layout.log_steps + public.layout.log_batch
            cross = loss == "ce"
            singles = v * (v - 1) + (3 + 2 * slots if cross else 1 + 3)
            singles += 2 * public.shape.n_vars + biases + layers + biases + 3 * slots
            singles += 0 if seeded else layers + biases + layers - 1
            codes = {"witness": public.layout.code.log_row, "link": 7}
            for name in public.openings:
                singles += 2 * codes.get(name, public.layout.weights.code.log_row) + 1
            plan = data_proof_layout(public.run, 4, TINY)
            values = 3 if cross else 5
            assert plan.pad_count() == PadCount(4 * values + 2 * (7 + plan.dataset.code.log_row) + 2)
            count = public.pad_count()
            assert (count.singles, count.products) == (singles, 1 + 2 * v + int(cross) + 2 * (2 * layers - 1))


def test_error_terms_of_the_budget() -> None:
    listed = {row[0] for row in rows(section(read("SECURITY.md"), "Error budget")) if row[0] != "term"}
    tiny = tiny_run(seeded=False)
    reports = [
        segment_report(tiny.public),
        certificate_report("data", data_certificate_layout(tiny.run, TINY)),
        data_proof_report(data_proof_layout(tiny.run, 3, TINY)),
    ]
    names = set()
    for report in reports:
        for term in report.terms:
            where, _, what = term.name.partition(": ")
            opening = where in {*tiny.public.openings, *data_proof.OPENINGS, "target", "limbs"}
            if what == "positions":
                names.add("positions")
            else:
                names.add(f"*opening*: {what}" if opening else term.name)
    assert names == listed
