package v1alpha1

import (
	"fmt"
	"slices"
	"strings"
)

// suggestion returns the candidate that the writer of word most likely meant.
func suggestion(word string, candidates []string) (string, bool) {
	best, distance := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(word), strings.ToLower(c)); d < distance {
			best, distance = c, d
		}
	}
	return best, best != ""
}

// choice says what would be right instead of word: the nearest candidate, or
// all there are.
func choice(word string, candidates []string) string {
	if best, found := suggestion(word, candidates); found {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return thereAre(candidates)
}

func thereAre(words []string) string {
	if len(words) == 0 {
		return "there is none"
	}
	if len(words) == 1 {
		return "there is: " + words[0]
	}
	return "there are: " + listed(words)
}

func listed(words []string) string {
	sorted := slices.Clone(words)
	slices.Sort(sorted)
	return strings.Join(sorted, ", ")
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b. Words longer than maxWord are far from all.
func editDistance(a, b string) int {
	const maxWord = 64
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(replace, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
