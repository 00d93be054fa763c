"""The section of a Hugging Face model card. It holds nothing that the proof hides, so that it can be published."""

from __future__ import annotations

from zkdl import __version__
from zkdl.proof.description import caveats, chosen, leakage, paragraphs, proven, soundness
from zkdl.report.content import Report
from zkdl.report.wording import planned, printable, sentence, verify_command

TAG = "zk-training-proof"


def _code(text: str) -> str:
    """A fenced block that its content cannot close."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"


def model_card(report: Report) -> str:
    """Markdown with YAML metadata. A run without a verified proof gets no tag and says that it is unproved."""
    if report.verified is None or report.proof is None:
        lines = ["## Training proof", "", "**UNPROVED.** Nothing about this training has been proven.", ""]
        return "\n".join([*lines, planned(report.run), ""])
    verified = report.verified
    head = ["---", "tags:", f"- {TAG}", "---", "", "## Training proof", ""]
    text = [*paragraphs(proven(verified)), *soundness(verified)]
    body = [line for paragraph in text for line in (paragraph, "")]
    body += [f"Proof file: SHA-256 `{verified.proof_sha256}`, {verified.proof_bytes} bytes. To verify it:", ""]
    body += [_code(f"pip install {printable(f'zkdl=={__version__}')}\n{verify_command(report.proof)}"), ""]
    body += ["Not proven or only assumed:", "", *(f"- {sentence(line)}" for line in caveats(verified)), ""]
    first, *rest = chosen(verified)
    body += [first, "", *(f"- {line.strip()}" for line in rest), ""]
    body += [line for paragraph in paragraphs(leakage(report.run, verified.segments)) for line in (paragraph, "")]
    return "\n".join([*head, *body])
