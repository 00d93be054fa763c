"""What a segment commits and looks up, and where (docs/spec/segment.md, rows of the witness and leaves)."""

from __future__ import annotations

from zkdl.reference.lookup import Column, Leaves, Lookup
from zkdl.reference.parameters import ONCE_RATE, Code, cheapest, code
from zkdl.reference.statement import Run, Segment
from zkdl.reference.training import Requant, Table, backward_limbs, forward_limbs


def log2_ceil(n: int) -> int:
    """The least v with n <= 2^v."""
    return (n - 1).bit_length()


class Layout:
    """Columns, leaves and code of the witness for 2^log_units units in a row."""

    def __init__(self, run: Run, segment: Segment, tables: list[Table], log_units: int) -> None:
        self.run, self.tables, self.log_units = run, tables, log_units
        self.log_steps, self.log_batch = log2_ceil(segment.steps), log2_ceil(run.batch)
        self.log_row = log_units + self.log_steps + self.log_batch
        last = run.depth
        self.forward = {l: forward_limbs(run, segment, l) for l in range(1, last + 1)}
        self.backward = {l: backward_limbs(run, segment, l) for l in range(1, last)}
        self.columns: dict[tuple[str, int], Column] = {}
        self.rows = 0
        for l in range(1, last):
            names = ["z_hi", "A", "S", "p_hi", "G"]
            names += ["z_mid"] * self.forward[l].three + ["p_mid"] * self.backward[l].three
            self._add_columns(l, names, run.widths[l])
        names = ["z_hi", "Y"] + ["z_mid"] * self.forward[last].three
        self._add_columns(last, names + ["E", "I0", "q", "G"] * run.cross_entropy, run.classes)
        self._add_columns(last, ["mx"] * run.cross_entropy, 1)
        self.counts = []
        for table in tables:
            self.counts.append(Column("witness", self.rows, table.rows))
            self.rows += -(-table.rows >> self.log_row)
        self.code = code(self.rows, self.log_row, 1, ONCE_RATE)

    def _add_columns(self, l: int, names: list[str], units: int) -> None:
        for name in names:
            self.columns[name, l] = Column("witness", self.rows, units)
            self.rows += self.column_rows(units)

    def column_rows(self, units: int) -> int:
        return -(-units >> self.log_units)

    # ---- leaves

    def low_limb(self, l: int, name: str, limbs: Requant) -> Lookup:
        """z_low or p_low: the virtual product plus its offset, less the upper limbs."""
        high = name.lower()
        lookup = Lookup(f"{high}_low", 4, self.run.widths[l], active=[(0, limbs.offset)])
        lookup.virtual.append((0, 1, f"{name}{l}"))
        lookup.columns.append((0, -(2**limbs.low), self.columns[f"{high}_hi", l]))
        if limbs.three:
            lookup.columns.append((0, -(2**limbs.cut), self.columns[f"{high}_mid", l]))
        lookup.everywhere.append((1, limbs.low_width))
        return lookup

    def middle_limb(self, l: int, name: str, limbs: Requant) -> list[Lookup]:
        """z_mid or p_mid, if there is one."""
        if not limbs.three:
            return []
        column = self.columns[name, l]
        return [Lookup(name, 4, self.run.widths[l], columns=[(0, 1, column)], everywhere=[(1, limbs.mid_width)])]

    def plain(self, l: int, name: str, tag: int, columns: list[str]) -> Lookup:
        terms = [(c, 1, self.columns[column, l]) for c, column in enumerate(columns)]
        return Lookup(name, tag, self.run.widths[l], columns=terms)

    def loss_lookups(self, gradient_frac: int) -> list[Lookup]:
        """The lookups of softmax cross-entropy."""
        last, classes, width = self.run.depth, self.run.classes, self.run.remainder_bits
        gap = self.plain(last, "exp", 5, ["Y", "E", "I0"])
        gap.columns[0] = (0, -1, self.columns["Y", last])
        gap.slots.append((0, 1, self.columns["mx", last]))
        share = Lookup("probability", 6, classes, virtual=[(1, 1, "label")])
        share.columns += [(0, 1, self.columns["q", last]), (2, 1, self.columns["G", last])]
        found, exponentials = [gap, share], self.columns["E", last]
        for name, sign in (("remainder", 1), ("remainder_rest", -1)):
            lookup = Lookup(name, 4, classes, everywhere=[(1, width)], virtual=[(0, -2 * sign, "share")])
            lookup.columns.append((0, sign << (gradient_frac + 1), exponentials))
            lookup.unit_sums.append((0, 1, exponentials))
            lookup.active += [(0, -1)] * (name == "remainder_rest")
            found.append(lookup)
        return [*found, Lookup("max_count", 7, 1, unit_sums=[(0, 1, self.columns["I0", last])])]

    def alignment(self, l: int, weights: Code) -> int:
        """Leaf rows at whose multiples p_low<l> starts and ends: what one row of W_{l+1} holds, but for its padding."""
        v = self.run.variables
        inputs = weights.log_row - v[l + 1]
        return 1 << max(0, min(inputs, v[l]) - self.log_units)

    def leaves(self, segment: Segment, weights: Code) -> Leaves:
        last, placed, row = self.run.depth, [], 0
        for l in sorted(range(1, last), key=lambda l: (-self.alignment(l, weights), l)):
            lookup, align = self.low_limb(l, "P", self.backward[l]), self.alignment(l, weights)
            lookup.first = -(-row // align) * align
            row = -(-(lookup.first + self.column_rows(lookup.units)) // align) * align
            placed.append(lookup)
        self.transposed_first = {int(p.virtual[0][2][1:]): p.first for p in placed}
        free = []
        for l in range(1, last + 1):
            top = (
                self.plain(l, "activation", 1, ["z_hi", "A", "S"])
                if l < last
                else self.plain(l, "logit", 2, ["z_hi", "Y"])
            )
            free += [top, self.low_limb(l, "Z", self.forward[l]), *self.middle_limb(l, "z_mid", self.forward[l])]
            if l < last:
                free.append(self.plain(l, "gradient", 3, ["p_hi", "S", "G"]))
                free += self.middle_limb(l, "p_mid", self.backward[l])
        if self.run.cross_entropy:
            free += self.loss_lookups(segment.scales.fg[-1])
        for lookup in free:
            lookup.first = row
            row += self.column_rows(lookup.units)
        return Leaves(self.log_row, self.log_units, placed + free, self.tables, row, self.counts)


def choose_layout(run: Run, segment: Segment, tables: list[Table]) -> Layout:
    """The number of units in a row that makes the witness cheapest."""
    layouts = [Layout(run, segment, tables, u) for u in range(min(4, *run.variables[1:]) + 1)]
    best = cheapest([layout.code for layout in layouts])
    return next(layout for layout in layouts if layout.code is best)
