"""Interactive reductions, one per module: `prove` and `verify` side by side in the same transcript order."""
