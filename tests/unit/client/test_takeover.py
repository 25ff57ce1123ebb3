"""How a body moves to another answer, without a socket."""

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.client.attempts import Answered
from lbmesh.client.resumption import Resumption
from lbmesh.client.takeover import Ask, Do, GoOn, Takeover
from lbmesh.model.address import Address

A = Address("10.0.1.10", 80)
REPORT = Answered(A, 1, ())
BODY = bytes(range(256))
FIELDS = [(b"content-length", b"256")]


def given_so_far(part: bytes) -> Resumption:
    """The caller has this."""
    resumption = Resumption(REPORT, 200, FIELDS, [])
    resumption.gave(part)
    return resumption


def test_it_asks_reads_what_is_known_and_goes_on() -> None:
    takeover = Takeover(given_so_far(BODY[:100]), "reset the connection")
    ask = takeover.step()
    assert isinstance(ask, Ask)
    assert [failure.what for failure in ask.after.failures] == ["reset the connection, 100 bytes into the body"]
    takeover.answered(REPORT, 200, FIELDS)
    assert takeover.step() is Do.READ
    takeover.read(BODY[:60])
    assert takeover.step() is Do.READ
    takeover.read(BODY[60:120])
    assert takeover.step() == GoOn(BODY[100:120])


def test_where_nothing_was_given_any_answer_goes_on() -> None:
    takeover = Takeover(given_so_far(b""), "fell silent")
    takeover.step()
    takeover.answered(REPORT, 200, FIELDS)
    assert takeover.step() == GoOn(b"")


def test_no_other_answer_ends_it_but_a_later_break_may_ask_again() -> None:
    resumption = given_so_far(BODY[:10])
    takeover = Takeover(resumption, "fell silent")
    assert isinstance(takeover.step(), Ask)
    assert takeover.step() is Do.GIVE_UP
    assert isinstance(Takeover(resumption, "reset the connection").step(), Ask)


def test_an_answer_with_another_meaning_ends_it_for_good() -> None:
    resumption = given_so_far(BODY[:10])
    takeover = Takeover(resumption, "fell silent")
    takeover.step()
    takeover.answered(REPORT, 200, [(b"content-length", b"255")])
    assert takeover.step() is Do.GIVE_UP
    assert Takeover(resumption, "reset the connection").step() is Do.GIVE_UP


Other = tuple[bool, int, int]
"""Whether it has the same body; how much of it comes, and in parts of what size."""


@given(
    st.integers(0, len(BODY)),
    st.lists(st.tuples(st.booleans(), st.integers(0, len(BODY)), st.integers(1, 300)), max_size=6),
)
def test_whatever_the_others_send_the_caller_gets_one_body_or_an_error(had: int, others: list[Other]) -> None:
    takeover = Takeover(given_so_far(BODY[:had]), "broke off")
    left = list(others)
    body, sent, size = b"", 0, 1
    for _ in range(2000):
        match takeover.step():
            case Ask():
                if left:
                    same, length, size = left.pop(0)
                    body, sent = (BODY if same else BODY[::-1])[:length], 0
                    takeover.answered(REPORT, 200, FIELDS)
            case Do.READ:
                part, sent = body[sent : sent + size], sent + size
                if part or len(body) == len(BODY):
                    takeover.read(part)
                else:
                    takeover.broke("broke off")
            case GoOn(new):
                assert BODY[:had] + new == BODY[: had + len(new)] or not had
                return
            case Do.GIVE_UP:
                return
    raise AssertionError("it goes on for ever")
