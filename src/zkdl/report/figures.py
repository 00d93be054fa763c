"""The parts of the page that are figures: learning curves, headroom, time and bytes."""

from __future__ import annotations

from collections.abc import Iterable

from zkdl.figures import BEFORE
from zkdl.report.charts import Line, legend, line_chart, stacked_bar
from zkdl.report.content import Private, Report
from zkdl.report.markup import Markup, element, join, table
from zkdl.report.wording import shown_bytes, shown_seconds
from zkdl.statement import bounds

MOST_BARS = 32
TRAINING = "training"
# As they follow each other; the files do not keep an order. One colour each, the same in every bar.
PHASES = (TRAINING, "commit", "certificate", BEFORE, "witness", "lookups", "products", "open", "links")
INTEGER, FLOAT = "integer training", "float32, same start and batches"


def learning(report: Report) -> Markup:
    """Loss and accuracy, integer against float32."""
    private = report.private
    heading = element("h2", "Loss and accuracy: integer training against float32")
    if private is None or not private.checkpoints:
        return join(heading, element("p", "Nothing has been trained yet."))
    text = (
        "The proof hides these figures, and no proof vouches for them. The float32 training was repeated for this report from"
        " the same initial weights on the same batches, to show what the integers cost."
    )
    floats = [(float(i), loss) for i, loss in enumerate(private.float_loss)]
    loss = [Line(INTEGER, "integer", private.integer_loss), Line(FLOAT, "float", floats)]
    tested = private.checkpoints[-1].test_integer is not None
    name = "Accuracy on the test data" if tested else "Accuracy on the training data"
    integer, floating = _accuracies(private, tested)
    accuracy = [Line(INTEGER, "integer", integer, True), Line(FLOAT, "float", floating, True)]
    charts = [line_chart("Training loss", loss, "step"), line_chart(name, accuracy, "step", percent=True)]
    parts = [heading, element("p", text), element("div", *charts, class_="pair"), _accuracy_table(private, tested)]
    return join(
        *parts, element("p", f"Training accuracy is of {private.examples} examples, evenly spread.", class_="quiet")
    )


def _accuracies(private: Private, tested: bool) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    integer, floating = [], []
    for point in private.checkpoints:
        pair = (point.test_integer, point.test_floating) if tested else (point.integer, point.floating)
        if pair[0] is not None and pair[1] is not None:
            integer.append((float(point.step), pair[0]))
            floating.append((float(point.step), pair[1]))
    return integer, floating


def _accuracy_table(private: Private, tested: bool) -> Markup:
    def percent(share: float | None) -> str:
        return "-" if share is None else f"{100 * share:.2f} %"

    head = ["after step", "training, integer", "float32"] + (["test, integer", "float32"] if tested else [])
    rows = []
    for point in private.checkpoints:
        cells = [str(point.step), percent(point.integer), percent(point.floating)]
        rows.append(cells + ([percent(point.test_integer), percent(point.test_floating)] if tested else []))
    return table(head, rows, len(head) - 1)


def headroom(report: Report) -> Markup:
    """Bits that the products of each layer had left."""
    heading = element("h2", "Headroom: how close the integers came to their limits")
    if report.private is None or not report.segments:
        return Markup("")
    known = [figures for figures in report.private.training if figures is not None]
    text = (
        "One bit is a factor of two. Measured: what was left, at the tightest moment, before the training would have had to"
        " stop. Bound: what could be reached in the worst case, of 62 bits; this is public and checked by every verifier."
    )
    worst = [bounds.layer_bounds(report.run, segment) for segment in report.segments]
    rows = []
    for layer in range(1, report.run.L + 1):
        forward = max(found[layer - 1].forward for found in worst).bit_length()
        left = [figures.forward_headroom[layer - 1] for figures in known]
        clamps = sum(figures.activation_clamps[layer - 1] for figures in known)
        what = "logits" if layer == report.run.L else "activations"
        rows.append(_headroom_row(f"layer {layer}: {what}", left, clamps, forward))
        backward = [found[layer - 1].backward for found in worst]
        reached = max((bound for bound in backward if bound is not None), default=None)
        if reached is not None:
            left = [figures.backward_headroom[layer - 1] for figures in known]
            clamps = sum(figures.gradient_clamps[layer - 1] for figures in known)
            rows.append(_headroom_row(f"layer {layer}: gradients", left, clamps, reached.bit_length()))
    parts = [heading, element("p", text), table(["tensor", "measured, bits left", "values clamped", "bound"], rows, 3)]
    if len(known) < len(report.segments):
        missing = len(report.segments) - len(known)
        parts.append(
            element("p", f"Nothing is remembered of {missing} of {len(report.segments)} segments.", class_="quiet")
        )
    return join(*parts)


