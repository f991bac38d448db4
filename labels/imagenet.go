package labels

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"
)

// imagenetTSV is the 1000 classes of ImageNet (ILSVRC 2012) with WordNet 3.0's words: number,
// wnid, lemmas, gloss, hypernyms nearest first, lemmas of hyponyms.
//
//go:embed imagenet.tsv.gz
var imagenetTSV []byte

// Notice is the licence of the words of ImageNet's classes, which are Princeton University's.
//
//go:embed WORDNET-LICENSE
var Notice string

// ImageNet is the list of ImageNet's 1000 classes, in the order of all released models.
var ImageNet = sync.OnceValue(func() List {
	z, err := gzip.NewReader(bytes.NewReader(imagenetTSV))
	if err != nil {
		panic("labels: the embedded table: " + err.Error())
	}
	text, err := io.ReadAll(z)
	if err != nil {
		panic("labels: the embedded table: " + err.Error())
	}
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")[1:] // without the header
	classes := make([]Class, len(rows))
	for i, row := range rows {
		f := strings.Split(row, "\t")
		lemmas := split(f[2], "; ")
		classes[i] = Class{
			Index: i, Name: lemmas[0], Synonyms: lemmas[1:], WNID: f[1], Gloss: f[3],
			Hypernyms: split(f[4], " > "), Hyponyms: split(f[5], "; "),
		}
	}
	return newList(classes)
})

// split is strings.Split without the one empty part of an empty text.
func split(text, separator string) []string {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return strings.Split(text, separator)
}
