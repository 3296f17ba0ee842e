"""The house style: what a picture shows in a notebook, and what it says in words."""

import base64

import matplotlib
from matplotlib import pyplot
from matplotlib.figure import Figure

from workbench.figures import FAILURES, STYLE, SUCCESSES, Picture, house_style, set_title

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(title="A finding", text="What it shows, in words."):
    with house_style():
        figure = Figure(figsize=(4, 2))
        figure.subplots().plot([1, 2, 3])
        set_title(figure, title)
    return Picture(figure, text)


def test_a_notebook_gets_the_image_and_the_words():
    data, metadata = picture()._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(PNG_SIGNATURE)
    assert data["text/plain"] == "What it shows, in words."
    assert metadata["image/png"]["alt"] == "What it shows, in words."


def test_jupyterlab_gets_the_image_with_a_name():
    data = picture(text='Fewer than "3" < 4')._repr_mimebundle_()[0]
    assert f'src="data:image/png;base64,{data["image/png"]}"' in data["text/markdown"]
    assert 'alt="Fewer than &quot;3&quot; &lt; 4"' in data["text/markdown"]


def test_a_cell_shows_the_image_and_below_it_the_words_as_html(monkeypatch):
    shown = []
    monkeypatch.setattr("workbench.figures.display", lambda data, **_: shown.append(data))
    picture(text="Fewer than < 3")._ipython_display_()
    image, words = shown
    assert "image/png" in image
    assert words == {
        "text/html": "<details><summary>The picture in words</summary>"
        "<p>Fewer than &lt; 3</p></details>"
    }


def test_the_image_is_shown_smaller_than_drawn_in_the_same_proportions():
    drawn = picture()
    width = int.from_bytes(drawn.png()[16:20], "big")
    height = int.from_bytes(drawn.png()[20:24], "big")
    shown = drawn._repr_mimebundle_()[1]["image/png"]
    assert shown["width"] < width
    assert shown["width"] / shown["height"] == width / height


def test_its_repr_is_the_words():
    assert repr(picture()) == "What it shows, in words."


def test_the_same_figure_gives_the_same_bytes():
    assert picture().png() == picture().png()


def test_a_dollar_sign_is_a_dollar_sign():
    assert picture("from $5 to $\\nonsense$").png().startswith(PNG_SIGNATURE)


def test_a_long_title_stays_inside_the_figure():
    drawn = picture("word " * 26).figure
    drawn.set_size_inches(8, 4)
    drawn.draw_without_rendering()
    title = drawn.get_suptitle()
    assert title.count("\n") == 1
    (text,) = (text for text in drawn.texts if text.get_text() == title)
    assert text.get_window_extent().x1 <= drawn.bbox.x1


def test_the_style_is_left_behind_with_the_block():
    before = {name: matplotlib.rcParams[name] for name in STYLE}
    with house_style():
        assert matplotlib.rcParams["text.parse_math"] is False
    assert {name: matplotlib.rcParams[name] for name in STYLE} == before


def test_a_picture_is_not_kept_in_pyplots_list():
    picture().png()
    assert pyplot.get_fignums() == []


def test_failures_are_hatched_and_no_two_styles_are_alike():
    assert all("hatch" not in style for style in SUCCESSES)
    hatches = [style["hatch"] for style in FAILURES]
    assert len(set(hatches)) == len(hatches)
    colours = [style["facecolor"] for style in SUCCESSES]
    assert len(set(colours)) == len(colours)
