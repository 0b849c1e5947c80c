//! "Did you mean": which known words are most like one that is not known.
//!
//! Similarity is Jaro-Winkler's, from 0 (nothing in common) to 1 (the same); it favours words that begin alike.

/// The least similarity of a suggestion: what is less alike was hardly meant.
pub const MIN_SIMILARITY: f64 = 0.75;

/// How similar two words are, whatever their case, from 0 to 1.
pub fn similarity(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(&one.to_lowercase(), &other.to_lowercase())
}

/// The known word that is most similar to `word`, if it is similar enough ([`MIN_SIMILARITY`]).
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_by(known, |known| similarity(known, word))
}

/// The known word with the greatest `similarity`, if that is enough; it may compare more than the whole words.
pub fn nearest_by<'a>(
    known: impl IntoIterator<Item = &'a str>,
    similarity: impl Fn(&str) -> f64,
) -> Option<&'a str> {
    similar_by(known, MIN_SIMILARITY, similarity).first().copied()
}

/// The known words, or other things, with a similarity of at least `least`, the most similar first.
pub fn similar_by<T: Copy>(
    known: impl IntoIterator<Item = T>,
    least: f64,
    similarity: impl Fn(T) -> f64,
) -> Vec<T> {
    let rated = known.into_iter().map(|known| (similarity(known), known));
    let mut similar: Vec<(f64, T)> = rated.filter(|(similarity, _)| *similarity >= least).collect();
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
        assert_eq!(nearest("WATCH", KNOWN), Some("watch"));
        assert_eq!(nearest("depot", KNOWN), None);
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
