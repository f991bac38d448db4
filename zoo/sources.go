package zoo

import (
	"fmt"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/registry"
)

// Source is a place where a model's checkpoint is published.
type Source struct {
	Name   string       `json:"name"`
	Format string       `json:"format"` // as convert takes it; "biggan" = converted already
	Files  []SourceFile `json:"files"`  // the weights first; none = no program can fetch it
	ByHand string       `json:"by_hand,omitempty"`
	Note   string       `json:"note,omitempty"` // what is known, and what is not

	digests map[string]checksums.Digest // by file, as a mirror lists them
	mirror  string                      // host:port, of a mirror
}

// SourceFile is a file of a source. Its name, behind the model's, is what pins, the store's
// record of digests and mirrors call it.
type SourceFile struct {
	Name  string `json:"file"`
	URL   string `json:"url"`
	Bytes int64  `json:"bytes,omitempty"` // where published
	// Optional files are done without: the registry has their content.
	Optional bool `json:"optional,omitempty"`
}

// unverified is said of every source: the machines that this was written on reach none.
const unverified = "unverified: never downloaded by this project"

// sources are the places of each model, in the order in which they are tried: those with a
// published digest first, then the publisher's own.
var sources = map[string][]Source{
	"biggan-128": {hubBucket("biggan-128", 2), hubSite("biggan-128", 2), {
		Name: "ivclab", Format: "ivclab",
		Files: []SourceFile{{Name: "biggan128-release.pt", URL: "https://github.com/ivclab/BigGAN-Generator-Pretrained-Pytorch/releases/download/v0.0.0/biggan128-release.pt"}},
		Note:  "another port of DeepMind's weights, under names of its own; " + unverified,
	}, kaggle("biggan-128")},
	"biggan-256": {hubBucket("biggan-256", 2), hubSite("biggan-256", 2), kaggle("biggan-256"), ivclab(256)},
	"biggan-512": {hubBucket("biggan-512", 2), hubSite("biggan-512", 2), kaggle("biggan-512"), ivclab(512)},
	"biggan-deep-128": {
		{
			Name: "hf-hub", Format: "hf",
			Files: []SourceFile{{Name: "osanseviero-pytorch_model.bin", URL: "https://huggingface.co/osanseviero/BigGAN-deep-128/resolve/main/pytorch_model.bin"}},
			Note:  "a user's copy of Hugging Face's file; about 211 MB; the digest is that of its LFS object; " + unverified,
		},
		huggingFace("biggan-deep-128", 0, 0), hubBucket("biggan-deep-128", 1), hubSite("biggan-deep-128", 1), kaggle("biggan-deep-128"),
	},
	"biggan-deep-256": {
		huggingFace("biggan-deep-256", 234411737, 715), hubBucket("biggan-deep-256", 1), hubSite("biggan-deep-256", 1), kaggle("biggan-deep-256"),
	},
	"biggan-deep-512": {
		huggingFace("biggan-deep-512", 235773527, 0), hubBucket("biggan-deep-512", 1), hubSite("biggan-deep-512", 1), kaggle("biggan-deep-512"),
	},
	"biggan-pytorch-128-g":     {googleDrive("G.pth")},
	"biggan-pytorch-128-g-ema": {googleDrive("G_ema.pth")},
	"biggan-pytorch-128-d":     {googleDrive("D.pth")},
}

// huggingFace is the bucket that Hugging Face's converter published its ports in.
func huggingFace(model string, bytes, configBytes int64) Source {
	const bucket = "https://s3.amazonaws.com/models.huggingface.co/biggan/"
	bin, config := model+"-pytorch_model.bin", model+"-config.json"
	return Source{
		Name: "hf-s3", Format: "hf",
		Files: []SourceFile{{Name: bin, URL: bucket + bin, Bytes: bytes}, {Name: config, URL: bucket + config, Bytes: configBytes, Optional: true}},
		Note:  "Hugging Face's port; " + unverified,
	}
}

// hubBucket is the storage behind TF Hub.
func hubBucket(model string, version int) Source {
	return Source{
		Name: "tfhub-bucket", Format: "tfhub",
		Files: []SourceFile{{Name: fmt.Sprintf("tfhub-bucket-%d.tar.gz", version), URL: fmt.Sprintf("https://storage.googleapis.com/tfhub-modules/deepmind/%s/%d.tar.gz", model, version)}},
		Note:  "DeepMind's module; " + unverified,
	}
}

// hubSite is TF Hub itself.
func hubSite(model string, version int) Source {
	return Source{
		Name: "tfhub.dev", Format: "tfhub",
		Files: []SourceFile{{Name: fmt.Sprintf("tfhub-dev-%d.tar.gz", version), URL: fmt.Sprintf("https://tfhub.dev/deepmind/%s/%d?tf-hub-format=compressed", model, version)}},
		Note:  "DeepMind's module; redirects to Kaggle since 2023, users report status 403 since 2025; " + unverified,
	}
}

func kaggle(model string) Source {
	return Source{
		Name: "kaggle", Format: "tfhub",
		ByHand: "kaggle.com, model deepmind/biggan, framework tensorFlow1, the variation of " + model + ": download the archive, then `biggan convert` it",
		Note:   "DeepMind's module; the names of the variations are not known for certain; " + unverified,
	}
}

// ivclab is the repository whose release for 128 pixels has a known address.
func ivclab(resolution int) Source {
	return Source{
		Name: "ivclab", Format: "ivclab",
		ByHand: fmt.Sprintf("the releases of https://github.com/ivclab/BigGAN-Generator-Pretrained-Pytorch: download biggan%d-release.pt, then `biggan convert` it", resolution),
		Note:   "another port of DeepMind's weights, under names of its own; " + unverified,
	}
}

// googleDrive is the archive that BigGAN-PyTorch's README links to.
func googleDrive(file string) Source {
	return Source{
		Name: "google-drive", Format: "biggan-pytorch",
		ByHand: "https://drive.google.com/open?id=1nAle7FCVFZdix2--ks0r5JBkFnKw8ctW: download BigGAN_ch96_bs256x8_138k.zip, unpack it, then `biggan convert` its " + file,
		Note:   "trained by BigGAN-PyTorch's author at 128 pixels, 138,000 steps; Drive asks a person to confirm large downloads; size and digest are not published; " + unverified,
	}
}

// Model is a model of the registry with its sources.
type Model struct {
	registry.Model
	Sources []Source
}

// Find looks a model up; the error lists the names there are.
func Find(name string) (Model, error) {
	m, err := registry.FindModel(name)
	if err != nil {
		return Model{}, err
	}
	return Model{m, sources[name]}, nil
}

// ConvertedBytes is the size of the converted file in float32, but for its header and for
// what some sources lack.
func (m Model) ConvertedBytes() (int64, error) {
	g, err := m.Graph()
	if err != nil {
		return 0, err
	}
	var n int64
	for _, p := range g.Params() {
		width := int64(4)
		if p.Role == graph.Sigma {
			width = 8
		}
		n += width * int64(p.Elements())
	}
	return n, nil
}
