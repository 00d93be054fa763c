"""The error of every verifier message of a section, from its sizes (docs/spec/soundness.md)."""

from __future__ import annotations

from math import log2

from zkdl.reference.parameters import LOG_K, SOUNDNESS_BITS, Code, work_bits
from zkdl.reference.transcript import check


class Security:
    """Soundness of one section: the bits of its weakest message, and its error in all."""

    def __init__(self, name: str) -> None:
        self.name, self.weakest, self.error = name, LOG_K, 0.0

    def message(self, terms: list[float], times: int = 1) -> None:
        """One message with several error terms, each given in bits."""
        error = sum(2.0**-bits for bits in terms)
        if times:
            self.weakest = min(self.weakest, -log2(error))
            self.error += times * error

    def add(self, numerator: float, times: int = 1) -> None:
        """A message with error numerator / |K|."""
        self.message([LOG_K - log2(numerator)], times)

    def lookup(self, leaves: int, variables: int, round_error: int, child_error: int) -> None:
        self.message([LOG_K - log2(2 * leaves) + work_bits(leaves)])
        self.add(1, variables)
        self.add(round_error, variables * (variables - 1) // 2)
        self.add(child_error, variables)

    def finish(self, openings: list[tuple[Code, int]], pads: Code, products: bool) -> None:
        """Openings, each with its number of claims, and pads; then refuse what is too weak."""
        for opened, claims in openings:
            self.add(claims)
            self.add(2, opened.log_row)
            self.message([LOG_K, proximity(opened), proximity(opened)])
        if products:
            self.add(1)
        a, d = (1 + pads.rate) / 2, (2 * pads.ell + pads.queries - 2) / pads.domain
        check(a * a > d, "SOUNDNESS", "the rate of the pads allows no bound")
        self.message([LOG_K - log2((a - d) / (a * a - d)), proximity(pads)])
        codes = [opened for opened, _ in openings] + [pads]
        self.message([-opened.queries * log2((1 + opened.rate) / 2) for opened in codes])
        check(self.weakest >= SOUNDNESS_BITS, "SOUNDNESS", f"section {self.name} has only {self.weakest:.2f} bits")


def proximity(opened: Code) -> float:
    """Bits of the error of a fold or a low-degree test in unique decoding."""
    return LOG_K - log2((1 - opened.rate) / 2 * opened.domain + 1)
