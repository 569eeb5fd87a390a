"""PDF documents for people: reports, answers to access requests. A4, Portuguese, fonts of our own, page numbers.

Texts come from customers: whatever they hold, a document results. What has no glyph shows as "�"; characters that would
be invisible or turn the order of others around are left out or shown as "�" as well.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path

from django.utils import timezone
from fpdf import FPDF
from fpdf.bidi import BidiParagraph
from fpdf.fonts import TTFFont

FONTS = Path(__file__).parent / "fonts"
FAMILY = "DejaVu"

PAGE_WIDTH, PAGE_HEIGHT = 210.0, 297.0  # A4 in mm, as everything here but the sizes of fonts
MARGIN = 15.0
BOTTOM = PAGE_HEIGHT - 18.0  # what is below belongs to the page number
TEXT_WIDTH = PAGE_WIDTH - 2 * MARGIN
PADDING = 1.2
LABEL_WIDTH = 48.0
COLUMN_MIN = 9.0
MM_PER_POINT = 25.4 / 72
LEADING = 1.3  # height of a line, in sizes of its font

BLACK, GREY, RULE, SHADE = (24, 24, 27), (100, 100, 110), (200, 200, 206), (240, 240, 243)
UNKNOWN = "�"
LINE_ENDS = dict.fromkeys(map(ord, "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), "\n") | {ord("\t"): "    "}
# Joiners, marks of direction, soft hyphens, variation selectors: parts of what people write that show nothing by themselves.
INVISIBLE = dict.fromkeys((0xAD, 0x61C, *range(0x200B, 0x2010), 0x2060, 0xFEFF, *range(0xFE00, 0xFE10)))
NEVER_SHOWN = {"Cc", "Cf", "Cs", "Co", "Cn"}
RIGHT_TO_LEFT = {"R", "AL", "AN"}


class Tone(Enum):
    """Colours of a notice: its bar and its ground."""

    GOOD = ((22, 101, 52), (220, 252, 231))
    BAD = ((153, 27, 27), (254, 226, 226))
    NEUTRAL = ((63, 63, 70), (244, 244, 245))


class Document:
    """A document that is written from top to bottom, and given out once by `to_bytes`.

    The same calls with the same `created_at` give the same bytes.
    """

    def __init__(self, title: str, subtitle: str = "", *, created_at: datetime | None = None) -> None:
        self._pdf = FPDF(format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.alias_nb_pages(None)  # type: ignore[arg-type]  # else a text with "{nb}" would lose it
        self._pdf.add_font(FAMILY, "", FONTS / "DejaVuSans.ttf")
        self._pdf.add_font(FAMILY, "B", FONTS / "DejaVuSans-Bold.ttf")
        self._widths = {style: _glyph_widths(self._pdf.fonts[FAMILY.lower() + style]) for style in ("", "B")}
        self._known = self._widths[""].keys() & self._widths["B"].keys()
        self._created_at = created_at or timezone.now()
        self._title = self._clean(title).replace("\n", " ")
        self._font_on_page: tuple[str, float] | None = None
        self._pdf.set_title(self._title)
        self._pdf.set_lang("pt-BR")
        self._pdf.set_creator("Pyloto")
        self._pdf.set_producer("Pyloto")
        self._pdf.set_creation_date(self._created_at)
        self._add_page()
        self._write(self._title, size=17, bold=True)
        if subtitle:
            self._write(self._clean(subtitle), size=10, colour=GREY)
        self._y += 3

    def heading(self, text: str) -> None:
        """Begins a section, on the next page where only the heading itself would fit on this one."""
        self._y += 4
        self._need(24)
        self._write(self._clean(text), size=12, bold=True)
        self._rule()
        self._y += 2

    def paragraph(self, text: str) -> None:
        self._write(self._clean(text), size=9.5)
        self._y += 2

    def notice(self, text: str, tone: Tone = Tone.NEUTRAL) -> None:
        """A box that catches the eye: a verdict, a warning."""
        bar, ground = tone.value
        size, inset = 10.0, 4.0
        height = _line_height(size)
        lines = self._lines(self._clean(text), TEXT_WIDTH - 2 * inset, size, bold=True)
        self._need(min(len(lines), 4) * height + inset)
        for line in ["", *lines, ""]:
            step = height if line else inset / 2
            self._need(step)
            self._fill(MARGIN, self._y, TEXT_WIDTH, step, ground)
            self._fill(MARGIN, self._y, 1.2, step, bar)
            self._text(MARGIN + inset, self._y, line, size, bold=True, colour=bar)
            self._y += step
        self._y += 3

    def facts(self, facts: Iterable[tuple[str, object]]) -> None:
        """Label and value, one pair below the other."""
        for label, value in facts:
            self._row([str(label), str(value)], [LABEL_WIDTH, TEXT_WIDTH - LABEL_WIDTH], size=9.5, bold_columns={0})
        self._y += 2

    def table(
        self, headers: Sequence[str], rows: Iterable[Sequence[object]], widths: Sequence[float] | None = None
    ) -> None:
        """A table whose header stands on each page. `widths` are relative; without them they follow from the texts.

        A row has at most as many cells as there are headers.
        """
        cells = [[str(cell) for cell in row] for row in rows]
        columns = _scaled(widths) if widths else self._fitting_widths([list(headers), *cells])
        assert len(columns) == len(headers)
        self._header(headers, columns)
        for row in cells:
            self._row(row, columns, size=8, rule=True, header=headers)
        if not cells:
            self._row(["Nada a mostrar."], [TEXT_WIDTH], size=8, rule=True)
        self._y += 3

    def to_bytes(self) -> bytes:
        pages = self._pdf.pages_count
        for number in range(1, pages + 1):
            self._pdf.page = number
            self._pdf.set_font(FAMILY, "B", 1)  # fpdf leaves out the font that it set last, on whichever page that was
            self._font_on_page = None
            y = BOTTOM + 5
            page_number = f"Página {number} de {pages}"
            self._text(MARGIN, y, self._footer(), 7.5, colour=GREY)
            right = PAGE_WIDTH - MARGIN - self._width(page_number, 7.5)
            self._text(right, y, page_number, 7.5, colour=GREY)
        return bytes(self._pdf.output())

    # --- texts --------------------------------------------------------------------------------------------------------
    def _clean(self, text: str) -> str:
        """Composed, with "\n" as the only line end and nothing in it that has no glyph."""
        text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").translate(LINE_ENDS | INVISIBLE))
        if text.isascii() and text.replace("\n", "").isprintable():
            return text
        return "".join(char if char == "\n" or self._has_glyph(char) else UNKNOWN for char in text)

    def _has_glyph(self, char: str) -> bool:
        return ord(char) in self._known and unicodedata.category(char) not in NEVER_SHOWN

    def _width(self, text: str, size: float, *, bold: bool = False) -> float:
        widths = self._widths["B" if bold else ""]
        return sum(widths[ord(char)] for char in text) * size * MM_PER_POINT / 1000

    def _lines(self, text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
        """The lines of a clean text: cut at spaces, and inside a word where the word alone is too long."""
        widths = self._widths["B" if bold else ""]
        limit = width * 1000 / (size * MM_PER_POINT)
        return [line for paragraph in text.split("\n") for line in _wrap(paragraph, widths, limit)]

    def _fitting_widths(self, rows: Sequence[Sequence[str]]) -> list[float]:
        """Each column as wide as its widest text, while there is room; then the wide ones share what the others leave."""
        sample = rows[:300]
        natural = [
            max(
                self._width(self._clean(row[i][:200]).replace("\n", ""), 8, bold=True) for row in sample if i < len(row)
            )
            for i in range(len(rows[0]))
        ]
        wanted = [max(COLUMN_MIN, width + 2 * PADDING + 0.5) for width in natural]
        free, open_columns, result = TEXT_WIDTH, sorted(range(len(wanted)), key=wanted.__getitem__), [0.0] * len(wanted)
        while open_columns:
            share = free / len(open_columns)
            column = open_columns.pop(0)
            result[column] = min(wanted[column], share)
            free -= result[column]
        return _scaled(result)

    # --- drawing ------------------------------------------------------------------------------------------------------
    def _add_page(self) -> None:
        self._pdf.add_page()
        self._y = MARGIN
        self._font_on_page = None

    def _need(self, height: float) -> bool:
        """Go on to the next page where so much does not fit on this one; True then."""
        if self._y + height <= BOTTOM:
            return False
        self._add_page()
        return True

    def _write(self, text: str, *, size: float, bold: bool = False, colour: tuple[int, int, int] = BLACK) -> None:
        for line in self._lines(text, TEXT_WIDTH, size, bold=bold):
            self._need(_line_height(size))
            self._text(MARGIN, self._y, line, size, bold=bold, colour=colour)
            self._y += _line_height(size)

    def _header(self, headers: Sequence[str], columns: Sequence[float]) -> None:
        self._need(30)
        self._row([str(h) for h in headers], columns, size=8, bold_columns=set(range(len(columns))), shade=True)

    def _row(
        self,
        cells: Sequence[str],
        columns: Sequence[float],
        *,
        size: float,
        bold_columns: set[int] | frozenset[int] = frozenset(),
        shade: bool = False,
        rule: bool = False,
        header: Sequence[str] = (),
    ) -> None:
        """Cells side by side. A row goes on to the next page where it does not fit; only one that is longer than a page
        is cut. `header` stands above it again on each new page."""
        assert len(cells) <= len(columns)
        lines = [
            self._lines(self._clean(cell), columns[i] - 2 * PADDING, size, bold=i in bold_columns)
            for i, cell in enumerate(cells)
        ]
        height, done, total = _line_height(size), 0, max(map(len, lines), default=1)
        while done < total:
            room = int((BOTTOM - self._y - 2 * PADDING) / height)
            if room < min(total - done, self._lines_of_a_page(height)) and self._y > MARGIN + 30:
                self._add_page()
                if header:
                    self._header(header, columns)
                room = int((BOTTOM - self._y - 2 * PADDING) / height)
            now = max(1, min(room, total - done))
            if shade:
                self._fill(MARGIN, self._y, sum(columns), now * height + 2 * PADDING, SHADE)
            self._cells([column[done : done + now] for column in lines], columns, size, bold_columns)
            self._y += now * height + 2 * PADDING
            done += now
        if rule:
            self._rule()

    @staticmethod
    def _lines_of_a_page(height: float) -> int:
        return int((BOTTOM - MARGIN - 30) / height)

    def _cells(
        self,
        lines: Sequence[Sequence[str]],
        columns: Sequence[float],
        size: float,
        bold_columns: set[int] | frozenset[int],
    ) -> None:
        x = MARGIN
        for i, column in enumerate(lines):
            for number, line in enumerate(column):
                y = self._y + PADDING + number * _line_height(size)
                self._text(x + PADDING, y, line, size, bold=i in bold_columns)
            x += columns[i]

    def _text(
        self, x: float, y: float, line: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = BLACK
    ) -> None:
        if not line.strip():
            return
        style = "B" if bold else ""
        if self._font_on_page != (style, size):
            self._pdf.set_font(FAMILY, style, size)
            self._font_on_page = (style, size)
        self._pdf.set_text_color(*colour)
        self._pdf.text(x, y + size * MM_PER_POINT, _in_visual_order(line))

    def _fill(self, x: float, y: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        self._pdf.set_fill_color(*colour)
        self._pdf.rect(x, y, width, height, style="F")

    def _rule(self) -> None:
        self._pdf.set_draw_color(*RULE)
        self._pdf.set_line_width(0.2)
        self._pdf.line(MARGIN, self._y, PAGE_WIDTH - MARGIN, self._y)

    def _footer(self) -> str:
        """The title, cut to what fits beside the page number, and when the document was made."""
        made = f"Gerado em {timezone.localtime(self._created_at):%d/%m/%Y %H:%M} (horário de Brasília)"
        title = self._title if len(self._title) <= 60 else self._title[:59] + "…"
        return f"{title} · {made}"


def _scaled(widths: Sequence[float]) -> list[float]:
    return [width * TEXT_WIDTH / sum(widths) for width in widths]


def _line_height(size: float) -> float:
    return size * MM_PER_POINT * LEADING


def _glyph_widths(font: object) -> dict[int, float]:
    """By code point, in thousandths of the font's size, for each character that the font has."""
    assert isinstance(font, TTFFont)
    return {code: font.cw[code] for code in font.cmap}


def _wrap(paragraph: str, widths: dict[int, float], limit: float) -> Iterator[str]:
    start, space, used = 0, -1, 0.0
    for i, char in enumerate(paragraph):
        used += widths[ord(char)]
        if used > limit and i > start:
            cut = space if space > start else i
            yield paragraph[start:cut].rstrip()
            start = cut + 1 if cut == space else cut
            used = sum(widths[ord(c)] for c in paragraph[start : i + 1])
        if char == " ":
            space = i
    yield paragraph[start:]


def _in_visual_order(line: str) -> str:
    """The line as it is drawn from left to right: what reads from right to left is turned around."""
    if line.isascii() or not any(unicodedata.bidirectional(char) in RIGHT_TO_LEFT for char in line):
        return line
    return BidiParagraph(text=line).get_reordered_string()
