"""The text of an answer as it grows: whole characters, stop strings, tokens that add up to the text."""

from collections.abc import Sequence

import pytest

from monitor.chat import Piece
from monitor.demo.small import build_tokenizer
from monitor.inference.transcript import Transcript

TEXT = "naïve 😀 red circle\nпривет (0.35, 0.60) 日本"


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return build_tokenizer("lm").backend_tokenizer


def told(tokenizer: object, text: str, stop: tuple[str, ...] = ()) -> tuple[Transcript, list[Piece]]:
    """Feed a text token by token, as an engine does."""

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=True))  # type: ignore[attr-defined]  # not typed

    transcript, pieces = Transcript(decode, stop, keep_tokens=True), []
    for token in tokenizer.encode(text).ids:  # type: ignore[attr-defined]  # not typed
        pieces.append(transcript.add(token, -0.5))
        if transcript.stopped:
            break
    pieces.append(transcript.finish())
    return transcript, pieces


def check(transcript: Transcript, pieces: list[Piece], text: str) -> None:
    assert transcript.text == text
    assert "".join(piece.text for piece in pieces) == text
    assert "".join(token.text for token in transcript.tokens) == text
    assert [token for piece in pieces for token in piece.tokens] == transcript.tokens


def test_the_pieces_are_the_text_and_no_piece_holds_half_a_character(tokenizer: object) -> None:
    transcript, pieces = told(tokenizer, TEXT)
    check(transcript, pieces, TEXT)
    assert not any("\ufffd" in piece.text for piece in pieces)
    assert sum(bool(piece.text) for piece in pieces) > 10


def test_a_character_that_stays_incomplete_comes_out_at_the_end(tokenizer: object) -> None:
    ids = tokenizer.encode("a😀").ids  # type: ignore[attr-defined]  # not typed
    transcript = Transcript(lambda part: str(tokenizer.decode(list(part))), keep_tokens=True)  # type: ignore[attr-defined]  # not typed
    pieces = [transcript.add(token) for token in ids[:-1]]
    assert [piece.text for piece in pieces] == ["a", "", "", ""]
    check(transcript, [*pieces, transcript.finish()], "a\ufffd")


@pytest.mark.parametrize("stop", ["\n", "le\nпр", "circle\nпривет", "naïve", "日本", "(0.35, "])
def test_a_stop_string_ends_the_text_before_it_wherever_its_tokens_end(tokenizer: object, stop: str) -> None:
    transcript, pieces = told(tokenizer, TEXT, (stop, "never there"))
    assert transcript.stopped
    check(transcript, pieces, TEXT[: TEXT.index(stop)])


def test_what_only_looked_like_a_stop_string_is_given_out(tokenizer: object) -> None:
    transcript, pieces = told(tokenizer, TEXT, ("circle\nпривет!", "日本語"))
    assert not transcript.stopped
    check(transcript, pieces, TEXT)


def test_of_several_stop_strings_the_earliest_one_counts(tokenizer: object) -> None:
    transcript, pieces = told(tokenizer, TEXT, ("circle", "red c", "e\n"))
    check(transcript, pieces, "naïve 😀 ")
