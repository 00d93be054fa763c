"""A device that is emulated on the processor, so that the launch code of the CUDA backend runs without a GPU."""
