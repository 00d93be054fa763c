from dataclasses import replace

import numpy as np
import pytest

from tests.unit.statement.builders import make_run
from zkdl.statement import sampler


def test_an_epoch_uses_every_example_once():
    run = make_run()
    seed = sampler.seed(run)
    indices, sizes = sampler.batch_indices(run, seed, 0, 9)
    assert indices.shape == (9, 3) and indices.dtype == sizes.dtype == np.int64
    assert sizes.tolist() == [3, 3, 1] * 3
    for epoch in range(3):
        used = indices[3 * epoch : 3 * epoch + 3].ravel()
        assert sorted(used[used >= 0]) == list(range(7))
        assert used[-2:].tolist() == [-1, -1]
    assert indices[:3].tolist() != indices[3:6].tolist()


def test_drop_leaves_out_the_partial_batch():
    run = make_run(last_batch="drop")
    indices, sizes = sampler.batch_indices(run, sampler.seed(run), 0, 4)
    assert sampler.steps_per_epoch(run) == 2
    assert (sizes == 3).all() and (indices >= 0).all()
    assert len(set(indices[:2].ravel().tolist())) == 6


@pytest.mark.parametrize("last_batch", ["keep", "drop"])
def test_batches_do_not_depend_on_the_segmentation(last_batch):
    run = make_run(last_batch=last_batch, examples=29, batch=4, steps=40)
    seed = sampler.seed(run)
    whole, sizes = sampler.batch_indices(run, seed, 0, 40)
    for cuts in ([1] * 40, [7, 1, 20, 12], [39, 1]):
        first, parts = 0, []
        for steps in cuts:
            part, part_sizes = sampler.batch_indices(run, seed, first, steps)
            assert (part_sizes == sizes[first : first + steps]).all()
            parts.append(part)
            first += steps
        assert (np.concatenate(parts) == whole).all()


def test_the_seed_depends_on_the_whole_statement():
    run = make_run()
    others = [
        replace(run, beacon="00"),
        replace(run, data_root="0" * 64),
        replace(run, init_seed="0" * 64),
        replace(run, schedule=((0, 1),)),
    ]
    assert len({sampler.seed(r) for r in [run, *others]}) == 5
    assert len(sampler.seed(run)) == 32


def test_permutation_is_pinned():
    assert sampler.permutation(bytes(32), 1, 8).tolist() == PINNED
    assert sorted(sampler.permutation(bytes(32), 0, 1000).tolist()) == list(range(1000))


PINNED = [1, 3, 6, 0, 2, 7, 4, 5]


def test_batch_larger_than_the_data():
    run = make_run(batch=16)
    indices, sizes = sampler.batch_indices(run, sampler.seed(run), 2, 2)
    assert sizes.tolist() == [7, 7] and (indices[:, 7:] == -1).all()
