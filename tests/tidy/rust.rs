//! Just enough of Rust's syntax to see what a file names: comments and literals taken out, `use` trees laid flat.

/// The code of a file with comments, strings and characters blanked, so that what they mention does not count.
pub(crate) fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest));
        // A word is taken whole: the `r` that ends `for` begins no raw string.
        let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let taken = skipped.unwrap_or(if word > 0 { word } else { first.len_utf8() });
        match skipped {
            Some(_) => code.push(' '),
            None => code.push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.starts_with("/*").then(|| text.find("*/").map_or(text.len(), |end| end + 2))
}

fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"].iter().find(|prefix| {
        let after = text[..].strip_prefix(**prefix);
        after.is_some_and(|after| after.starts_with('"') || (prefix.ends_with('r') && after.starts_with("#\"")))
    });
    let start = prefix.map_or(0, |prefix| prefix.len());
    let body = &text[start..];
    if prefix.is_some_and(|prefix| prefix.ends_with('r')) {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let from = hashes + 1;
        return Some(start + body[from..].find(&end).map_or(body.len(), |at| from + at + end.len()));
    }
    if body.starts_with('"') {
        return Some(start + quoted(body, '"'));
    }
    // A lifetime has no closing quote.
    let mut chars = body.strip_prefix('\'')?.chars();
    let escaped = chars.next()? == '\\';
    (escaped || chars.next() == Some('\'')).then(|| start + quoted(body, '\''))
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Whether code names a crate, as a path's beginning or in a `use`.
pub(crate) fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].trim_end();
        let after = &code[at + name.len()..];
        let whole = !code[..at].ends_with(is_word) && !before.ends_with('.') && !path_goes_on(before);
        whole && (after.starts_with("::") || (before.ends_with("use") && after.starts_with(';')))
    })
}

fn path_goes_on(before: &str) -> bool {
    // `crate::redis::x` is ours; `::redis::x` at the beginning of a path is the crate.
    before.strip_suffix("::").is_some_and(|before| before.ends_with(is_word))
}

/// Every path that code takes from the crate's root, `use` trees laid flat: `a::b`, `a::c` of `crate::a::{b, c}`.
/// `depth` is how many `super` lead from this file to the root.
pub(crate) fn root_paths(code: &str, depth: usize) -> Vec<String> {
    let mut paths = Vec::new();
    let up = "super::".repeat(depth);
    for prefix in ["crate::", &up] {
        for (at, _) in code.match_indices(prefix) {
            if !code[..at].ends_with(|c: char| is_word(c) || c == ':') {
                // A module inside the file needs one `super` more.
                tree(code[at + prefix.len()..].trim_start_matches("super::"), "", &mut paths);
            }
        }
    }
    paths
}

/// Reads one tree, answers how much of the text it was.
fn tree(text: &str, prefix: &str, paths: &mut Vec<String>) -> usize {
    let word = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let path = if prefix.is_empty() { text[..word].to_owned() } else { format!("{prefix}::{}", &text[..word]) };
    if word > 0 {
        if let Some(deeper) = text[word..].strip_prefix("::") {
            return word + 2 + tree(deeper, &path, paths);
        }
        paths.push(path);
        return word;
    }
    let Some(mut rest) = text.strip_prefix('{') else {
        paths.push(prefix.to_owned()); // a glob, a turbofish: what stands before it is what counts
        return 0;
    };
    while !rest.is_empty() && !rest.starts_with('}') {
        let skip = rest.len() - rest.trim_start_matches([',', ' ', '\n']).len();
        rest = &rest[skip..];
        if !rest.starts_with('}') {
            let read = tree(rest, prefix, paths).max(1);
            rest = &rest[read.min(rest.len())..];
            rest = &rest[rest.find([',', '}']).unwrap_or(rest.len())..];
        }
    }
    text.len() - rest.len() + 1
}

mod tests {
    use super::{code, names_crate, root_paths};

    #[test]
    fn comments_and_literals_name_nothing() {
        let text =
            "// sqlx::a\nlet x = \"sqlx::b\"; /* sqlx::c */ let y = r#\"sqlx::\"d\"#; let z = '\"'; f::<'a>(z) // e";
        assert!(!names_crate(&code(text), "sqlx"), "{}", code(text));
        assert!(names_crate(&code("let y = '\"'; sqlx::query(\"\")"), "sqlx"));
    }

    #[test]
    fn a_crate_is_named_by_a_path_or_a_use_and_not_by_part_of_a_word() {
        for named in ["use redis::Client;", "use redis;", "a(redis::cmd())", "::redis::cmd()"] {
            assert!(names_crate(named, "redis"), "{named}");
        }
        for other in ["let redis = 1;", "self.redis::<T>()", "crate::redis::x", "credis::x", "redis_x::y"] {
            assert!(!names_crate(other, "redis"), "{other}");
        }
    }

    #[test]
    fn use_trees_are_laid_flat() {
        let code = "use crate::{a::{b, c::d}, e};\nuse crate::f::*;\nlet x = crate::g::h::<T>();";
        assert_eq!(root_paths(code, 1), ["a::b", "a::c::d", "e", "f", "g::h"]);
    }

    #[test]
    fn the_root_is_reached_by_super_too() {
        assert_eq!(root_paths("use super::super::join::Lane;", 2), ["join::Lane"]);
        assert_eq!(root_paths("use super::super::super::join::Lane;", 2), ["join::Lane"]);
        assert_eq!(root_paths("use super::join::Lane;", 2), Vec::<String>::new());
    }
}
