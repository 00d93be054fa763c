"""Forged proofs of many kinds, for `python -m benchmarks.forgery`. One module per kind:

- `semantic`: trainers that cheat, with an honest-looking proof of what they did.
- `protocol`: provers that choose a message for the challenges that follow it.
- `counterexamples`: witnesses and messages that are wrong for one relation or one check alone.
- `byte_strings`: mutated bytes for both verifiers and every decoder.
"""
