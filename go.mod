module github.com/biggan-zoo/biggan

go 1.26.0

require (
	github.com/edsrzf/mmap-go v1.2.0
	github.com/nlpodyssey/spago v1.1.0
	github.com/x448/float16 v0.8.4
	golang.org/x/sync v0.24.0
)

require (
	github.com/google/flatbuffers v23.5.26+incompatible // indirect
	github.com/google/renameio/v2 v2.0.2 // indirect
	github.com/stretchr/testify v1.9.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
