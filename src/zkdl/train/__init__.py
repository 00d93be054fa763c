"""Exact integer training: the computation that is proven. [protocol.md, 2]"""
