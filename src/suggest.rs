//! "Did you mean": which known words are most like one that is not known.
//!
//! Similarity is Jaro-Winkler's, from 0 (nothing in common) to 1 (the same); it favours words that begin alike.

/// How similar two words are, from 0 to 1.
pub fn similarity(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(one, other)
}

/// The known word that is most similar to `word`, however little that is.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_by(known, |known| similarity(known, word))
}

/// The known word with the greatest `similarity`, which compares more than the whole words.
pub fn nearest_by<'a>(
    known: impl IntoIterator<Item = &'a str>,
    similarity: impl Fn(&str) -> f64,
) -> Option<&'a str> {
    similar_by(known, 0.0, similarity).first().copied()
}

/// The known words with a similarity of at least `least`, the most similar first.
pub fn similar_by<'a>(
    known: impl IntoIterator<Item = &'a str>,
    least: f64,
    similarity: impl Fn(&str) -> f64,
) -> Vec<&'a str> {
    let rated = known.into_iter().map(|known| (similarity(known), known));
    let mut similar: Vec<(f64, &str)> = rated.filter(|(similarity, _)| *similarity >= least).collect();
    similar.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    similar.into_iter().map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["watch", "unwatch", "watches", "status"];

    #[test]
    fn finds_the_most_similar_word() {
        for (word, found) in [("wacth", "watch"), ("watchs", "watches"), ("stats", "status")] {
            assert_eq!(nearest(word, KNOWN), Some(found), "{word}");
        }
        assert_eq!(nearest("watch", []), None);
    }

    #[test]
    fn lists_similar_words_best_first() {
        let similar = |least| similar_by(KNOWN, least, |known| similarity(known, "watch"));
        assert_eq!(similar(0.0), ["watch", "watches", "unwatch", "status"]);
        assert_eq!(similar(0.92), ["watch", "watches"]);
        assert_eq!(similar(1.1), [""; 0]);
    }
}
