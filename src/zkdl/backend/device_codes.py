"""Codes and their hashes on a device: transforms of many rows, in blocks of rows when the code is not to be kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zkdl.backend import device_launches as launches
from zkdl.backend.base import GENERATOR, FieldArray, P
from zkdl.backend.device import Device, DeviceArray, launch, run

TILE_BITS = 11
"""A tile of so many levels is transformed in shared memory; kTile in `ntt.kernel.h`."""
CODE_BYTES = 1 << 29
"""Of the block of a code that is hashed or read and then dropped."""
ROWS = 8
"""Blocks of a code that is hashed have a multiple of so many rows, so that few of them leave half a word of a hash."""


def powers(base: int, count: int) -> FieldArray:
    """base^i for i < count."""
    out = np.ones(count, dtype=np.uint64)
    filled, step = 1, base
    while filled < count:
        width = min(filled, count - filled)
        # Python integers: a table is made once for each size.
        out[filled : filled + width] = np.array([x * step % P for x in out[:width].tolist()], dtype=np.uint64)
        filled, step = filled + width, step * step % P
    return out


class Transforms:
    """Number-theoretic transforms on one device, with their tables of powers.

    Args:
        code_bytes: of a block of code, see CODE_BYTES.
    """

    def __init__(self, device: Device, code_bytes: int = CODE_BYTES) -> None:
        self.device, self.code_bytes = device, code_bytes
        self._powers: dict[tuple[int, int], DeviceArray] = {}

    def _table(self, base: int, count: int) -> DeviceArray:
        if (base, count) not in self._powers:
            self._powers[base, count] = DeviceArray.of(self.device, powers(base, count))
        return self._powers[base, count]

    def _twiddles(self, bits: int, is_inverse: bool) -> DeviceArray:
        root = pow(GENERATOR, (P - 1) >> bits, P)
        return self._table(pow(root, P - 2, P) if is_inverse else root, max(1, 1 << bits >> 1))

    def _to_frequencies(self, data: DeviceArray, bits: int, is_inverse: bool) -> None:
        """Rows of 2^bits elements in place, to bit-reversed order."""
        w, level = self._twiddles(bits, is_inverse), bits
        tile = min(bits, TILE_BITS)
        while level > tile:
            fours = level - tile >= 2
            level -= 2 if fours else 1
            self._step("frequency", fours, data, w, bits, level, is_inverse)
        if data.size and tile:
            threads = min(self.device.block, 1 << tile)
            run(self.device, "zkdl_ntt_frequency_tile", (data.size >> tile, 1), threads, data, w, bits, tile)

    def _to_times(self, data: DeviceArray, bits: int) -> None:
        """Rows of 2^bits elements in place, from bit-reversed order."""
        w, level = self._twiddles(bits, False), min(bits, TILE_BITS)
        if data.size and level:
            threads = min(self.device.block, 1 << level)
            run(self.device, "zkdl_ntt_time_tile", (data.size >> level, 1), threads, data, w, bits, level)
        while level < bits:
            fours = bits - level >= 2
            self._step("time", fours, data, w, bits, level, False)
            level += 2 if fours else 1

    def _step(
        self, kind: str, fours: bool, data: DeviceArray, w: DeviceArray, bits: int, level: int, is_inverse: bool
    ) -> None:
        if fours:
            count = data.size // 4
            launch(self.device, f"zkdl_ntt_{kind}_four", count, data, w, bits, level, int(is_inverse), count)
        else:
            launch(self.device, f"zkdl_ntt_{kind}_step", data.size // 2, data, w, bits, level, data.size // 2)

    def interpolate(self, values: DeviceArray) -> DeviceArray:
        """See `base.Backend`."""
        data, bits = _copied(values), _log2(values.shape[1])
        self._to_frequencies(data, bits, True)
        out = DeviceArray.empty(self.device, values.shape)
        factor = pow(values.shape[1], P - 2, P)
        launch(self.device, "zkdl_natural_order", out.size, data, bits, factor, out, out.size)
        return out

    def evaluate_coset(self, coefficients: DeviceArray, n: int) -> DeviceArray:
        """See `base.Backend`."""
        out = DeviceArray.empty(self.device, (len(coefficients), n))
        width, bits, shift = coefficients.shape[1], _log2(n), self._table(GENERATOR, n)
        launch(self.device, "zkdl_coset_coefficients", out.size, coefficients, width, shift, bits, out, out.size)
        self._to_times(out, bits)
        return out

    def encode(self, rows: DeviceArray, random: DeviceArray, n: int) -> DeviceArray:
        """See `base.Backend`."""
        row, bits = rows.shape[1], _log2(n)
        row_bits, factor, shift = _log2(row), pow(row, P - 2, P), self._table(GENERATOR, n)
        message = launches.f_from_int(rows)
        self._to_frequencies(message, row_bits, True)
        out = DeviceArray.empty(self.device, (len(rows), n))
        arguments = (message, row_bits, factor, random, random.shape[1], shift, bits, out, out.size)
        launch(self.device, "zkdl_masked_coefficients", out.size, *arguments)
        self._to_times(out, bits)
        return out

    def blocks(
        self, rows: NDArray[np.generic] | DeviceArray, random: FieldArray | DeviceArray, n: int
    ) -> Iterator[tuple[int, DeviceArray]]:
        """The code in blocks of rows, each with its first row; host arrays travel block by block."""
        height = max(1, self.code_bytes // (8 * n * ROWS)) * ROWS
        for first in range(0, len(rows), height):
            here = slice(first, first + height)
            yield first, self.encode(self._placed(rows[here]), self._placed(random[here]), n)

    def _placed(self, values: NDArray[np.generic] | DeviceArray) -> DeviceArray:
        return values if isinstance(values, DeviceArray) else DeviceArray.of(self.device, values)

    def hashed(
        self, blocks: Iterator[tuple[int, DeviceArray]], total: int, salts: DeviceArray, first_index: int
    ) -> DeviceArray:
        """Leaves (n, 32) of a code of `total` rows that comes in blocks."""
        columns = len(salts)
        hashes = DeviceArray.empty(self.device, (columns, 96), np.uint8)
        out = DeviceArray.empty(self.device, (columns, 32), np.uint8)
        for first, code in blocks:
            arguments = (code, salts, first_index, total, first, len(code), columns, hashes, out)
            launch(self.device, "zkdl_hash_columns", columns, *arguments)
        return out


def _log2(size: int) -> int:
    return size.bit_length() - 1


def _copied(values: DeviceArray) -> DeviceArray:
    out = DeviceArray.empty(values.device, values.shape, values.dtype)
    out[:] = values
    return out
