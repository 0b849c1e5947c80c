//! Tests of both forms. [`parse`] reads the HTML of a rich message strictly, and checks its limits.

use proptest::prelude::*;

use super::rich::MAX_DETAILS;
use super::*;
use crate::text::{MESSAGE_LIMIT, TimeMarkup, utf16_length};

/// What a rich message shows: its blocks, and its cells and items by row.
#[derive(Debug, Default)]
struct Shown {
    /// Of each element without block elements within: its tag and its text.
    texts: Vec<(String, String)>,
    blocks: usize,
    depth: usize,
    columns: usize,
}

/// Reads the HTML, or panics.
fn parse(html: &str) -> Shown {
    const INLINE: [&str; 2] = ["b", "code"];
    const BLOCKS: [&str; 8] = ["h3", "h4", "p", "ul", "li", "table", "tr", "details"];
    let mut shown = Shown::default();
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut text = String::new();
    let mut width = None;
    let mut rest = html;
    while let Some(first) = rest.chars().next() {
        match first {
            '<' => {
                let (tag, behind) = rest[1..].split_once('>').expect("an unclosed tag");
                rest = behind;
                if let Some(name) = tag.strip_prefix('/') {
                    let must_have_text = ["p", "h3", "h4", "summary"].contains(&name);
                    assert!(!must_have_text || !text.trim().is_empty(), "{html}");
                    let (opened, cells) = open.pop().expect("nothing is open");
                    assert_eq!(opened, name, "{html}");
                    if name == "tr" {
                        let first = *width.get_or_insert(cells);
                        assert_eq!(first, cells, "rows of different widths: {html}");
                    }
                    if name == "table" {
                        width = None;
                    }
                    shown.columns = shown.columns.max(cells);
                    if !INLINE.contains(&name) {
                        shown.texts.push((name.to_owned(), std::mem::take(&mut text)));
                    }
                    continue;
                }
                let name = tag.split(' ').next().unwrap();
                let within = open.last().map_or("", |(name, _)| name.as_str()).to_owned();
                let is_allowed = match name {
                    "b" | "code" => {
                        !INLINE.contains(&within.as_str())
                            && !["", "ul", "table", "tr"].contains(&within.as_str())
                    }
                    "li" => within == "ul",
                    "tr" => within == "table",
                    "th" | "td" => {
                        within == "tr" && (tag.ends_with("\"left\"") || tag.ends_with("\"right\""))
                    }
                    "summary" => within == "details",
                    "p" => ["", "details", "li"].contains(&within.as_str()),
                    "h3" | "h4" | "ul" | "table" | "details" => ["", "details"].contains(&within.as_str()),
                    _ => false,
                };
                assert!(is_allowed, "<{tag}> in <{within}>: {html}");
                if let ("td" | "th", Some((_, cells))) = (name, open.last_mut()) {
                    *cells += 1;
                }
                shown.blocks += usize::from(BLOCKS.contains(&name));
                open.push((name.to_owned(), 0));
                shown.depth = shown.depth.max(open.len());
            }
            '>' => panic!("a bare >: {html}"),
            '&' => {
                let (entity, behind) = rest.split_once(';').expect("a bare &");
                text.push(match entity {
                    "&lt" => '<',
                    "&gt" => '>',
                    "&amp" => '&',
                    other => panic!("{other}"),
                });
                rest = behind;
            }
            '\n' => panic!("a line break: {html}"),
            other => {
                text.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    assert!(open.is_empty(), "{open:?}: {html}");
    assert!(utf16_length(html) <= 32_768 && shown.blocks <= 500, "{}", shown.blocks);
    assert!(shown.depth <= 16 && shown.columns <= 20, "{shown:?}");
    shown
}

impl Shown {
    fn of(&self, tag: &str) -> Vec<&str> {
        self.texts.iter().filter(|(name, _)| name == tag).map(|(_, text)| text.as_str()).collect()
    }
}

fn plain(text: &str) -> Text {
    Text::plain(text)
}

fn example() -> Document {
    let facts = Table::of_facts().fact("Probe count", plain("12")).fact("Vendor", plain("Apple & <Co>"));
    let networks = Table::new([Column::text("Network"), Column::number("Probes")])
        .row([Text::default().code("@admin"), plain("7")])
        .row_as([plain("</table>"), plain("3")], plain("</table> (3×)"));
    Document::default()
        .title(plain("📡 Alice's phone"))
        .table(facts)
        .details(
            plain("Addresses"),
            Document::default().list(List::of([plain("a"), plain("b")]).in_line().and_further(2)),
        )
        .heading(plain("Networks"))
        .table(networks.and_further(1))
        .list(List::of([plain("one\ntwo"), plain("three")]))
        .gap()
        .paragraph(plain("First.\nSecond."))
}

#[test]
fn one_document_has_both_forms() {
    parse(&example().to_rich_html(TimeMarkup::Text));
    insta::assert_snapshot!(example().both_forms());
}

#[test]
fn what_does_not_fit_is_counted() {
    let rows = |count: usize, width: usize| {
        (0..count).fold(Table::of_facts(), |table, _| table.fact("Label", plain(&"x".repeat(width))))
    };
    for (count, width, behind) in
        [(600, 1, 0), (600, 1, 300), (40, 2_000, 10), (2, 40_000, 1), (499, 1, 600), (4_000, 3, 0)]
    {
        let document = (0..behind).fold(Document::default().table(rows(count, width)), |document, _| {
            document.paragraph(plain("behind"))
        });
        let html = document.to_rich_html(TimeMarkup::Text);
        let shown = parse(&html);
        let left_out: usize = shown
            .of("p")
            .iter()
            .filter_map(|line| line.strip_prefix("… and ")?.strip_suffix(" more")?.parse::<usize>().ok())
            .sum();
        let paragraphs = shown.of("p").iter().filter(|line| **line == "behind").count();
        assert_eq!(shown.of("tr").len() + paragraphs + left_out, count + behind, "{count} {width} {behind}");
        if behind <= 300 {
            assert_eq!(paragraphs, behind, "the rows give way");
        }
        let text = document.to_text();
        assert!(text.length() <= MESSAGE_LIMIT);
        let text = text.to_string();
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        let left_out: usize = text
            .lines()
            .filter_map(|line| line.strip_prefix("… and ")?.strip_suffix(" more")?.parse::<usize>().ok())
            .sum();
        assert_eq!(lines("Label") + lines("behind") + left_out, count + behind, "{count} {width} {behind}");
    }
}

#[test]
fn deep_details_are_shown_open() {
    let deep = (0..30).fold(Document::default().list(List::of([plain("x\ny").bold("z")])), |inner, level| {
        Document::default().details(Text::default().code(level), inner)
    });
    let shown = parse(&deep.to_rich_html(TimeMarkup::Text));
    assert_eq!(shown.of("summary").len(), MAX_DETAILS);
    assert_eq!(shown.of("li").len() + shown.of("p").len(), 1 + 2 + 30 - MAX_DETAILS);
}

#[test]
fn a_text_that_is_too_long_by_itself_is_cut() {
    for document in [
        Document::default().paragraph(plain(&"<".repeat(50_000))),
        Document::default().title(plain(&"x".repeat(50_000))).paragraph(plain("behind")),
        Document::default().paragraph(plain(&"x\n".repeat(5_000))),
        Document::default().details(plain("s"), Document::default().paragraph(plain(&"x".repeat(50_000)))),
    ] {
        let html = document.to_rich_html(TimeMarkup::Text);
        parse(&html);
        assert!(html.contains('…'));
        let text = document.to_text();
        assert!(text.length() <= MESSAGE_LIMIT && text.to_string().contains('…'));
    }
    let long_summary = Document::default().details(plain(&"x".repeat(50_000)), example());
    parse(&long_summary.to_rich_html(TimeMarkup::Text));
    assert!(long_summary.to_text().length() <= MESSAGE_LIMIT);
}

#[test]
fn further_columns_share_the_last_one() {
    let table = Table::new((0..30).map(|_| Column::text("c"))).row((0..30).map(Text::plain));
    let shown = parse(&Document::default().table(table).to_rich_html(TimeMarkup::Text));
    assert_eq!(shown.of("td").last(), Some(&"19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29"));
    assert_eq!(shown.of("th").len(), 20);
}

#[test]
fn nothing_empty_is_shown() {
    let empty = Document::default()
        .title(plain(" "))
        .paragraph(plain("\n\n"))
        .list(List::default())
        .table(Table::of_facts());
    assert_eq!(empty.to_rich_html(TimeMarkup::Text), "");
    let empty_row = Table::new([Column::text("a"), Column::text("")]).row([plain(""), plain("x")]);
    assert_eq!(
        parse(&Document::default().table(empty_row).to_rich_html(TimeMarkup::Text)).of("td"),
        ["", "x"]
    );
    let blank = Document::default().list(List::of([plain(" ")]));
    let nothing = Document::default().details(plain("s"), empty).details(plain(" "), blank);
    assert_eq!(
        nothing.to_rich_html(TimeMarkup::Text),
        "<p>s</p><details><summary>–</summary><ul><li>–</li></ul></details>"
    );
}

#[test]
fn rows_have_numbers_and_some_details_are_only_rich() {
    let table = Table::new([Column::number("#"), Column::text("Device")]);
    let table = table.numbered(11, [plain("van")], plain("van: 4 min ago"));
    let visits = Document::default().list(List::of([plain("22:10")]));
    let within = Document::default().rich_details(plain("Of another"), visits.clone()).paragraph(plain("b"));
    let document = Document::default()
        .table(table)
        .rich_details(plain("All visits"), visits)
        .details(plain("a"), within);
    assert_eq!(document.to_text().to_string(), "11. van: 4 min ago\na\nb");
    let shown = parse(&document.to_rich_html(TimeMarkup::Text));
    assert_eq!(shown.of("td"), ["11", "van"]);
    assert_eq!(shown.of("summary"), ["All visits", "a", "Of another"]);
    assert_eq!(shown.of("li"), ["22:10", "22:10"]);
}

/// Text as a stranger may write it.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[<>&;\"'/a-z=@#!\\-]{0,40}",
        prop::sample::select(vec![
            "</td></tr></table><h1>",
            "<details open>",
            "&lt;b&gt;",
            "&#60;script&#62;",
            "<!--",
            "]]>",
            "<b",
            "&amp;amp;",
            "@admin",
            "/start",
            "https://evil.example",
            "#tag",
            "$USD",
            "+49 30 1234567",
            "\u{202e}abc",
            "<tg-time unix=\"0\">",
        ])
        .prop_map(str::to_owned),
    ]
}

fn blocks() -> impl Strategy<Value = Document> {
    let text = || hostile().prop_map(|text| Text::plain(&text).bold(&text));
    let block = prop_oneof![
        text().prop_map(|text| Document::default().title(text)),
        text().prop_map(|text| Document::default().paragraph(text)),
        prop::collection::vec(text(), 0..30)
            .prop_map(|items| Document::default().list(List::of(items).and_further(3))),
        prop::collection::vec(prop::collection::vec(text(), 0..23), 0..20).prop_map(|rows| {
            let columns = (0..25).map(|_| Column::number("n"));
            Document::default().table(rows.into_iter().fold(Table::new(columns), Table::row))
        }),
    ];
    block.prop_recursive(8, 64, 6, |inner| {
        (hostile(), prop::collection::vec(inner, 0..6)).prop_map(|(summary, inner)| {
            let content = inner.into_iter().fold(Document::default(), Document::append);
            Document::default().details(Text::plain(summary), content)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_reads_back_from_its_cell(first in hostile(), second in hostile(), heading in hostile()) {
        let table = Table::new([Column::text("a"), Column::number("b")])
            .row([Text::plain(&first), Text::default().code(&second)]);
        let document = Document::default()
            .title(Text::plain(&heading))
            .table(table.clone())
            .details(Text::plain(&first), Document::default().table(table));
        let shown = parse(&document.to_rich_html(TimeMarkup::Text));
        let one_line = |text: &str| text.replace('\n', " ");
        let is_blank = !second.is_empty() && second.trim().is_empty();
        let code = if is_blank { format!("\"{second}\"") } else { second };
        prop_assert_eq!(shown.of("td"), [&first, &code, &first, &code].map(|text| one_line(text)));
        let summary = if first.trim().is_empty() { "–".to_owned() } else { one_line(&first) };
        prop_assert_eq!(shown.of("summary"), [summary]);
        if !heading.trim().is_empty() {
            prop_assert_eq!(shown.of("h3"), [one_line(&heading)]);
        }
    }

    #[test]
    fn any_document_keeps_to_the_limits(parts in prop::collection::vec(blocks(), 0..8)) {
        let document = parts.into_iter().fold(Document::default(), Document::append);
        parse(&document.to_rich_html(TimeMarkup::Text));
        prop_assert!(document.to_text().length() <= MESSAGE_LIMIT);
    }
}
