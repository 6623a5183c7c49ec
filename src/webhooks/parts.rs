//! Lists in parts that fit into memory together. Apart, because events are bounded by their number where they come in, and
//! their bodies are of any size.

/// Parts in their order, each of at most this size; what is larger by itself is a part by itself.
pub(super) fn parts<T>(all: impl IntoIterator<Item = T>, most: usize, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut part, mut so_far) = (Vec::new(), Vec::new(), 0_usize);
    for one in all {
        let its = size(&one);
        if !part.is_empty() && so_far.saturating_add(its) > most {
            parts.push(std::mem::take(&mut part));
            so_far = 0;
        }
        so_far = so_far.saturating_add(its);
        part.push(one);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_part_is_as_large_as_it_may_be_and_nothing_is_left_out() {
        let split = |sizes: &[usize]| parts(sizes.iter().copied(), 10, |size| *size);
        assert_eq!(split(&[4, 6, 1, 30, 2, 3]), [vec![4_usize, 6], vec![1], vec![30], vec![2, 3]]);
        assert_eq!(split(&[11]), [vec![11]]);
        assert!(split(&[]).is_empty());
    }
}
