"""Makes the stored corpus: `python -m benchmarks.mutation.forge`.

A forger has the mutant itself: a child process without the check, in prover and verifier, looks for a cheat that the mutant
lets pass. What it finds is kept when the unchanged verifiers refuse it. If no cheat passes, an honest run is proven
without the check on both sides ("true statement"): the mutant accepts a proof that shows less than it should.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.header import header_of, with_header

from benchmarks.mutation import headers, isolate, store
from benchmarks.mutation.sites import Mutant, module_path, mutants
from benchmarks.mutation.store import Forgery
from benchmarks.mutation.trial import attempt, order
from benchmarks.mutation.verifiers import SOURCE, WEAK, all_mutants, load

# What the prover does by itself where the verifier has its own line.
OTHER_SIDE = {
    "zkdl.protocols.fractions:verify:constraint:0": ["zkdl.protocols.fractions:prove:constraint:0"],
    "zkdl.protocols.loss:verify:constraint:0": ["zkdl.protocols.loss:prove:constraint:0"],
    "zkdl.protocols.opening:verify:constraint:0": ["zkdl.protocols.opening:prove:constraint:0"],
    "zkdl.transcript.channel:VerifierChannel.receive_bytes:absorb:0": [
        "zkdl.transcript.channel:ProverChannel.send_bytes:absorb:0"
    ],
    "zkdl.transcript.channel:VerifierChannel.receive_elements:absorb:0": [
        "zkdl.transcript.channel:ProverChannel.send_elements:absorb:0"
    ],
    "zkdl.proof.data_proof:verify:absorb:0": ["zkdl.proof.data_proof:prove:absorb:0"],
    "zkdl.proof.certificate:verify:absorb:0": ["zkdl.proof.certificate:prove:absorb:0"],
    "zkdl.proof.segment_verifier:SegmentVerifier.receive_roots:absorb:0": [
        "zkdl.proof.segment_prover:SegmentProver.send_roots:absorb:0"
    ],
    "zkdl.proof.certificate:verify:require:1": ["zkdl.proof.certificate:prove:require:0"],
}
RULES = [
    "zkdl.statement.canonical:require:raise:0",
    "zkdl.statement.requantise:_requant.need:raise:0",
    "zkdl.statement.bounds:_check_product:raise:0",
    "zkdl.statement.run:RunStatement._validate_committed_bounds:raise:0",
    "zkdl.statement.schedule:update_integer:raise:0",
    "zkdl.statement.schedule:update_integer:raise:1",
]
"""Without these no statement breaks a rule."""
SMALL = 2048
"""Bytes of a forgery that is stored whether it kills a mutant or not."""
MIRRORED = {"constraint", "claim", "absorb", "bind"}


def _named(name: str) -> Mutant:
    module = name.split(":")[0]
    return next(m for m in mutants(module, module_path(SOURCE, module).read_text(encoding="utf-8")) if m.name == name)


def both_sides(mutant: Mutant) -> list[Mutant]:
    return [mutant, *map(_named, OTHER_SIDE.get(mutant.name, []))]


def _candidates(mutant: Mutant) -> Iterator[tuple[str, Callable[[], bytes]]]:
    from benchmarks.mutation import cheats

    if "weights" in mutant.function or "transposed" in mutant.function:
        yield from cheats.repertoire(("hidden", "deep"))
    else:
        yield from cheats.repertoire(("ce", "mse") if mutant.kind in MIRRORED else ("mse",))


def search(mutant: Mutant, limit_s: float) -> tuple[str, bytes] | None:
    """A container that the mutant accepts and that is no honest one: a false one, or else a mirrored true one."""

    def body() -> tuple[str, bytes] | None:
        from benchmarks.mutation import cheats

        ask, ends, found = load("main"), time.process_time() + 0.7 * limit_s, None
        with tempfile.TemporaryDirectory() as name:

            def passes(data: bytes) -> bool:
                return data not in honest and ask(data, {}, Path(name))[0] == "accepted"

            mirrored = set()
            for shape in cheats.SHAPES if mutant.kind in MIRRORED else ():
                data = cheats.honest(shape)
                mirrored.add(data)
                if found is None and passes(data):
                    found = f"{shape}: true statement", data
            for label, make in _candidates(mutant):
                if time.process_time() > ends:
                    break
                try:
                    data = make()
                except Exception:  # noqa: BLE001 - not everything can be proven without every check
                    continue
                if data not in mirrored and passes(data):
                    return label, data
        return found

    honest = set(store.honest().values())
    result: tuple[str, bytes] | None = isolate.run(both_sides(mutant), body, limit_s)
    return result


def refused(data: bytes, arguments: dict[str, Any]) -> bool:
    """By the unchanged verifiers, both of them where both know the arguments."""
    entry = [Forgery("", "", data, "", arguments)]
    return all(attempt(verifier, [], entry, [], 20).how == "survived" for verifier in ("main", "reference"))


def make_honest() -> None:
    def body() -> dict[str, bytes]:
        from benchmarks.mutation import cheats

        return {name: cheats.honest(name) for name in cheats.SHAPES}

    store.CORPUS.mkdir(exist_ok=True)
    made = isolate.run([], body, 120)
    for name, data in made.items():
        (store.CORPUS / f"{name}.zkproof").write_bytes(data)
    store.honest.cache_clear()


def plain() -> list[Forgery]:
    """Broken files, and arguments that are not met."""
    found = []
    for name in ("mse", "hidden"):
        data = store.honest()[name]
        pairs = [(label, changed) for label, changed in headers.broken_files(data) if changed != data]
        if name == "hidden":
            pairs = [(label, changed) for label, changed in pairs if "initial" in label]
        found += [Forgery(f"{name}: {label}", "zkdl.proof.format", changed, name) for label, changed in pairs]
    for label, arguments in headers.expectations(store.honest()["mse"]):
        found.append(Forgery(f"mse: expects {label}", "zkdl.proof.outside", store.honest()["mse"], "mse", arguments))
    return found


def cheats_alone(limit_s: float) -> list[Forgery]:
    """Cheats against the unchanged verifier: most are refused by a sum of all relations."""

    def body() -> list[tuple[str, bytes]]:
        from benchmarks.mutation import cheats

        made = []
        for family in (cheats._messages, cheats._stored_data, cheats._large_start, cheats._spoilt):
            for name in ("mse", "hidden") if family is cheats._large_start else ("mse",):
                for label, make in family(name, cheats.start(cheats.SHAPES[name])):
                    made.append((label, make()))
        return made

    def weak() -> list[tuple[str, bytes]]:
        from benchmarks.mutation import cheats, runs

        runs.use(WEAK)
        return [(f"{name}: fewer columns than the promise needs", cheats.honest(name)) for name in ("one", "hidden")]

    found = isolate.run([], body, limit_s)
    found += isolate.run([], weak, limit_s)
    # A run that has no such message is unchanged.
    found = [(label, data) for label, data in found if data not in store.honest().values()]
    return [Forgery(label, "zkdl.protocols.opening", data, label.split(":")[0]) for label, data in found]


def statements(limit_s: float) -> list[Forgery]:
    """One container and more for every rule of a statement, which breaks this rule and no other."""

    def names() -> list[str]:
        from benchmarks.mutation import statements

        return statements.single_rules()

    def broken() -> list[tuple[str, bytes]]:
        from benchmarks.mutation import statements

        return [*statements.without_rules(labels), *statements.broken_chains()]

    def headers_alone() -> list[tuple[str, str, Any, Any]]:
        from benchmarks.mutation import statements

        return list(statements.headers_alone([label for label in labels if label not in proven]))

    def judged() -> list[bool]:
        asked = [load(verifier) for verifier in ("main", "reference")]
        with tempfile.TemporaryDirectory() as name:
            return [all(ask(data, {}, Path(name))[0] == "refused" for ask in asked) for _, data, _ in made]

    labels = isolate.run([], names, limit_s)
    made = [
        (label, data, label.split(":")[0]) for label, data in isolate.run(list(map(_named, RULES)), broken, limit_s)
    ]
    proven = {label for label, _, _ in made}
    for label, shape, run, segment in isolate.run([], headers_alone, limit_s):
        data = store.honest()[shape]
        fields = json.loads(header_of(data))
        fields.update(run=run, segments=[segment, *fields["segments"][1:]])
        made.append((f"{label}, header only", with_header(data, headers.encoded(fields)), shape))
    verdicts = isolate.run([], judged, limit_s)
    for (label, _, _), verdict in zip(made, verdicts, strict=True):
        if not verdict:
            print(f"NOT REFUSED by both verifiers: {label}", flush=True)
    kept = [entry for entry, verdict in zip(made, verdicts, strict=True) if verdict]
    return [Forgery(label, "zkdl.statement", data, shape) for label, data, shape in kept]


def pruned(corpus: Sequence[Forgery], killers: set[str]) -> list[Forgery]:
    """Forgeries that kill a mutant, and those that cost next to nothing; a file of 100 kB that kills nothing is left out."""
    return [entry for entry in corpus if entry.name in killers or store.size(entry) <= SMALL]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=20, help="seconds of processor time per mutant")
    parser.add_argument("--only", default="", help="mutants whose name has this")
    parser.add_argument("--prune", action="store_true", help="drop large forgeries that kills.json does not name")
    parser.add_argument("--basis", action="store_true", help="only what needs no mutant")
    parser.add_argument("--add", action="store_true", help="keep the stored corpus and add to it")
    given = parser.parse_args()
    corpus: Sequence[Forgery]
    if given.prune:
        killers = json.loads((Path(__file__).parent / "kills.json").read_text(encoding="utf-8"))
        store.save(pruned(store.load(), set(killers.values())))
        return
    if given.add:
        corpus = store.load()
    else:
        make_honest()
        corpus = [*plain(), *cheats_alone(120), *statements(600)]
        for verifier in ("main", "reference"):
            if (wrong := attempt(verifier, [], corpus, list(store.honest().values()), 120)).how != "survived":
                raise ValueError(f"the {verifier} verifier: {wrong}")
        store.save(list(corpus))
    if given.basis:
        return
    found = list(corpus)
    # First what decides soundness: relations, claims, transcript.
    for mutant in sorted(all_mutants("main"), key=lambda mutant: mutant.kind not in MIRRORED):
        if (
            given.only not in mutant.name
            or mutant.module.startswith("zkdl.statement")
            or attempt("main", [mutant], order(mutant, found, ""), [], 20).how == "accepted"
        ):
            continue
        forged = search(mutant, given.limit)
        if forged is None or not refused(forged[1], {}):
            # A container that only the mutant accepts, or none at all: the second case may be a hole, or no cheat.
            known = {} if forged is None else {"accepted by an unchanged verifier": forged[0]}
            print(json.dumps({"mutant": mutant.name, "forged": None, **known}), flush=True)
            continue
        shape = forged[0].split(":")[0]
        start = shape if shape in store.honest() else "hidden"
        found.append(Forgery(f"{forged[0]} ({mutant.name})", mutant.name, forged[1], start))
        store.save(found)
        print(json.dumps({"mutant": mutant.name, "forged": forged[0]}), flush=True)


if __name__ == "__main__":
    main()
