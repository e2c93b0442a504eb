"""A few cycles of the no-loss proof in every run; `scripts/prove --cycles N` runs as many as one likes."""

import random

import pytest

from harness.prove import prove


def test_nothing_acked_is_lost_in_a_few_cycles_of_trouble():
    assert prove(seed=20261, cycles=12)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_acked_is_lost_in_many_cycles_from_a_new_seed():
    assert prove(seed=random.SystemRandom().randrange(10**9), cycles=150)
