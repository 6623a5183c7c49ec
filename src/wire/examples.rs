//! The JSON blocks of `docs/messages.md`, each with the label in the comment above it.
//!
//! Apart, because the page is written once and read twice: by the test that holds it against the code, and by the
//! contract, whose examples they are.

const PAGE: &str = include_str!("../../docs/messages.md");

/// The page.
#[must_use]
pub const fn page() -> &'static str {
    PAGE
}

/// The blocks of the page with their labels. A block without a label has the empty one.
#[must_use]
pub fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    while let Some((before, block)) = rest.split_once("```json\n") {
        let label = before.trim_end().rsplit_once("<!-- ").and_then(|(_, label)| label.strip_suffix(" -->"));
        let (block, after) = block.split_once("```").unwrap_or((block, ""));
        blocks.push((label.unwrap_or_default(), block));
        rest = after;
    }
    blocks
}
