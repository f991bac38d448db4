module github.com/biggan-zoo/biggan/backend/cpu/kernel/_asm

go 1.26.0

require (
	github.com/biggan-zoo/biggan v0.0.0
	github.com/mmcloughlin/avo v0.5.0
)

require (
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
)

replace github.com/biggan-zoo/biggan => ../../../..
