//! Aligned columns.

/// Colours of a terminal (ECMA-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

/// A text in a colour, or not, if the reader has none.
pub(crate) fn coloured(text: &str, colour: Colour, colours: bool) -> String {
    let code = match colour {
        Colour::Plain => return text.to_owned(),
        Colour::Bold => "1",
        Colour::Dim => "2",
        Colour::Red => "31",
        Colour::Green => "32",
        Colour::Yellow => "33",
    };
    match colours {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// To which side of its column a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column: its title, the side, and its least width in characters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) align: Align,
    pub(crate) width: usize,
}

impl Column {
    pub(crate) const fn left(title: &'static str) -> Self {
        let align = Align::Left;
        Self {
            title,
            align,
            width: 0,
        }
    }

    pub(crate) const fn right(title: &'static str, width: usize) -> Self {
        let align = Align::Right;
        Self {
            title,
            align,
            width,
        }
    }

    /// At least as wide as its title and each of these texts.
    pub(crate) fn widened<'a>(self, texts: impl Iterator<Item = &'a str>) -> Self {
        let lengths = texts.map(|text| text.chars().count());
        let least = self.width.max(self.title.chars().count());
        Self {
            width: lengths.fold(least, usize::max),
            ..self
        }
    }
}

/// A cell: its text and colour.
pub(crate) type Cell = (String, Colour);

/// One line: each cell in its column, two spaces between, none at the end.
pub(crate) fn line(columns: &[Column], cells: &[Cell], colours: bool) -> String {
    let mut line = String::new();
    let mut spaces = 0;
    for (column, (text, colour)) in columns.iter().zip(cells) {
        let missing = column.width.saturating_sub(text.chars().count());
        let (before, after) = match column.align {
            Align::Left => (0, missing),
            Align::Right => (missing, 0),
        };
        // Spaces are written only before a text, so that no line ends with them.
        spaces += before;
        if !text.is_empty() {
            line.push_str(&" ".repeat(spaces));
            line.push_str(&coloured(text, *colour, colours));
            spaces = 0;
        }
        spaces += after + 2;
    }
    line
}

/// The line of the titles.
pub(crate) fn titles(columns: &[Column], colours: bool) -> String {
    let cells: Vec<Cell> = columns
        .iter()
        .map(|column| (column.title.to_owned(), Colour::Dim))
        .collect();
    line(columns, &cells, colours)
}

/// A whole table with its titles, a line each.
pub(crate) fn table(columns: &[Column], rows: &[Vec<Cell>], colours: bool) -> Vec<String> {
    let widened = columns.iter().enumerate().map(|(at, column)| {
        let texts = rows.iter().filter_map(|row| row.get(at));
        column.widened(texts.map(|(text, _)| text.as_str()))
    });
    let columns: Vec<Column> = widened.collect();
    let lines = rows.iter().map(|row| line(&columns, row, colours));
    std::iter::once(titles(&columns, colours))
        .chain(lines)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_no_line_ends_with_spaces() {
        let columns = [
            Column::left("NAME"),
            Column::right("TIME", 0),
            Column::left("STATE"),
        ];
        let row = |name: &str, time: &str, state: &str| {
            vec![
                (name.to_owned(), Colour::Bold),
                (time.to_owned(), Colour::Plain),
                (state.to_owned(), Colour::Red),
            ]
        };
        let rows = [
            row("replica-0", "12 µs", "ok"),
            row("b", "", ""),
            row("", "5 s", ""),
        ];
        let expected = [
            "NAME        TIME  STATE",
            "replica-0  12 µs  ok",
            "b",
            "             5 s",
        ];
        assert_eq!(table(&columns, &rows, false), expected);
        let colours = table(&columns, &rows, true);
        assert_eq!(colours[2], "\x1b[1mb\x1b[0m");
        assert!(
            colours[1].ends_with("12 µs  \x1b[31mok\x1b[0m"),
            "{}",
            colours[1]
        );
    }
}
