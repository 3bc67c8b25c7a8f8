"""Pastes are taken out of the stream of keys whole, wherever the pieces are cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from oomdoc.tui.driver import Pastes

PARTS = st.lists(
    st.one_of(
        st.text(alphabet="ab\x1b[~2显01", max_size=8).map(lambda text: ("keys", text)),
        st.text(alphabet="ab\x1b[~2显\n", max_size=30).map(lambda text: ("paste", text)),
    ),
    max_size=8,
)


def read(pieces: list[str]) -> tuple[str, list[str]]:
    pastes = Pastes()
    found = [one for piece in pieces for one in pastes.split(piece)]
    return "".join(text for is_paste, text in found if not is_paste), [text for is_paste, text in found if is_paste]


@given(parts=PARTS, cuts=st.lists(st.integers(1, 12), max_size=60))
@settings(max_examples=300, deadline=None)
def test_pastes_come_whole_and_keys_in_order(parts: list[tuple[str, str]], cuts: list[int]) -> None:
    clean = [(kind, text.replace("\x1b[20", "")) for kind, text in parts]
    pieces: list[str] = []
    for kind, text in clean:
        if kind == "keys":
            pieces.append(text)
            continue
        pieces.append("\x1b[200~")  # a start that is cut in two is left to the key parser
        body = text + "\x1b[201~"
        for cut in cuts:
            pieces.append(body[:cut])
            body = body[cut:]
        pieces.append(body)
    keys, pasted = read([piece for piece in pieces if piece])
    assert keys == "".join(text for kind, text in clean if kind == "keys")
    assert pasted == [text for kind, text in clean if kind == "paste"]


def test_ten_megabytes_in_pieces_of_a_terminal() -> None:
    text = "{'loss': 1.73} \x1b[31mred\n" * 400_000
    stream = "x\x1b[200~" + text + "\x1b[201~y"
    keys, pasted = read([stream[at : at + 4095] for at in range(0, len(stream), 4095)])
    assert keys == "xy"
    assert pasted == [text]


def test_a_paste_that_never_ends_is_held_back() -> None:
    assert read(["\x1b[200~abc", "def"]) == ("", [])
