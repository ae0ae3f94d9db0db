"""Members of an ensemble and their attention heads in words."""

from __future__ import annotations

from app.words.numbers import decimal


def member_title(member: int) -> str:
    """'member 2'."""
    return f"member {member}"


def head_title(head: int, heads: int, members: int) -> str:
    """A head as it is told from the others: 'head 1', or 'member 2, head 1' where several members stand.

    Parameters
    ----------
    head
        Counted from 1 over all members, the first one's first.
    heads
        Of all `members` together.
    """
    if members == 1:
        return f"head {head}"
    member, own = divmod(head - 1, heads // members)
    return f"{member_title(member + 1)}, head {own + 1}"


def mean_title(members: int) -> str:
    """The mean of a layer's heads, all of them or those of one member."""
    return "mean of all heads" if members == 1 else f"mean of all heads of {members} members"


def member_sentence(member: int | None, target: str, own: float, together: float) -> str:
    """What one member says of a class beside what all say; empty where all are asked.

    Parameters
    ----------
    own, together
        Probabilities before calibration.
    """
    if member is None:
        return ""
    return (
        f"Explained is {member_title(member)} alone: it says P({target}) {decimal(own)}, all together say "
        f"{decimal(together)} (before calibration)."
    )
