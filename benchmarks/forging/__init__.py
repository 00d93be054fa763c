"""Forged proofs of many kinds, for `python -m benchmarks.forgery`. One module per kind:

- `semantic`, `statements`: trainers that cheat, with an honest-looking proof of what they did; proofs about something else.
- `protocol`, `positions`, `roots`: provers that choose a message or a commitment for the challenges that follow it.
- `counterexamples`: witnesses and messages that are wrong for one relation or one check alone.
- `byte_strings`, `decoders`, `mutations`: mutated bytes for both verifiers and every decoder.
- `fuzzing`, `fuzz_target`: the same targets guided by coverage.
"""
