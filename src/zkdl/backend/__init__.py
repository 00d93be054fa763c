"""Array kernels behind one interface: native (C++), numpy, and a slow reference in Python integers."""
