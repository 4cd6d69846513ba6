"""What is looked at while a run trains."""

import numpy as np

from selftaught.trials.watch import HELD_OUT, look_at


def test_the_few_labelled_records_that_are_held_out_are_all_looked_at() -> None:
    held = np.arange(5000, 9000)
    codes = np.full(9000, -1)
    codes[5003::400] = 1
    seen = look_at(held, codes)
    assert len(seen) == HELD_OUT
    assert set(np.flatnonzero(codes >= 0)) <= set(seen)
    assert set(seen) <= set(held)
    assert len(look_at(held, None)) == HELD_OUT
    assert len(look_at(held[:20], codes)) == 20
