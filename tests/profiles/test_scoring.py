"""How promising a request is: a sum of what is known, from 0 to 100, with its reasons."""

import itertools

import pytest

from profiles.scoring import Score, Signals, score


@pytest.mark.parametrize(
    ("signals", "points"),
    [
        (Signals(interest=0, answered=1, is_urgent=True, decides=True, is_business=True, named_budget=True), 0),
        (Signals(interest=0.3, answered=0), 9),
        (Signals(interest=1, answered=0), 30),
        (Signals(interest=1, answered=0.5), 45),
        (Signals(interest=1, answered=1, is_urgent=True), 75),
        (Signals(interest=1, answered=1, is_urgent=True, decides=True, is_business=True, named_budget=True), 100),
    ],
)
def test_the_score_is_the_sum_of_what_is_known(signals: Signals, points: int) -> None:
    assert score(signals).points == points


def test_each_reason_names_its_points() -> None:
    told = score(Signals(interest=0.8, answered=0.5, decides=True))
    assert told == Score(
        54, ("Interesse comercial (+24)", "Dados essenciais informados (+15)", "Fala com quem decide (+15)")
    )
    assert score(Signals(interest=0, answered=1)).reasons == ("Sem interesse comercial",)


def test_to_know_more_never_lowers_it() -> None:
    shares = (0.0, 0.5, 1.0)
    for interest, answered in itertools.product(shares[1:], shares):
        for flags in itertools.product([False, True], repeat=4):
            points = score(Signals(interest, answered, *flags)).points
            assert 0 <= points <= 100
            for place in range(4):
                more = tuple(True if number == place else flag for number, flag in enumerate(flags))
                assert score(Signals(interest, answered, *more)).points >= points
