package device

// Kind is what a buffer is for.
type Kind uint8

const (
	// Storage is device memory that shaders read and write, source and target of copies.
	Storage Kind = iota
	// Uniform is device memory that shaders read as parameters, target of copies.
	Uniform
	// Upload is written by the host, source of copies.
	Upload
	// Readback is read by the host, target of copies.
	Readback
)

// Binding is a part of a buffer; Size 0 is all of it from Offset.
type Binding struct {
	Buffer       *Buffer
	Offset, Size int64
}

// Counts are the live objects of a device.
type Counts struct {
	Buffers, Groups, Pipelines int
	Bytes                      int64 // of all buffers
}
