"""What backends without a device share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zkdl.backend import checks
from zkdl.backend.base import Backend, ExtensionArray, FieldArray, Indices


class OnHost:
    """Methods of `base.Backend` that mean nothing, or need no kernel, on a host."""

    @property
    def local(self: Backend) -> Backend:
        return self

    def with_resident(self: Backend, *arrays: NDArray[np.generic]) -> Backend:
        return self

    def read_columns(self: Backend, code: FieldArray, indices: Indices) -> FieldArray:
        checks.require_array("code", code, ndim=2)
        checks.require_indices(indices, code.shape[1])
        return np.ascontiguousarray(code[:, indices].T)


class RunningDifference:
    """`base.Backend.running_difference` on top of other kernels."""

    def running_difference(
        self: Backend, start: ExtensionArray, updates: ExtensionArray, factors: FieldArray
    ) -> ExtensionArray:
        checks.require_running_difference(start, updates, factors)
        out = np.empty_like(updates)
        now = start
        for t in range(updates.shape[1]):
            out[:, t] = now
            if t < len(factors):
                now = self.f_sub(now, self.f_mul(updates[:, t], factors[t : t + 1]))
        return out
