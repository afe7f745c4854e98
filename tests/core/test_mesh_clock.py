import random

from hedgerow_core import limits
from hedgerow_core.clock import EPOCH_MINUTES, decode_clock, encode_clock
from hedgerow_core.mesh_clock import MeshClock
from support import refuses

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
M = 1_400_000  # of some day in 2026


def lost(minute: int = M, now: int = 0) -> MeshClock:
    """A board that lost its power after it wrote ``minute`` down."""
    return MeshClock(now, minute)


def test_what_is_told_of_a_clock_comes_out_as_it_went_in():
    for minute in (0, 1, 255, M, limits.M_MINUTES):
        for certain in (False, True):
            for asks in (False, True):
                data = encode_clock(minute, certain, asks)
                assert len(data) == 5 and decode_clock(data) == (minute, certain, asks)
    assert encode_clock(M, True) == b"\x00\x15\x5c\xc0\x01"
    assert decode_clock(encode_clock(limits.M_MINUTES + 1, True)) == (limits.M_MINUTES, True, False)


def test_a_damaged_clock_is_refused():
    good = encode_clock(M, True)
    for end in range(len(good)):
        assert refuses(decode_clock, good[:end])
    assert refuses(decode_clock, good + b"\0")
    assert refuses(decode_clock, good[:4] + b"\4")
    assert refuses(decode_clock, (limits.M_MINUTES + 1).to_bytes(4, "big") + b"\1")
    assert refuses(decode_clock, b"\xff\xff\xff\xff\1")


def test_a_host_counts_from_the_first_minute_of_2024():
    assert (EPOCH_MINUTES * 60 - 1_704_067_200, EPOCH_MINUTES % (24 * 60)) == (0, 0)


def test_a_clock_counts_minutes():
    clock = MeshClock(500, M, certain=True)
    assert [clock.minute(500 + ms) - M for ms in (0, 59_999, 60_000, HOUR, 400 * DAY)] == [
        0,
        0,
        1,
        60,
        576_000,
    ]
    assert clock.into_minute(500 + 61_234) == 1_234


def test_a_clock_does_not_wrap_over_years():
    clock = MeshClock(-7, M, certain=True)
    last = M
    for year in range(1, 101):
        now = year * 365 * DAY
        assert clock.minute(now) == last + 365 * 24 * 60
        last = clock.minute(now)
    assert decode_clock(encode_clock(clock.told(now), clock.certain)) == (last, True, False)


def test_after_a_loss_of_power_the_clock_is_ten_minutes_on_and_nobody_may_rely_on_it():
    clock = lost()
    assert clock.minute(0) == M + 10 and not clock.certain
    new = MeshClock(0)
    assert new.minute(0) == 10 and not new.certain


def test_a_gap_that_was_timed_is_added_exactly():
    for gap in (0, 1, 59_999, 60_000, 3 * HOUR + 7, 40 * DAY):
        for certain in (False, True):
            clock = MeshClock(1_000, M, certain, gap)
            assert clock.certain is certain
            assert (clock.minute(1_000) - M) * MINUTE + clock.into_minute(1_000) == gap


def test_a_restart_in_between_does_not_make_a_board_wait_anew():
    clock = lost()
    assert clock.wait(0) == 10 and clock.wait(4 * MINUTE) == 6 and clock.wait(9 * HOUR) == 1
    again = MeshClock(0, clock.minute(4 * MINUTE), False, 300, clock.wait(4 * MINUTE))
    again.tick(6 * MINUTE - 1)
    assert not again.certain
    again.tick(6 * MINUTE)
    assert again.certain and again.wait(6 * MINUTE) == 0


def test_a_board_that_was_off_takes_the_time_of_its_host():
    clock = lost()
    assert clock.learn_from_host(M + 600, 5_000) == 590
    assert clock.certain and clock.minute(5_000) == M + 600


def test_a_new_board_takes_years_from_its_host():
    clock = MeshClock(0)
    clock.learn_from_host(M, 0)
    assert clock.certain and clock.minute(0) == M
    assert clock.learn_from_host(M + 20 * 365 * 24 * 60, MINUTE) == 20 * 365 * 24 * 60 - 1
    assert clock.minute(MINUTE) == M + 20 * 365 * 24 * 60


