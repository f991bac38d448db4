// Package checksums holds the published digests of source checkpoints, and the one form in
// which digests are written: that of sha256sum.
package checksums

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
)

// ErrSyntax is wrapped by every error about text that is no digest, no name or no list.
var ErrSyntax = errors.New("malformed checksum")

// Digest is a SHA-256. It is made by ParseDigest alone, so one that is not zero is 64
// lower-case hexadecimal digits; the zero value means that none is known.
type Digest struct{ text string }

// ParseDigest checks 64 lower-case hexadecimal digits.
func ParseDigest(text string) (Digest, error) {
	if len(text) != 64 {
		return Digest{}, fmt.Errorf("checksums: %w: a digest of %d characters, want 64", ErrSyntax, len(text))
	}
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Digest{}, fmt.Errorf("checksums: %w: a digest with %q, want lower-case hexadecimal digits", ErrSyntax, c)
		}
	}
	return Digest{text}, nil
}

// Of is the digest that a SHA-256 has come to.
func Of(h hash.Hash) (Digest, error) { return ParseDigest(hex.EncodeToString(h.Sum(nil))) }

// String is the digest in hexadecimal; empty if none is known.
func (d Digest) String() string { return d.text }

// Short is the first 12 digits, for people.
func (d Digest) Short() string { return d.text[:min(len(d.text), 12)] }

// Known reports whether there is a digest.
func (d Digest) Known() bool { return d.text != "" }

// MarshalText is String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText is ParseDigest; empty text is no digest.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	parsed, err := ParseDigest(string(text))
	*d = parsed
	return err
}
