"""The ledger as a book: bounded, written by many threads, waited for, readable."""

import threading

import pytest

from server.ledger import KEPT_TEXT, Ledger

# Memory and threads


def test_memory_is_bounded_and_counts_are_exact():
    ledger = Ledger(kept=100)
    with ledger.watch() as seen:
        for n in range(1000):
            ledger.write("request", connection=1, nth=n, path="x" * 10_000, query="y" * 10_000)
    assert len(ledger) == len(ledger.events) == len(seen.events) == 100
    assert seen.requests == 1000
    assert seen.dropped == 900
    assert seen.events[-1].seq == 1000
    assert {len(event.target) for event in seen.events} == {2 * KEPT_TEXT + 1}
    assert "900 events" in seen.table()
    assert "900 events no longer kept" in seen._repr_html_()


def test_many_threads_write_and_read_one_ledger():
    ledger = Ledger(kept=500)
    problems = []

    def write():
        for n in range(500):
            ledger.write("request", connection=1, nth=n)
            number = ledger.opened(("127.0.0.1", 1)).connection
            ledger.write("closed", connection=number, by="client")

    def read():
        while writing:
            with ledger.watch() as seen:
                events, totals = ledger.since(0)
            numbers = [event.seq for event in events]
            if numbers != list(range(totals["events"] - len(events) + 1, totals["events"] + 1)):
                problems.append(numbers)
            if seen.dropped < 0:
                problems.append(seen.dropped)

    writing = [threading.Thread(target=write) for _ in range(6)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    with ledger.watch() as seen:
        for thread in [*writing, *readers]:
            thread.start()
        for thread in writing:
            thread.join()
        writing.clear()
        for thread in readers:
            thread.join()
    assert problems == []
    assert (seen.connections, seen.requests, seen.closed) == (3000, 3000, 3000)
    opened = [event.connection for event in ledger.events if event.kind == "opened"]
    assert len(set(opened)) == len(opened)


def test_wait_until(server):
    ledger = Ledger()
    timer = threading.Timer(0.1, ledger.write, ("request",), {"connection": 1})
    timer.start()
    ledger.wait_until(lambda it: it.totals()["request"] == 1, timeout=10)
    timer.join()
    ledger.wait_until(lambda it: len(it) == 1, timeout=0)  # true already
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        ledger.wait_until(lambda it: it.totals()["request"] == 2, timeout=0.05)


def test_wait_until_closed(server):
    ledger = Ledger()
    ledger.wait_until_closed(timeout=0)  # none was opened
    for _ in range(2):
        ledger.opened(None)
    ledger.write("closed", connection=2)
    assert ledger.open_connections == 1
    with pytest.raises(TimeoutError, match=r"1 connection still open after 0\.01 s"):
        ledger.wait_until_closed(timeout=0.01)
    timer = threading.Timer(0.05, ledger.write, ("closed",), {"connection": 1})
    timer.start()
    ledger.wait_until_closed(timeout=10)
    timer.join()
    assert ledger.open_connections == 0


# How it looks


@pytest.mark.anyio
async def test_table_is_readable_and_has_times_only_when_asked(server, client):
    with server.ledger.watch() as seen:
        await client.get("/echo?q=<b>")
    assert seen.summary() == ("The server saw 1 connection opened, 1 request, 1 whole response.")
    number = seen.events[0].connection
    assert str(seen) == repr(seen) == seen.table()
    assert seen.table().splitlines() == [
        seen.summary(),
        f"  connection {number}  opened",
        f"  connection {number}  request 1: GET /echo?q=%3Cb%3E",
        f"  connection {number}  response 1: 200",
    ]
    timed = seen.table(times=True).splitlines()[1:]
    times = [float(line.split(" ms ")[0]) for line in timed]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 60_000
    assert f"<td>{number}</td>" in seen._repr_html_()


def test_nothing_seen_is_a_sentence_and_no_empty_table():
    with Ledger().watch() as seen:
        pass
    assert seen._repr_html_() == (
        "<p>The server saw 0 connections opened, 0 requests, 0 whole responses.</p>"
    )


def test_html_is_escaped():
    ledger = Ledger()
    with ledger.watch() as seen:
        ledger.write("request", connection=1, nth=1, method="GET", path="/<script>")
    assert "<script>" not in seen._repr_html_()
    assert "/&lt;script&gt;" in seen._repr_html_()
