// Package zoo turns a model's name into a verified local file: where checkpoints are
// published, a store of converted models, and pulls that download, verify, convert and store
// as one transaction. docs/zoo.md is the specification.
package zoo
