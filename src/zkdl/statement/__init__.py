"""What is proven, in public integers: shared by trainer, prover and verifier. No float, numpy only."""
