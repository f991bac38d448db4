// Package nearest finds the name that a typing error meant.
package nearest

import "strings"

// Of is the candidate that a typing error most likely meant, or "" if none is near: the
// smallest Levenshtein distance, ignoring case, of at most a third of the length.
func Of(name string, candidates []string) string {
	best, bestDistance := "", max(len(name)/3, 1)+1
	name = strings.ToLower(name)
	for _, c := range candidates {
		if apart := len(c) - len(name); apart >= bestDistance || -apart >= bestDistance {
			continue // at least so many letters differ
		}
		if d := distance(name, strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two byte strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
