"""PDF documents: read back, and drawn, with another library."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pypdfium2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyloto.observability.logs import logging_config
from pyloto.pdf import Document, Tone
from tests.lab.hostile import texts

AT = datetime(2026, 11, 22, 20, 30, tzinfo=UTC)


@contextmanager
def opened(document: Document) -> Iterator[pypdfium2.PdfDocument]:
    with pypdfium2.PdfDocument(document.to_bytes()) as pdf:
        yield pdf


def pages_of(document: Document) -> list[str]:
    with opened(document) as pdf:
        return [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in pdf]


def new(title: str = "Relatório", subtitle: str = "") -> Document:
    return Document(title, subtitle, created_at=AT)


def test_everything_written_can_be_read_and_copied():
    document = new("Relatório de auditoria", "Conversa c0ffee")
    document.notice("Íntegro: 3 eventos", Tone.GOOD)
    document.heading("Contagem")
    document.paragraph("Ação, coração, 1º → 2ª, “aspas” – travessão")
    document.facts([("Eventos", 3), ("Período", "01/11/2026")])
    document.table(["Nº", "Quem"], [[1, "Bot"], [2, "José"]], widths=[1, 3])
    (page,) = pages_of(document)
    for text in ("Relatório de auditoria", "Conversa c0ffee", "Íntegro: 3 eventos", "Contagem", "Eventos 3", "2 José"):
        assert text in page
    assert "Ação, coração, 1º → 2ª, “aspas” – travessão" in page


def test_pages_are_numbered_and_say_when_they_were_made():
    document = new()
    document.paragraph("linha\n" * 120)
    pages = pages_of(document)
    assert [re.findall(r"Página \d+ de \d+", page) for page in pages] == [[f"Página {n} de 3"] for n in (1, 2, 3)]
    assert all("Relatório · Gerado em 22/11/2026 17:30 (horário de Brasília)" in page for page in pages)


def test_the_file_names_title_language_and_nothing_of_the_machine():
    with opened(new("Relatório\nem duas linhas")) as pdf:
        metadata = pdf.get_metadata_dict(skip_empty=True)
    assert metadata.pop("CreationDate") == "D:20261122203000Z"
    assert metadata == {"Title": "Relatório em duas linhas", "Creator": "Pyloto", "Producer": "Pyloto"}
    assert b"/Lang (pt-BR)" in new().to_bytes()


def test_the_header_of_a_table_stands_on_each_page():
    document = new()
    document.table(["Número", "Tipo"], [[n, "Sessão aberta"] for n in range(100)])
    pages = pages_of(document)
    assert len(pages) == 3
    assert all(page.count("Número Tipo") == 1 for page in pages)
    assert [int(n) for page in pages for n in re.findall(r"^(\d+) Sessão aberta$", page, re.M)] == list(range(100))


def test_a_row_that_is_longer_than_a_page_goes_on_under_its_header():
    document = new()
    document.table(["Texto", "Quem"], [["palavra " * 3000, "Bot"], ["fim", "Cliente"]], widths=[1, 1])
    pages = pages_of(document)
    assert len(pages) > 3
    assert sum(page.count("palavra") for page in pages) == 3000
    assert all("Texto Quem" in page for page in pages[1:])
    assert "fim Cliente" in pages[-1]


def test_columns_share_the_page_and_nothing_leaves_it():
    document = new()
    document.table(["Nº", "Hash", "Detalhes"], [[1, "a" * 64, "mode: BOT → HUMAN; " * 20]])
    with opened(document) as pdf:
        text = pdf[0].get_textpage()
        boxes = [text.get_charbox(i) for i in range(text.count_chars())]
    assert max(right for _, _, right, _ in boxes) <= 595 - 40


def test_a_table_without_rows_says_so():
    document = new()
    document.table(["Nº", "Quem"], [])
    assert "Nada a mostrar." in pages_of(document)[0]


def test_a_word_of_100_kilobytes_is_cut_into_lines():
    document = new()
    document.paragraph("x" * 100_000)
    assert sum(len(re.findall("x", page)) for page in pages_of(document)) == 100_000


def test_what_has_no_glyph_is_seen_to_be_missing():
    document = new()
    document.paragraph("nulo[\0] família[👩\u200d👩\u200d👧] metade[\ud83d] virado[\u202eabc] rótulo[\U000e0041]")
    (page,) = pages_of(document)
    for shown in ("nulo[�]", "família[���]", "metade[�]", "virado[�abc]", "rótulo[�]"):
        assert shown in page


def test_text_from_right_to_left_is_drawn_in_its_order():
    document = new()
    document.paragraph("שלום")
    with opened(document) as pdf:
        text = pdf[0].get_textpage()
        places = {text.get_text_range(i, 1): text.get_charbox(i)[0] for i in range(text.count_chars())}
    assert places["ש"] > places["ל"] > places["ו"] > places["ם"]


def test_placeholders_of_the_library_are_texts_like_others():
    document = new()
    document.paragraph("{nb} **negrito** __linha__ <b>x</b>")
    assert "{nb} **negrito** __linha__ <b>x</b>" in pages_of(document)[0]


def test_the_same_calls_give_the_same_bytes():
    def written() -> bytes:
        document = new()
        document.table(["Nº", "Quem"], [[n, "José"] for n in range(80)])
        return document.to_bytes()

    assert written() == written()


# Each draws fonts anew, a tenth of a second: few documents, with many texts in each.
@settings(max_examples=5, deadline=None)
@given(st.lists(st.text(st.characters(codec=None)), min_size=5, max_size=20))
@example([*texts(300), "\n\n\n", "\u05d0(\u0661)[" * 300, "\u2067" * 300, "\u0301" * 300, "\ufdfa" * 300])
def test_no_text_raises(written: list[str]):
    write_everywhere(written)


def write_everywhere(written: list[str]) -> None:
    document = new(written[0], written[-1])
    for text in written:
        document.notice(text, Tone.BAD)
        document.heading(text)
        document.paragraph(text)
        document.facts([(text, text)])
        document.table([text, "b", text], [[text, text, text], [text]])
    assert pages_of(document)


def test_drawing_a_document_logs_nothing_about_it(caplog: pytest.LogCaptureFixture):
    levels = logging_config("INFO")["loggers"]
    assert {levels[name]["level"] for name in ("fpdf", "fontTools")} == {"WARNING"}
    with caplog.at_level(logging.WARNING):
        write_everywhere(["Ação \x00 👩 \ud83d"])
    assert caplog.records == []