def test_the_clock_of_a_host_that_is_slow_never_puts_a_board_back():
    clock = MeshClock(0, M, certain=True)
    assert clock.learn_from_host(M - 1, 0) == 0 and clock.learn_from_host(0, 0) == 0
    assert clock.minute(0) == M
    # A host that cannot be right does not end the wait for somebody who can.
    clock = lost()
    assert clock.learn_from_host(M - 5_000, 0) == 0 and not clock.certain
    # One that is right about a short cut does.
    assert clock.learn_from_host(M + 2, 0) == -8 and clock.certain and clock.minute(0) == M + 2
    # But what was written down was so.
    clock = lost()
    assert clock.learn_from_host(M - 2, 0) == -10 and clock.certain and clock.minute(0) == M


def test_a_board_that_is_certain_is_not_moved_by_members():
    clock = MeshClock(0, M, certain=True)
    for number in range(5):
        assert clock.learn_from_member(bytes((number,)), M + 1_000, number % 2 == 0, number) == 0
    assert clock.tick(DAY) == 0 and clock.minute(DAY) == clock.told(DAY) == M + 24 * 60


def test_the_lowest_of_three_who_know_is_taken_at_once():
    clock = lost()
    clock.learn_from_member(b"a", M + 5_003, True, 0)
    clock.learn_from_member(b"b", M + 5_001, True, MINUTE)
    assert not clock.certain and clock.minute(MINUTE) == M + 11
    assert clock.learn_from_member(b"c", M + 5_004, True, 2 * MINUTE) == 4_990
    # What b said is a minute old now.
    assert clock.certain and clock.minute(2 * MINUTE) == M + 5_002
    assert clock._met == {}  # a board has no memory for what is over


def test_one_liar_among_three_moves_nobody_past_the_honest_nor_back():
    for lie in (0, M - 1, M, M + 10, M + 299, limits.M_MINUTES):
        for place in range(3):
            clock = lost()
            told = [M + 300, M + 301]
            told.insert(place, lie)
            for number, minute in enumerate(told):
                clock.learn_from_member(bytes((number,)), minute, True, 0)
            clock.tick(10 * MINUTE)
            assert clock.certain and M + 10 <= clock.minute(10 * MINUTE) <= M + 310
            if lie > M + 300:
                assert clock.minute(10 * MINUTE) == M + 310


def test_a_liar_who_says_that_he_does_not_know_moves_nobody_past_those_who_do():
    clock = lost()
    for number in range(100):
        clock.learn_from_member(bytes((number,)), limits.M_MINUTES, False, 0)
    clock.learn_from_member(b"honest", M + 300, True, 0)
    clock.tick(10 * MINUTE)
    assert clock.minute(10 * MINUTE) == M + 310


def test_a_member_counts_once_however_often_it_calls():
    clock = lost()
    for second in range(100):
        clock.learn_from_member(b"a", M + 100_000, True, second * 1_000)
    assert not clock.certain and clock.minute(99_000) == M + 11


def test_a_single_member_moves_a_board_by_a_day_at_most():
    clock = lost()
    clock.learn_from_member(b"a", M + 100_000, True, 0)
    assert clock.tick(10 * MINUTE - 1) == 0 and not clock.certain
    assert clock.tick(10 * MINUTE) == 24 * 60
    assert clock.certain and clock.minute(10 * MINUTE) == M + 20 + 24 * 60
    assert clock.learn_from_member(b"b", M + 100_000, True, 11 * MINUTE) == 0


def test_a_new_board_takes_all_of_what_a_single_member_says():
    clock = MeshClock(0)
    clock.learn_from_member(b"a", M, True, 0)
    clock.tick(10 * MINUTE)
    assert clock.minute(10 * MINUTE) == M + 10


def test_a_member_far_behind_does_not_keep_a_board_from_learning():
    # For example one that never met anybody, and counts from its first start.
    clock = lost()
    clock.learn_from_member(b"new", 700, True, 0)
    clock.learn_from_member(b"a", M + 300, True, 0)
    clock.tick(10 * MINUTE)
    assert clock.minute(10 * MINUTE) == M + 310


def test_after_a_blackout_of_everybody_the_highest_guess_is_taken_and_letters_move_again():
    clock = lost()
    clock.learn_from_member(b"a", M + 17, False, 0)
    clock.learn_from_member(b"b", M + 11, False, 0)
    assert not clock.certain and clock.told(0) == M + 17
    assert clock.tick(10 * MINUTE) == 7 and clock.certain and clock.minute(10 * MINUTE) == M + 27
    alone = lost()
    assert alone.tick(10 * MINUTE) == 0 and alone.certain and alone.minute(10 * MINUTE) == M + 20


