//go:build noasm || !amd64

package kernel

// vector is empty: this build has plain Go alone.
func vector() []*Set { return nil }
