//! The status page as HTML: no script, nothing from elsewhere, and every text escaped.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tracing::Level;

use super::page::{Cell, StatusContent, StatusTable, Tone};
use crate::BuildInfo;
use crate::telemetry::Problem;

/// After how many seconds a browser loads the page again.
const REFRESH_SECONDS: u32 = 5;

const STYLE: &str = include_str!("status.css");

/// What a browser may load and run for the page: nothing but its own style.
pub(super) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'";

/// The page.
pub(super) fn page(build: &BuildInfo, content: &StatusContent, problems: &[Problem]) -> Markup {
    let revision = build.revision.unwrap_or("unknown");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(REFRESH_SECONDS);
                title { (content.headline.text) " · " (build.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (build.name) }
                    p.headline.(content.headline.tone.class()) { (content.headline.text) }
                }
                dl {
                    @for (name, cell) in &content.facts {
                        div { dt { (name) } (definition(cell)) }
                    }
                }
                @for one in &content.tables { (table(one)) }
                (recent(problems))
                footer {
                    "version " (build.version) ", revision " (revision) ", loaded again every "
                    (REFRESH_SECONDS) " s · "
                    a href="/metrics" { "metrics" } " · "
                    a href="/info" { "info" } " · "
                    a href="/ready" { "ready" }
                }
            }
        }
    }
}

fn definition(cell: &Cell) -> Markup {
    html! { dd.(cell.tone.class()) { (cell.text) } }
}

/// On a narrow screen each row is a block, and each cell names its column.
fn table(table: &StatusTable) -> Markup {
    html! {
        section {
            h2 { (table.title) }
            table {
                thead { tr { @for column in &table.columns { th scope="col" { (column) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in table.columns.iter().zip(row) {
                                td.(cell.tone.class()) data-column=(column) { (cell.text) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn recent(problems: &[Problem]) -> Markup {
    let row = |problem: &Problem| {
        let (word, tone) = match problem.level {
            Level::ERROR => ("error", Tone::Bad),
            Level::WARN => ("warning", Tone::Warning),
            _ => ("operation failed", Tone::Warning),
        };
        vec![
            Cell::new(word, tone),
            Cell::plain(ago(problem.last.elapsed())),
            Cell::plain(problem.times.to_string()),
            Cell::plain(problem.text.clone()),
        ]
    };
    let title = "Recent problems";
    if problems.is_empty() {
        return html! { section { h2 { (title) } p.good { "none since it started" } } };
    }
    table(&StatusTable {
        title,
        columns: vec!["Kind", "Last", "Times", "What"],
        rows: problems.iter().map(row).collect(),
    })
}

/// `12 s ago`, `5 min ago`, `3 h ago`.
fn ago(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s ago"),
        seconds if seconds < 7200 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn every_text_is_escaped() {
        let hostile = "<script>alert('\"&')</script>";
        let cell = || Cell::plain(hostile);
        let content = StatusContent {
            headline: cell(),
            facts: vec![("config", cell())],
            tables: vec![StatusTable {
                title: "Members",
                columns: vec!["Member"],
                rows: vec![vec![cell()]],
            }],
        };
        let problem = Problem {
            level: Level::WARN,
            text: hostile.to_owned(),
            times: 1,
            last: Instant::now(),
        };
        let build = BuildInfo {
            name: "quorate-test",
            version: "1.2.3",
            revision: None,
        };
        let html = page(&build, &content, &[problem]).into_string();
        assert!(!html.contains("<script"), "{html}");
        // Title, headline, fact, row, problem.
        assert_eq!(html.matches("&lt;script&gt;").count(), 5, "{html}");
    }

    #[test]
    fn times_have_units() {
        let text = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!(text(119), "119 s ago");
        assert_eq!(text(120), "2 min ago");
        assert_eq!(text(7200), "2 h ago");
    }
}
