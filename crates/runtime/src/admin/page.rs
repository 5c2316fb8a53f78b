//! What the status page says, whatever the role.

use async_trait::async_trait;

/// What a role tells people about itself. It is asked for every look at the page, and must
/// answer within a few seconds whatever is broken.
#[async_trait]
pub trait StatusPage: Send + Sync + 'static {
    /// What there is to say now.
    async fn content(&self) -> StatusContent;
}

/// The contents of the page. All text is plain: the page escapes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusContent {
    /// How it is, in a sentence.
    pub headline: Cell,
    /// What there is one of: a name and what it is.
    pub facts: Vec<(&'static str, Cell)>,
    /// What there are several of.
    pub tables: Vec<StatusTable>,
}

/// Several of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusTable {
    /// What they are.
    pub title: &'static str,
    /// The names of the columns. The first tells the rows apart.
    pub columns: Vec<&'static str>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A piece of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// What to think of it.
    pub tone: Tone,
}

/// What to think of a piece of text. The text itself says it as well: colours are not enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// It needs attention.
    Warning,
    /// Something does not work.
    Bad,
}

impl Cell {
    /// Text to think nothing of.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// Text with a tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl Tone {
    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}
