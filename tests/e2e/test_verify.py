"""Binding a proof to weights, data and an expected statement; and files that are no valid proof."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from tests.e2e.running import EXAMPLES, Finished, refusal, write_examples, zkdl
from tests.support import header as container
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import STANDARD
from zkdl.commitment.stored import weights_root
from zkdl.errors import UsageError
from zkdl.proof.format import canonical_json
from zkdl.proof.revealed import read_weights
from zkdl.rundir import RunDirectory


def header_of(proof: Path) -> dict[str, Any]:
    found = json.loads(container.header_of(proof.read_bytes()))
    assert isinstance(found, dict)
    return found


def with_header(proof: Path, header: Any, target: Path) -> Path:
    """The proof under another header."""
    changed = header if isinstance(header, bytes) else canonical_json(header)
    target.write_bytes(container.with_header(proof.read_bytes(), changed))
    return target


def rewritten(weights: Path, target: Path, **metadata: str | None) -> dict[str, np.ndarray]:
    """Tensors of a weights file, for a caller who changes them and calls `store`."""
    del target, metadata
    return {name: np.array(tensor) for name, tensor in load(weights.read_bytes()).items()}


def store(weights: Path, tensors: dict[str, np.ndarray], target: Path, **changes: str | None) -> Path:
    """Write tensors with the metadata of `weights`, changed."""
    raw = weights.read_bytes()
    metadata = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    metadata = {name: value for name, value in {**metadata, **changes}.items() if value is not None}
    target.write_bytes(save(tensors, metadata))
    return target


def test_right_weights(finished: Finished) -> None:
    done = zkdl("verify", finished.proof, "--weights", finished.weights, "--json")
    assert done.status == 0 and done.answer["statement"]["checked"] == ["weights"]
    assert "holds exactly these weights" in zkdl("verify", finished.proof, "--weights", finished.weights).stdout


@pytest.mark.parametrize("length", [1, 5, 13])
def test_biases_of_another_length(finished: Finished, tmp_path: Path, length: int) -> None:
    """A single value must not be spread over a layer, and no other length may end in an error of numpy."""
    tensors = rewritten(finished.weights, tmp_path)
    tensors["layer.1.bias"] = np.resize(tensors["layer.1.bias"], length)
    target = store(finished.weights, tensors, tmp_path / "w")
    assert refusal("verify", finished.proof, "--weights", target) == (1, "WEIGHTS_MODEL")
    with pytest.raises(UsageError) as caught:
        weights_root(read_weights(target)[0], bytes(32), 1, STANDARD, get_backend())
    assert caught.value.code == "WEIGHTS_SHAPE"


def test_what_is_handed_out_holds_no_other_secret(finished: Finished) -> None:
    """The weights file and the data key are for their owner to hand out, and neither gives away the master secret."""
    master = (finished.run / "secrets" / "master.key").read_bytes()
    directory = RunDirectory.open(finished.run)
    assert finished.data_key.read_bytes() == directory.key("data")
    revealed = finished.weights.read_bytes()
    assert directory.key("weights-6").hex().encode() in revealed
    for path in (finished.weights, finished.data_key, finished.proof):
        content = path.read_bytes()
        for secret in (master, *(directory.key(f"section-{name}") for name in ("data", "segment-0", "segment-1"))):
            assert secret not in content and secret.hex().encode() not in content
    assert stat.S_IMODE(finished.weights.stat().st_mode) == 0o600 == stat.S_IMODE(finished.data_key.stat().st_mode)
    assert sorted(path.name for path in (finished.run / "secrets").iterdir()) == ["data.key", "master.key"]


def test_one_wrong_weight(finished: Finished, tmp_path: Path) -> None:
    for name in ("layer.1.weight", "layer.2.bias"):
        tensors = rewritten(finished.weights, tmp_path)
        tensors[name].flat[-1] += 1
        target = store(finished.weights, tensors, tmp_path / "w")
        assert refusal("verify", finished.proof, "--weights", target) == (1, "WEIGHTS")


def test_wrong_key_of_the_weights(finished: Finished, tmp_path: Path) -> None:
    target = store(finished.weights, rewritten(finished.weights, tmp_path), tmp_path / "w", commitment_key="00" * 32)
    assert refusal("verify", finished.proof, "--weights", target) == (1, "WEIGHTS")


def test_weights_of_another_model(finished: Finished, tmp_path: Path) -> None:
    tensors = rewritten(finished.weights, tmp_path)
    wider = {**tensors, "layer.1.weight": np.zeros((64, 13), dtype=np.int64)}
    without = {name: tensor for name, tensor in tensors.items() if name != "layer.2.bias"}
    first = {name: tensor for name, tensor in tensors.items() if name.startswith("layer.1")}
    for changed in (wider, without, first):
        target = store(finished.weights, changed, tmp_path / "w")
        assert refusal("verify", finished.proof, "--weights", target) == (1, "WEIGHTS_MODEL")
    target = store(finished.weights, tensors, tmp_path / "w", weight_frac="7")
    assert refusal("verify", finished.proof, "--weights", target) == (1, "WEIGHTS_MODEL")


def test_weights_files_that_are_none(finished: Finished, tmp_path: Path) -> None:
    assert refusal("verify", finished.proof, "--weights", tmp_path / "none") == (2, "FILE_MISSING")
    tensors = rewritten(finished.weights, tmp_path)
    raw = finished.weights.read_bytes()
    bad: list[bytes] = [
        b"", b"short", raw[:100], raw[:-8], b"\xff" * 64, bytes(8) + raw,
        store(finished.weights, tensors, tmp_path / "a", commitment_key=None).read_bytes(),
        store(finished.weights, tensors, tmp_path / "a", commitment_key="xy").read_bytes(),
        store(finished.weights, tensors, tmp_path / "a", weight_frac="many").read_bytes(),
        store(finished.weights, {"other": tensors["layer.1.weight"]}, tmp_path / "a").read_bytes(),
        store(
            finished.weights, {**tensors, "layer.1.weight": np.zeros((64, 12), dtype=np.float32)}, tmp_path / "a"
        ).read_bytes(),
        store(
            finished.weights, {**tensors, "layer.1.weight": np.zeros((64, 3, 4), dtype=np.int64)}, tmp_path / "a"
        ).read_bytes(),
    ]  # fmt: skip
    for content in bad:
        (tmp_path / "w").write_bytes(content)
        assert refusal("verify", finished.proof, "--weights", tmp_path / "w") == (2, "WEIGHTS_FILE")
    # What the run directory holds is not what was revealed: it has no key.
    kept = finished.run / "weights" / "step-6.safetensors"
    assert refusal("verify", finished.proof, "--weights", kept) == (2, "WEIGHTS_FILE")


def test_weights_of_an_earlier_step(finished: Finished, tmp_path: Path) -> None:
    kept = load((finished.run / "weights" / "step-4.safetensors").read_bytes())
    key = RunDirectory(finished.run).key("weights-4").hex()
    target = store(finished.weights, kept, tmp_path / "w", commitment_key=key)
    assert refusal("verify", finished.proof, "--weights", target) == (1, "WEIGHTS")


@pytest.mark.parametrize("hexadecimal", [False, True])
def test_right_data(finished: Finished, tmp_path: Path, hexadecimal: bool) -> None:
    key = finished.data_key
    if hexadecimal:
        key = tmp_path / "key"
        key.write_text(finished.data_key.read_bytes().hex() + "\n")
    done = zkdl("verify", finished.proof, "--data", finished.data, "--data-key", key, "--json")
    assert done.status == 0 and done.answer["statement"]["checked"] == ["data"]


def test_right_data_as_csv(finished: Finished, tmp_path: Path) -> None:
    with np.load(finished.data) as archive:
        x, y = archive["features"], archive["labels"]
    names = ",".join(["class", *(f"pixel{i}" for i in range(64))])
    np.savetxt(tmp_path / "d.csv", np.column_stack([y, x]), delimiter=",", fmt="%d", header=names, comments="")
    options = ("--data", tmp_path / "d.csv", "--data-key", finished.data_key, "--json")
    assert zkdl("verify", finished.proof, *options, "--label-column", "class").status == 0
    assert zkdl("verify", finished.proof, *options).code == "DATA_ROOT"


def test_wrong_data(finished: Finished, tmp_path: Path) -> None:
    def check(x: np.ndarray, y: np.ndarray) -> tuple[int, str]:
        np.savez(tmp_path / "d.npz", features=x, labels=y)
        return refusal("verify", finished.proof, "--data", tmp_path / "d.npz", "--data-key", finished.data_key)

    with np.load(finished.data) as archive:
        x, y = archive["features"], archive["labels"]
    one, label = x.copy(), y.copy()
    one[-1, -1] ^= 1
    label[0] = (label[0] + 1) % 10
    order = np.r_[1, 0, 2:EXAMPLES]
    far = np.where(x == 16, 99, x)
    for features, labels in ((one, y), (x, label), (x[order], y[order]), (x[1:], y[1:]), (x[:, 1:], y), (far, y)):
        assert check(features, labels) == (1, "DATA_ROOT")
    assert check(x, y + 1) == (1, "DATA_ROOT")
    assert refusal("verify", finished.proof, "--data", "digits", "--data-key", finished.data_key) == (1, "DATA_ROOT")


def test_data_keys(finished: Finished, tmp_path: Path) -> None:
    data = ("--data", finished.data)
    (tmp_path / "key").write_bytes(bytes(32))
    assert refusal("verify", finished.proof, *data, "--data-key", tmp_path / "key") == (1, "DATA_ROOT")
    for content in (b"", b"xyz", bytes(31), b"g" * 64):
        (tmp_path / "key").write_bytes(content)
        assert refusal("verify", finished.proof, *data, "--data-key", tmp_path / "key") == (2, "KEY_FILE")
    assert refusal("verify", finished.proof, *data, "--data-key", tmp_path / "none") == (2, "FILE_MISSING")
    assert refusal("verify", finished.proof, *data) == (2, "DATA_KEY")
    assert refusal("verify", finished.proof, "--data-key", finished.data_key) == (2, "DATA_KEY")
    missing = ("--data", tmp_path / "none.npz", "--data-key", finished.data_key)
    assert refusal("verify", finished.proof, *missing) == (2, "DATA_MISSING")


def test_expected_statement(finished: Finished, tmp_path: Path) -> None:
    def check(text: str) -> tuple[int, str]:
        (tmp_path / "e.json").write_text(text)
        done = zkdl("verify", finished.proof, "--expect", tmp_path / "e.json", "--json")
        return done.status, done.code

    run = header_of(finished.proof)["run"]
    assert check(json.dumps({"batch": 8, "widths": [64, 12, 10], "format": {"feature_bits": 5}})) == (0, "OK")
    assert check("{}") == (0, "OK")
    for wrong in (
        {"batch": 9}, {"batch": "8"}, {"batch": True}, {"widths": [64, 12]}, {"format": {"feature_bits": 6}},
        {"format": {"unknown": 6}}, {"format": 5}, {"data_root": "00" * 32}, {"bias": [1, 0]}, {"init_root": run["init_seed"]},
    ):  # fmt: skip
        assert check(json.dumps(wrong)) == (1, "EXPECTED_STATEMENT")
    for text in ('{"no_such_field": 1}', "[]", "3", "not json", "\x00", "[" * 100000):
        assert check(text) == (2, "EXPECT_FIELD")
    assert refusal("verify", finished.proof, "--expect", tmp_path / "none") == (2, "FILE_MISSING")


def test_files_that_are_no_proof(finished: Finished, tmp_path: Path) -> None:
    whole = finished.proof.read_bytes()
    version = whole[:8] + (2).to_bytes(4, "little") + whole[12:]
    endless = whole[:12] + b"\xff" * 4 + whole[container.HEAD :]
    for content, status, code in (
        (b"", 3, "PROOF_MAGIC"),
        (b"PK" + whole[2:], 3, "PROOF_MAGIC"),
        (version, 3, "VERSION"),
        (endless, 3, "HEADER"),
        (whole[:10], 3, "PROOF_TRUNCATED"),
        (whole[:100], 3, "PROOF_TRUNCATED"),
        (whole[: len(whole) // 2], 3, "PROOF_TRUNCATED"),
        (whole[:-1], 3, "PROOF_TRUNCATED"),
        (whole + b"\0", 3, "PROOF_TRAILING"),
        (whole + whole, 3, "PROOF_TRAILING"),
    ):
        (tmp_path / "p").write_bytes(content)
        assert refusal("verify", tmp_path / "p") == (status, code)
    assert refusal("verify", tmp_path / "none") == (2, "FILE_MISSING")
    assert refusal("verify", tmp_path) == (2, "FILE_MISSING")
    assert refusal("inspect", tmp_path) == (2, "FILE_MISSING")


def test_headers_of_another_form(finished: Finished, tmp_path: Path) -> None:
    header = header_of(finished.proof)
    run = header["run"]
    for changed, code in (
        (json.dumps(header).encode(), "HEADER"),
        (canonical_json(header).replace(b'"batch":8', b'"batch":8.0'), "HEADER"),
        (canonical_json(header).replace(b'"batch":8', b'"batch":' + b"9" * 200), "HEADER"),
        (canonical_json(header).replace(b'"batch":8', b'"batch":8,"batch":8'), "HEADER"),
        (b"[" * 200000, "HEADER"),
        (b"\xff\xfe", "HEADER"),
        ([], "HEADER"),
        ({**header, "more": 1}, "HEADER"),
        ({**header, "protocol": "zkdl/run/9"}, "VERSION"),
        ({**header, "sections": []}, "HEADER"),
        ({**header, "sections": [["data", -1]]}, "HEADER"),
        ({**header, "segments": {}}, "HEADER"),
        ({**header, "run": []}, "STATEMENT_FORMAT"),
        ({**header, "run": {**run, "batch": "8"}}, "STATEMENT_FORMAT"),
        ({**header, "run": {**run, "batch": True}}, "STATEMENT_FORMAT"),
        ({**header, "run": {name: value for name, value in run.items() if name != "batch"}}, "STATEMENT_FORMAT"),
        ({**header, "run": {**run, "extra": 8}}, "STATEMENT_FORMAT"),
        ({**header, "run": {**run, "parameter_set": "tiny-test"}}, "PARAMETER_SET"),
        ({**header, "run": {**run, "examples": 1 << 40}}, "TOO_LARGE"),
    ):  # fmt: skip
        assert refusal("verify", with_header(finished.proof, changed, tmp_path / "p")) == (3, code)


def test_statements_that_were_not_proven(finished: Finished, tmp_path: Path) -> None:
    header = header_of(finished.proof)
    run, segments = header["run"], header["segments"]
    first = segments[0]
    for changed, codes in (
        ({**header, "run": {**run, "schedule": [[0, 2 * run["schedule"][0][1]]]}}, None),
        ({**header, "run": {**run, "init_seed": "00" * 32}}, None),
        ({**header, "run": {**run, "data_root": "00" * 32}}, None),
        ({**header, "run": {**run, "loss": "mse"}}, None),
        ({**header, "run": {**run, "beacon": "ab"}}, None),
        ({**header, "run": {**run, "data_budget": run["data_budget"] + 1}}, None),
        ({**header, "run": {**run, "batch": 0}}, {"STATEMENT"}),
        ({**header, "segments": [{**first, "first_step": 1}, segments[1]]}, {"STATEMENT", "CHAIN"}),
        ({**header, "segments": segments[::-1]}, {"STATEMENT", "CHAIN"}),
        ({**header, "segments": [first, first]}, {"STATEMENT", "CHAIN"}),
        ({**header, "segments": [], "sections": [header["sections"][0], header["sections"][-1]]}, {"CHAIN"}),
    ):
        target = with_header(finished.proof, changed, tmp_path / "p")
        done = zkdl("verify", target, "--json")
        # Other sizes can also make the proof's bytes unreadable (status 3): never valid, never a crash.
        assert done.status in (1, 3) and (codes is None or done.code in codes), (done.status, done.code)
        assert zkdl("inspect", target, "--security", "--json").status in (0, 1, 3)


def test_hostile_formats_do_not_reach_the_data(finished: Finished, tmp_path: Path) -> None:
    header = header_of(finished.proof)
    for change in ({"format": {**header["run"]["format"], "feature_bits": 10**70}}, {"widths": []}, {"widths": [64]}):
        target = with_header(finished.proof, {**header, "run": {**header["run"], **change}}, tmp_path / "p")
        options = ("--data", finished.data, "--data-key", finished.data_key)
        assert refusal("verify", target, *options)[0] in (1, 3)


def test_every_tenth_of_the_file_is_bound(finished: Finished, tmp_path: Path) -> None:
    whole = finished.proof.read_bytes()
    for place in range(20, len(whole), len(whole) // 10):
        changed = bytearray(whole)
        changed[place] ^= 1
        (tmp_path / "p").write_bytes(bytes(changed))
        assert refusal("verify", tmp_path / "p")[0] in (1, 3)


def test_other_numbers_of_examples(finished: Finished, tmp_path: Path) -> None:
    write_examples(tmp_path / "d.npz", EXAMPLES + 1)
    options = ("--data", tmp_path / "d.npz", "--data-key", finished.data_key)
    assert refusal("verify", finished.proof, *options) == (1, "DATA_ROOT")