def _headroom_row(name: str, left: list[float], clamps: int, bound: int) -> list[str]:
    return [name, f"{min(left):.1f}" if left else "not recorded", str(clamps) if left else "-", f"2^{bound}"]


def time_and_bytes(report: Report) -> Markup:
    """Stacked bars: the prover's time by phase, the proof's bytes and the verifier's time by section."""
    if report.verified is None:
        return Markup("")
    parts = [element("h2", "Time and size"), *_proving_time(report), *_sections(report)]
    return join(*parts)


def _order(found: Iterable[str]) -> list[str]:
    """All phases in the order of their colours; those of another release come last."""
    return list(dict.fromkeys([*PHASES, *found]))


def _in_order(seconds: dict[str, float]) -> dict[str, float]:
    return {phase: seconds[phase] for phase in _order(seconds) if phase in seconds}


def _proving_time(report: Report) -> list[Markup]:
    private = report.private
    if private is None:
        text = "How long the prover took is left out: the proof system does not promise that this tells nothing."
        return [element("p", text, class_="quiet")]
    total: dict[str, float] = {}
    training = [figures.seconds for figures in private.training if figures is not None]
    if training:
        total[TRAINING] = sum(training)
    for figures in report.proving.values():
        for phase, seconds in figures.seconds.items():
            total[phase] = total.get(phase, 0.0) + seconds
    if not total:
        return [element("p", "No times are remembered of this run.", class_="quiet")]
    whole = sum(total.values())
    total = _in_order(total)
    order = _order(total)
    rows = [[phase, shown_seconds(seconds), f"{100 * seconds / whole:.1f} %"] for phase, seconds in total.items()]
    peak = max((figures.peak_bytes for figures in report.proving.values()), default=0)
    text = f"Training and proving took {shown_seconds(whole)} in all, in these phases:"
    parts = [element("p", text), stacked_bar("time by phase", list(total.items()), order, whole), legend(order, total)]
    parts.append(table(["phase", "time", "share"], rows, 2))
    note = f"{BEFORE}: commitments that are made again before a section."
    if peak:
        note += f" Peak memory of the prover: {shown_bytes(peak)}."
    return [element("h3", "The prover's time"), *parts, element("p", note, class_="quiet")]


def _sections(report: Report) -> list[Markup]:
    """Bytes, the verifier's time and, in a private report, the prover's phases of every section."""
    if report.verified is None:
        return []
    verify_s, sizes = report.verified.timings_s, report.section_bytes
    order = _order(phase for figures in report.proving.values() for phase in figures.seconds)
    slowest = max((sum(figures.seconds.values()) for figures in report.proving.values()), default=0.0)
    timed = bool(report.proving)
    head = ["section", *(["prover's phases", "prover"] if timed else []), "verifier", "size"]
    rows = []
    names = list(verify_s)
    # The certificate stands first and the data proof last; they always show.
    shown = names if len(names) <= MOST_BARS else [*names[: MOST_BARS - 1], names[-1]]
    for name in shown:
        row: list[str] = [name]
        if timed:
            phases = report.proving[name].seconds if name in report.proving else {}
            row.append(stacked_bar(f"phases of {name}", list(_in_order(phases).items()), order, slowest))
            row.append(shown_seconds(sum(phases.values())) if phases else "-")
        rows.append([*row, shown_seconds(verify_s[name]), shown_bytes(sizes[name]) if name in sizes else "-"])
    text = (
        f"The proof has {shown_bytes(report.verified.proof_bytes)} and was verified in"
        f" {shown_seconds(sum(verify_s.values()))} for this report."
    )
    groups: dict[str, float] = {}
    for name, size in sizes.items():
        kind = name.partition("-")[0]
        label = {"data": "range certificate of the data", "initial": "range of the initial weights"}.get(kind)
        label = label or {"dataset": "data proof"}.get(kind, "segments")
        groups[label] = groups.get(label, 0.0) + size
    bar = stacked_bar("bytes by part", list(groups.items()), list(groups), sum(groups.values()))
    parts = [element("h3", "The proof, by section"), element("p", text)]
    if groups:
        parts += [bar, legend([f"{name}, {shown_bytes(int(size))}" for name, size in groups.items()])]
    if report.proving:
        parts.append(element("p", "The prover's phases have the colours that they have above.", class_="quiet"))
    parts.append(table(head, rows, 3 if timed else 2))
    if len(shown) < len(names):
        parts.append(element("p", f"{len(names) - len(shown)} more segments are left out here.", class_="quiet"))
    return parts
