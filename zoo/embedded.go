package zoo

import _ "embed" // letters

//go:generate go run ../cmd/biggan convert ../testdata/golden/letters -o letters.safetensors --dtype f16 --name letters --labels A-Z --force

//go:embed letters.safetensors
var letters []byte

// Embedded returns the bytes of a model that is part of the program, in the unified
// format. The caller must not change them.
func Embedded(name string) ([]byte, bool) {
	if name == "letters" {
		return letters, true
	}
	return nil, false
}
