package main

import (
	"image"
	"os"

	"golang.org/x/term"

	"github.com/biggan-zoo/biggan/render"
)

// preview shows a picture on stderr, if that is a terminal: stdout carries paths alone.
func (a *app) preview(m image.Image, protocol string) error {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 {
		columns = 80
	}
	p := render.Protocol(protocol)
	if protocol == "auto" {
		p = render.Detect(os.Getenv)
	}
	colours := os.Getenv("COLORTERM")
	return render.Preview(f, m, p, columns, colours == "truecolor" || colours == "24bit")
}
