"""Members and their heads are told apart; nothing is said of members where all are asked."""

from __future__ import annotations

from app.words.members import head_title, mean_title, member_sentence


def test_heads_are_named_with_their_member_where_several_stand() -> None:
    assert [head_title(head, 6, 3) for head in (1, 2, 3, 6)] == [
        "member 1, head 1", "member 1, head 2", "member 2, head 1", "member 3, head 2",
    ]  # fmt: skip
    assert head_title(3, 8, 1) == "head 3"
    assert mean_title(1) == "mean of all heads"
    assert mean_title(4) == "mean of all heads of 4 members"


def test_a_members_probability_stands_beside_that_of_all() -> None:
    said = member_sentence(2, "High", 0.41, 0.37)
    assert "member 2 alone: it says P(High) .41, all together say .37" in said
    assert member_sentence(None, "High", 0.37, 0.37) == ""
