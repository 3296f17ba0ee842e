"""The table that every lesson's rows are shown in."""

from workbench.table import Link, Table, marked


def test_text_is_aligned_and_its_last_column_moves_no_other():
    def table(message):
        rows = [[message, "1"], ["OK", "20"]]
        return Table(("outcome", "count"), rows, "A finding", numbers=("count",), last="outcome")

    assert table("no").text() == "A finding\n\ncount  outcome\n    1  no\n   20  OK"
    assert table("no (at all)").text().replace(" (at all)", "") == table("no").text()


def test_html_is_escaped_backticks_become_code_and_numbers_stand_at_the_right():
    shown = Table(("what", "n"), [["`a<b>` & <i>", "1"]], "<u> `x`", numbers=("n",)).html()
    assert shown.startswith("<p>&lt;u&gt; <code>x</code></p>\n<table>")
    assert '<td style="text-align: left"><code>a&lt;b&gt;</code> &amp; &lt;i&gt;</td>' in shown
    assert '<th style="text-align: right">n</th>' in shown
    assert '<td style="text-align: right">1</td>' in shown
    assert shown.count("<tr>") == shown.count("</tr>") == 2


def test_what_is_verbatim_keeps_its_backticks():
    shown = Table(("said",), [["no `read()` & <b>"]], verbatim=("said",)).html()
    assert ">no `read()` &amp; &lt;b&gt;</td>" in shown


def test_links():
    table = Table(("lessons",), [[[Link("01", 'a.ipynb#"x"'), Link("<02>", "b")]]])
    assert table.text() == "lessons\n01, <02>"
    assert '<a href="a.ipynb#&quot;x&quot;">01</a>, <a href="b">&lt;02&gt;</a>' in table.html()


def test_a_table_without_rows_says_so():
    table = Table(("what", "n"), [], numbers=("n",))
    assert table.text() == "what     n\nnothing"
    assert '<td colspan="2">nothing</td>' in table.html()


def test_a_notebook_shows_it_by_itself():
    table = Table(("a",), [["b"]])
    assert (repr(table), table._repr_html_()) == (table.text(), table.html())


def test_a_lone_backtick_stays():
    assert marked("it's `one` and ` two") == "it's <code>one</code> and ` two"
