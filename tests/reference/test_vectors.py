"""The test vectors of docs/spec/vectors.md and transcript.md, which another hand computed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from zkdl.reference.canonical import build
from zkdl.reference.certificates import data_ranges, place
from zkdl.reference.field import K, codeword, eq_table, root_of_unity
from zkdl.reference.field import block_powers as powers_of
from zkdl.reference.opening import domain_point
from zkdl.reference.parameters import dataset_code, link_code
from zkdl.reference.segment import SegmentVerifier
from zkdl.reference.statement import Run, Segment
from zkdl.reference.training import batches, exponential, initial_weights, sampler_seed, update_integers
from zkdl.reference.transcript import Transcript

P = 2**64 - 2**32 + 1
RUN: dict[str, Any] = {
    "activation_frac_interval": [0, 8],
    "batch": 3,
    "beacon": None,
    "bias": [1, 1, 1],
    "data_budget": 10,
    "data_root": "1" * 64,
    "examples": 7,
    "format": {
        "activation_bits": 5,
        "exp_bits": 4,
        "feature_bits": 4,
        "feature_frac": 4,
        "feature_min": 0,
        "gradient_bits": 6,
        "headroom_bits": 3,
        "logit_bits": 6,
        "logit_frac": 3,
        "weight_frac": 12,
    },
    "gradient_frac_interval": [0, 8],
    "init_bias_bound": [0, 0, 0],
    "init_root": None,
    "init_seed": "cd" * 32,
    "init_weight_bound": [8192, 8972, 7094],
    "last_batch": "keep",
    "loss": "ce",
    "parameter_set": "zkdl-100",
    "run_id": "ab" * 32,
    "schedule": [[0, 2147483648], [2, 1073741824]],
    "steps": 5,
    "weights_budget": 4,
    "widths": [6, 5, 4, 3],
}
SEGMENT: dict[str, Any] = {
    "first_step": 0,
    "index": 0,
    "limbs": {"e_backward": 0, "e_forward": 0, "low_bits": 7},
    "scales": {"fa": [4, 3, 3, 3], "fg": [4, 4, 5]},
    "steps": 5,
    "w_in": {"bias_bound": [0, 0, 0], "root": "", "step": 0, "weight_bound": [8192, 8972, 7094]},
    "w_out": {"bias_bound": [13392, 14136, 6696], "root": "2" * 64, "step": 5, "weight_bound": [20747, 63749, 33041]},
}


def statements(low_bits: int = 7) -> tuple[Run, Segment]:
    given = json.loads(json.dumps(SEGMENT))
    given["limbs"]["low_bits"] = low_bits
    return build(Run, RUN, "run"), build(Segment, given, "segment")


def test_algebra() -> None:
    assert K(P - 1, 5) * K(3, P - 2) == K(18446744069414584248, 17)
    assert K(P - 1, 5).inverse() == K(17068539052734184343, 11555718986012584431)
    assert (root_of_unity(2), root_of_unity(4), root_of_unity(2**32)) == (P - 1, 281474976710656, 1753635133440165772)
    assert eq_table([K(2, 1), K(5, 0)]) == [K(4, 4), K(-5, -5), K(-8, -4), K(10, 5)]


def test_codeword() -> None:
    """The two rows of the vector are the halves of one row over K."""
    row = codeword([K(1, -1), K(2, 0), K(3, 7), K(4, 9), K(5, 8), K(6, -1)], 4)
    found = [row.at(powers_of(domain_point(8, j))) for j in range(8)]
    assert [x.a for x in found[:2]] == [18399456273327306716, 9216662305465379097]
    assert [x.b for x in found[:2]] == [18233948987021330052, 4602078464822810292]
    assert found[7] == K(9119152623135134745, 4639653458218129588)


def test_transcript() -> None:
    transcript = Transcript("zkdl/example/1", b"abc")
    assert transcript.state.hex().startswith("37ca5d01c5fe")
    transcript.absorb("root/pads", 1, bytes(range(32)))
    transcript.work(8, (396).to_bytes(8, "little"))
    assert transcript.state.hex().startswith("3fec56fe8e3a")
    assert transcript.challenge("chi") == K(18046472791034738815, 12454705156355245160)
    transcript.absorb("chi-values", 2, (1).to_bytes(8, "little") + (2).to_bytes(8, "little"))
    assert transcript.positions("pads/positions", 16, 3) == [1, 4, 7]
    assert transcript.state.hex().startswith("3f0a38e6a174")


def test_training() -> None:
    run, segment = statements()
    assert sampler_seed(run).hex() == "a36051e90ca30d3a8a0e8130bef778b1e2618ef0dbceabf0b61241cabe5495b5"
    assert batches(run, segment) == [[5, 0, 3], [6, 4, 1], [2], [4, 3, 0], [2, 5, 1]]
    assert update_integers(run, segment) == [[3, 3, 1, 1, 1], [5, 5, 3, 3, 3], [3, 3, 1, 1, 1]]
    ends = [(weights[0], weights[1], weights[-1]) for weights in (list(initial_weights(run, l)) for l in range(3))]
    assert ends == [(152, 753, 258), (722, -2300, 700), (757, 187, 1884)]
    assert [exponential(d, 3, 4) for d in range(8)] == [16, 14, 12, 11, 10, 9, 8, 7]
    run.check()
    segment.check(run)


def test_segment() -> None:
    run, segment = statements()
    proof = SegmentVerifier(run, segment)
    digests = {table.name: (table.rows, table.digest().hex()[:8]) for table in proof.tables}
    assert digests == {
        "activation": (512, "63d44938"),
        "logit": (512, "786716d6"),
        "gradient": (1024, "49d34f01"),
        "range": (224, "058476f5"),
        "exp": (63, "eebe0597"),
        "probability": (66, "584a8737"),
        "max_count": (3, "1108b951"),
    }
    assert proof.layout.code == (50, 7, 1, 161, 161, 10)
    assert proof.codes["link"] == (2, 7, 10, 136, 1360, 13) and proof.weights_code == (6, 6, 4, 127, 508, 12)
    assert proof.pads == (6, 9, 1, 131, 131, 12) and proof.pad_counts() == (248, 38)
    assert proof.leaves.rows == 47 and proof.leaves.variables == 13
    statement = proof.statement_bytes(batches(run, segment), update_integers(run, segment))
    assert len(statement) == 1862
    assert hashlib.sha256(statement).hexdigest() == "2f728079db427317db29e591eb409d28fbb82cd4e7624d46dcd650b978eb3750"
    assert round(proof.soundness().weakest, 4) == 101.2435


def test_segment_without_middle_limbs() -> None:
    run, segment = statements(low_bits=13)
    proof = SegmentVerifier(run, segment)
    statement = proof.statement_bytes(batches(run, segment), update_integers(run, segment))
    assert proof.layout.rows == 138 and proof.leaves.rows == 135 and proof.pad_counts() == (302, 42)
    assert hashlib.sha256(statement).hexdigest() == "a41ba9b83d0a4465f745e7dd81cbefa722b47d3cf3bc72e4201a76fbf966e5b5"


def test_other_codes() -> None:
    run, _ = statements()
    target = dataset_code(7, 6, 3, 10)
    assert target == (9, 3, 10, 132, 1320, 13) and link_code(10, 2) == (4, 7, 10, 136, 1360, 13)
    leaves, own = place(data_ranges(run, target), target)
    assert own == (3, 3, 1, 218, 218, 9) and leaves.variables == 7