def test_guesses_of_others_move_a_board_by_a_day_at_most_in_all():
    clock = lost()
    for number in range(50):
        clock.learn_from_member(bytes((number,)), clock.told(0) + 24 * 60, False, 0)
    assert clock.told(0) == M + 10 + 24 * 60
    clock.tick(10 * MINUTE)
    assert clock.minute(10 * MINUTE) == M + 20 + 24 * 60


def test_a_checkpoint_is_due_every_ten_minutes_and_as_soon_as_something_was_learnt():
    clock = lost()
    assert not clock.checkpoint_due(10 * MINUTE - 1) and clock.deadline() == 10 * MINUTE
    clock.learn_from_host(M + 300, 1_000)
    assert clock.checkpoint_due(1_000) and clock.deadline() <= 1_000
    clock.checkpointed(1_000)
    assert not clock.checkpoint_due(10 * MINUTE) and clock.deadline() == 10 * MINUTE + 1_000
    assert clock.checkpoint_due(10 * MINUTE + 1_000)
    # What a restart brought over lies on no flash yet.
    assert MeshClock(0, M, True, 5_000).checkpoint_due(0)


class House:
    """A board in a neighbourhood that loses its power now and then; its ``now`` starts anywhere each time."""

    def __init__(self, number: int) -> None:
        self.name = bytes((number,))
        self.clock = None
        self.checkpoint = 0
        self.off_at = self.start = 0
        self.back_at = 0
        self.may_be_behind = 0  # what this board's own losses of power explain

    def boot(self, time: int) -> None:
        self.start = time - random.randrange(1 << 20) * 1_000
        self.clock = MeshClock(time - self.start, self.checkpoint)

    def now(self, time: int) -> int:
        return time - self.start

    def ahead(self, time: int) -> int:
        now = self.now(time)
        return self.clock.minute(now) * MINUTE + self.clock.into_minute(now) - M * MINUTE - time

    def keep(self, time: int) -> None:
        now = self.now(time)
        self.clock.tick(now)
        if self.clock.checkpoint_due(now):
            self.checkpoint = self.clock.minute(now)
            self.clock.checkpointed(now)

    def meet(self, other: "House", time: int) -> None:
        told = [(one, one.clock.told(one.now(time)), one.clock.certain) for one in (self, other)]
        for house, (member, minute, certain) in ((self, told[1]), (other, told[0])):
            before, certain_before = house.clock.minute(house.now(time)), house.clock.certain
            house.clock.learn_from_member(member.name, minute, certain, house.now(time))
            assert house.clock.minute(house.now(time)) >= before or not certain_before


def neighbourhood(seed: int, one_stays: bool, longest_gap: int) -> None:
    """A random neighbourhood over a day; the bounds of docs/protocol.md hold at every moment.

    With ``one_stays`` the first board never loses its power, and whoever starts meets it, or others too.
    """
    random.seed(seed)
    houses = [House(number) for number in range(5)]
    time = cuts = short_cuts = 0
    for house in houses:
        house.boot(0)
        house.clock.learn_from_host(M, house.now(0))
        house.keep(0)
    for _ in range(2_500):
        time += random.randrange(1, MINUTE)
        for house in houses:
            if house.clock is None and time >= house.back_at:
                house.boot(time)
                house.may_be_behind += time - house.off_at + 11 * MINUTE
                short_cuts += time - house.off_at < 10 * MINUTE
                if one_stays:
                    house.meet(houses[0], time)
        for house in houses:
            if house.clock is not None:
                house.keep(time)
        on = [house for house in houses if house.clock is not None]
        if len(on) > 1 and not random.randrange(3):
            one = random.randrange(len(on))
            on[one].meet(on[one - 1], time)
        for house in on:
            if not random.randrange(150) and not (one_stays and house is houses[0]):
                house.clock = None
                house.off_at = time
                house.back_at = time + random.randrange(1, longest_gap)
                cuts += 1
            else:
                assert house.ahead(time) <= short_cuts * 10 * MINUTE
                assert house.ahead(time) >= -house.may_be_behind
                if one_stays and house.clock.certain:
                    assert house.ahead(time) >= -cuts * MINUTE
    assert cuts > 5


def test_where_somebody_kept_power_nobody_is_behind_by_more_than_a_minute_a_cut():
    for seed in range(4):
        neighbourhood(seed, True, 3 * HOUR if seed % 2 else 20 * MINUTE)


def test_where_everybody_may_lose_power_nobody_is_behind_by_more_than_its_own_cuts():
    for seed in range(4):
        neighbourhood(seed, False, 5 * HOUR if seed % 2 else 20 * MINUTE)
