import threading
import time
from concurrent.futures import wait

import pytest
from streamlit.testing.v1 import AppTest

from app.shell import jobs
from app.shell.jobs import Board, Job
from core.errors import InputError
from core.progress import Stopped

SOON = 10


@pytest.fixture
def board():
    board = Board()
    yield board
    board.close()


def finish(job: Job) -> Job:
    if not job.future.done():
        wait([job.future], SOON)
    assert job.future.done()
    return job


def was_cancelled(job: Job) -> bool:
    finish(job)
    return job.future.cancelled() or isinstance(job.future.exception(), Stopped)


def until_cancelled(started: threading.Event):
    """Work that goes on until somebody cancels it."""

    def work(progress, cancelled):
        started.set()
        while not cancelled():
            time.sleep(0.005)
        raise Stopped

    return work


def test_the_result_stays_for_whoever_asks_again(board):
    calls = []
    first = board.ask("key", "adding", lambda progress, cancelled: calls.append(1) or 42)
    assert finish(first).future.result() == 42
    second = board.ask("key", "adding", lambda progress, cancelled: calls.append(2) or 43)
    assert second is first
    assert calls == [1]


def test_progress_and_time_left_follow_the_work(board):
    reported, go_on = threading.Event(), threading.Event()

    def work(progress, cancelled):
        progress(1, 4)
        reported.set()
        go_on.wait(SOON)
        progress(4, 4)

    job = board.ask("key", "counting", work)
    assert reported.wait(SOON)
    assert job.share == 0.25
    assert job.seconds_left == pytest.approx(3 * (time.monotonic() - job.started), rel=0.2, abs=0.05)
    go_on.set()
    assert finish(job).share == 1.0


def test_an_error_is_kept_for_the_page_that_asked(board):
    def work(progress, cancelled):
        raise InputError("a longer series", "3 bars", "ingest more")

    job = finish(board.ask("key", "failing", work))
    assert isinstance(job.future.exception(), InputError)
    assert finish(board.ask("next", "adding", lambda progress, cancelled: 1)).future.result() == 1


def test_work_is_cancelled_and_can_be_started_again(board):
    started = threading.Event()
    job = board.ask("key", "endless", until_cancelled(started))
    assert started.wait(SOON)
    job.cancel()
    assert was_cancelled(job)
    board.forget("key")
    assert finish(board.ask("key", "adding", lambda progress, cancelled: 7)).future.result() == 7


def test_who_waits_for_a_turn_is_cancelled_at_once(board):
    started = threading.Event()
    running = board.ask("first", "endless", until_cancelled(started))
    assert started.wait(SOON)
    done = []
    waiting = board.ask("second", "waiting", lambda progress, cancelled: done.append(1))
    assert not wait([waiting.future], 0.15).done
    waiting.cancel()
    assert was_cancelled(waiting)
    assert not running.future.done()
    running.cancel()
    finish(running)
    finish(board.ask("third", "adding", lambda progress, cancelled: 1))
    assert done == []


def test_a_closed_board_stops_what_runs_and_starts_nothing_that_waits(board):
    started = threading.Event()
    running = board.ask("first", "endless", until_cancelled(started))
    assert started.wait(SOON)
    waiting = board.ask("second", "waiting", lambda progress, cancelled: 1)
    board.close()
    assert was_cancelled(running)
    assert was_cancelled(waiting)


def test_one_piece_of_work_runs_at_a_time(board):
    present, most, guard = [0], [0], threading.Lock()

    def work(progress, cancelled):
        with guard:
            present[0] += 1
            most[0] = max(most[0], present[0])
        time.sleep(0.02)
        with guard:
            present[0] -= 1

    for job in [board.ask(number, "working", work) for number in range(5)]:
        finish(job)
    assert most[0] == 1


def test_the_least_recently_asked_for_is_forgotten_and_stopped(board, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT", 2)
    started = threading.Event()
    oldest = board.ask("oldest", "endless", until_cancelled(started))
    assert started.wait(SOON)
    board.ask("kept", "adding", lambda progress, cancelled: 1)
    board.ask("newest", "adding", lambda progress, cancelled: 2)
    assert was_cancelled(oldest)
    assert board.ask("kept", "adding", lambda progress, cancelled: 3) is not oldest
    assert finish(board.ask("kept", "adding", lambda progress, cancelled: 3)).future.result() == 1


def page():
    import time

    import streamlit as st

    from app.shell.jobs import await_result
    from core.errors import InputError
    from core.progress import Stopped

    mode = st.session_state.setdefault("mode", "answer")

    def chosen(progress, cancelled):
        if mode == "refuse":
            raise InputError("a longer series", "3 bars", "ingest more")
        if mode == "wait":
            while not cancelled():
                time.sleep(0.005)
            raise Stopped
        return "the answer"

    try:
        found = await_result(("page", mode), "Looking", chosen)
        st.markdown(f"found {found}")
    except InputError as error:
        st.text(str(error))


def test_a_page_shows_the_result_and_raises_what_the_work_refused():
    app = AppTest.from_function(page, default_timeout=30)
    app.run()
    assert [element.value for element in app.markdown] == ["found the answer"]
    app.session_state["mode"] = "refuse"
    for _ in range(2):
        app.run()
        assert [element.value for element in app.text] == [
            "Expected a longer series, got 3 bars; ingest more."
        ]


def test_a_page_shows_progress_and_how_to_stop_it_and_start_again():
    app = AppTest.from_function(page, default_timeout=30)
    app.session_state["mode"] = "wait"
    app.run()
    assert [element.value for element in app.markdown] == ["found None"]
    assert [button.label for button in app.button] == ["Cancel"]
    app.button[0].click().run()
    deadline = time.monotonic() + SOON
    while [button.label for button in app.button] != ["Start again"] and time.monotonic() < deadline:
        time.sleep(0.1)
        app.run()
    assert [button.label for button in app.button] == ["Start again"]
    assert "Looking: stopped." in [element.value for element in app.caption]
