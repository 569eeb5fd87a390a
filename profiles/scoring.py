"""How promising a customer's request is, from 0 to 100. It orders the work of people and is shown to them alone. Pure.

| What                                          | Points |
|-----------------------------------------------|--------|
| Value of what is wanted (`interest`, 0 to 1)  | 0–30   |
| Essential answers given (`answered`, 0 to 1)  | 0–30   |
| It is urgent                                  | 15     |
| They decide                                   | 15     |
| A company                                     | 5      |
| They named a budget                           | 5      |

Without a commercial interest (`interest` 0) the score is 0: somebody urgent who wants something else is no lead. What is
missing adds nothing and takes nothing away, so a refused budget costs no one their place.
"""

from dataclasses import dataclass

INTEREST_MAX = ANSWERED_MAX = 30
URGENT = DECIDES = 15
COMPANY = BUDGET = 5


@dataclass(frozen=True)
class Signals:
    interest: float  # 0.0 to 1.0
    answered: float  # share of the essential answers that were given, 0.0 to 1.0
    is_urgent: bool = False
    decides: bool = False
    is_business: bool = False
    named_budget: bool = False


@dataclass(frozen=True)
class Score:
    points: int  # 0 to 100
    reasons: tuple[str, ...]  # in Portuguese, each with its points


def score(signals: Signals) -> Score:
    if signals.interest <= 0:
        return Score(0, ("Sem interesse comercial",))
    parts = (
        ("Interesse comercial", round(INTEREST_MAX * min(signals.interest, 1.0))),
        ("Dados essenciais informados", round(ANSWERED_MAX * min(max(signals.answered, 0.0), 1.0))),
        ("Pediu urgência", URGENT * signals.is_urgent),
        ("Fala com quem decide", DECIDES * signals.decides),
        ("É empresa", COMPANY * signals.is_business),
        ("Informou orçamento", BUDGET * signals.named_budget),
    )
    return Score(
        sum(points for _, points in parts), tuple(f"{reason} (+{points})" for reason, points in parts if points)
    )
