"""Property tests of the mesh clock (hypothesis; CPython only)."""

from hypothesis import given
from hypothesis import strategies as st

from hedgerow_core import limits
from hedgerow_core.clock import decode_clock, encode_clock
from hedgerow_core.errors import PeerError
from hedgerow_core.mesh_clock import MeshClock

MINUTE = 60_000
DAY_MINUTES = 24 * 60

told = st.integers(limits.M_TOLD, limits.M_MINUTES)
minutes = st.integers(0, limits.M_MINUTES) | st.integers(1_000_000, 1_010_000)
members = st.binary(min_size=1, max_size=1)
starts = st.integers(-(1 << 40), 1 << 40)
steps = st.one_of(
    st.tuples(st.just("host"), minutes),
    st.tuples(st.just("member"), members, minutes, st.booleans()),
    st.tuples(st.just("tick")),
    st.tuples(st.just("checkpoint")),
)
plans = st.lists(st.tuples(st.integers(0, 20 * MINUTE), steps), max_size=30)
clocks = st.builds(
    MeshClock,
    st.just(0),
    minutes,
    st.booleans(),
    st.none() | st.integers(0, 1 << 36),
    st.integers(1, limits.M_WAIT_MINUTES),
    st.just(0) | st.integers(0, 10 * MINUTE),
)


def take(clock: MeshClock, step: tuple, now: int) -> int:
    """One call; the minutes by which the clock says that it moved."""
    if step[0] == "host":
        return clock.learn_from_host(step[1], now)
    if step[0] == "member":
        return clock.learn_from_member(*step[1:], now)
    if step[0] == "tick":
        return clock.tick(now)
    if clock.checkpoint_due(now):
        clock.checkpointed(now)
    return 0


@given(clocks, plans)
def test_a_certain_m_never_goes_back_and_moves_only_by_what_a_call_says(clock, plan):
    now = 0
    for pause, step in plan:
        before, phase, certain = clock.minute(now), clock.into_minute(now), clock.certain
        now += pause
        expected = before + (phase + pause) // MINUTE
        assert clock.minute(now) == expected
        moved = take(clock, step, now)
        assert moved >= (0 if certain else -limits.M_CHECKPOINT_MINUTES)
        assert clock.minute(now) == expected + moved
        assert clock.certain or not certain
        assert clock.told(now) >= clock.minute(now)
        assert (clock.wait(now) == 0) is clock.certain and clock.wait(now) <= limits.M_WAIT_MINUTES
        if clock.deadline() > now:
            assert not clock.checkpoint_due(now) and clock.tick(now) == 0
        assert len(clock._met) < limits.M_MEMBERS


@given(told, plans)
def test_nothing_but_a_host_moves_a_certain_board_that_once_heard_of_one(minute, plan):
    clock = MeshClock(0, minute, certain=True)
    now = 0
    for pause, step in plan:
        now += pause
        if step[0] != "host":
            take(clock, step, now)
        assert clock.minute(now) == minute + now // MINUTE


@given(told, plans, st.integers(0, 10 * MINUTE))
def test_members_move_a_board_that_slept_by_what_its_timer_may_be_wrong_at_most(minute, plan, slack):
    clock = MeshClock(0, minute, True, 0, slack_ms=slack)
    now = moved = 0
    for pause, step in plan:
        now += pause
        if step[0] != "host":
            moved += take(clock, step, now)
        assert 0 <= clock.minute(now) - minute - now // MINUTE <= slack // MINUTE + 1
    assert moved <= slack // MINUTE + 1


@given(told, plans)
def test_fewer_than_three_members_who_know_move_a_board_by_a_day_at_most(minute, plan):
    clock = MeshClock(0, minute)
    now = 0
    known = set()
    for pause, step in plan:
        now += pause
        if step[0] == "host":
            continue
        if step[0] == "member" and step[3]:
            known.add(step[1])
            if len(known) == limits.M_MEMBERS:
                return
        take(clock, step, now)
        assert clock.told(now) <= minute + limits.M_CHECKPOINT_MINUTES + DAY_MINUTES + now // MINUTE


@given(
    st.integers(limits.M_TOLD, 1 << 28),
    st.lists(st.integers(0, 60_000), min_size=2, max_size=2),
    minutes,
    st.permutations([0, 1, 2]),
    st.lists(st.integers(0, 3 * MINUTE), min_size=3, max_size=3),
    st.lists(minutes, max_size=4),
)
def test_a_liar_never_moves_a_board_that_was_told_past_the_lowest_honest_member(
    minute, honest, lie, order, pauses, hearsay
):
    clock = MeshClock(0, minute)
    now = 0
    for index, value in enumerate(hearsay):  # it may say that it does not know, too
        clock.learn_from_member(bytes((9, index)), value, False, now)
    for who, pause in zip(order, pauses):
        now += pause
        told = lie if who == 2 else minute + 10 + honest[who] + now // MINUTE
        clock.learn_from_member(bytes((who,)), told, True, now)
    now = max(now, 10 * MINUTE)
    clock.tick(now)
    # Never past the honest, never back behind its own.
    own = minute + 10 + now // MINUTE
    assert clock.certain and own - 10 <= clock.minute(now) <= own + max(min(honest), limits.M_NEAR_MINUTES)
    if lie >= minute + 20 + max(honest):
        # The wait may end before the third; then a day is the most.
        assert clock.minute(now) >= own + min(*honest, DAY_MINUTES) - 1


@given(starts, minutes, st.booleans(), st.integers(0, 1 << 40))
def test_a_gap_that_was_timed_is_added_to_the_millisecond(now, minute, certain, gap):
    clock = MeshClock(now, minute, certain, gap)
    assert clock.minute(now) * MINUTE + clock.into_minute(now) == minute * MINUTE + gap
    assert clock.certain is certain


@given(starts, minutes, minutes)
def test_a_paired_host_may_move_a_board_by_years(now, minute, told):
    clock = MeshClock(now, minute)
    clock.learn_from_host(told, now)
    assert clock.certain is (told >= minute - limits.M_BEHIND_MINUTES)
    guess = minute + limits.M_CHECKPOINT_MINUTES
    assert clock.minute(now) == (max(told, minute) if clock.certain else guess)


@given(st.binary(max_size=8))
def test_every_byte_string_is_a_clock_or_refused(data):
    try:
        minute, certain, asks = decode_clock(data)
    except PeerError:
        return
    assert encode_clock(minute, certain, asks) == data and 0 <= minute <= limits.M_MINUTES
