package render_test

import (
	"bytes"
	"image"
	"image/color"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/biggan-zoo/biggan/chromiumtest"
	"github.com/biggan-zoo/biggan/render"
)

// animations are a GIF and an APNG of four frames.
func animations(t *testing.T) map[string][]byte {
	t.Helper()
	a := render.Animation{FPS: 10, Texts: []render.Text{{Key: "biggan", Value: `{"class":"Ω"}`}}}
	for i := range 4 {
		m := image.NewNRGBA(image.Rect(0, 0, 48, 40))
		for p := range 48 * 40 {
			x, y := p%48, p/48
			m.SetNRGBA(x, y, color.NRGBA{uint8(5 * x), uint8(6 * y), uint8(60 * i), 255})
		}
		a.Frames = append(a.Frames, m)
	}
	var g, p bytes.Buffer
	if err := render.WriteGIF(&g, a); err != nil {
		t.Fatal(err)
	}
	if err := render.WriteAPNG(&p, a); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"image/gif": g.Bytes(), "image/png": p.Bytes()}
}

// TestChromium: a browser decodes all frames, with their times, and repeats them for ever.
func TestChromium(t *testing.T) {
	tab := chromiumtest.Open(t)
	files := animations(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			return // the empty page
		}
		w.Header().Set("Content-Type", strings.TrimPrefix(r.URL.Path, "/"))
		_, _ = w.Write(data)
	}))
	defer server.Close()
	if err := chromedp.Run(tab, chromedp.Navigate(server.URL+"/")); err != nil {
		t.Fatal(err)
	}
	const script = `(async (type) => {
		const d = new ImageDecoder({data: await (await fetch("/" + type)).arrayBuffer(), type});
		await d.tracks.ready;
		await d.completed;
		const track = d.tracks.selectedTrack, {image} = await d.decode({frameIndex: 3});
		return [track.frameCount, track.repetitionCount, image.codedWidth, image.codedHeight, image.duration].join(" ");
	})`
	for kind := range files {
		var got string
		await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
		err := chromedp.Run(tab, chromedp.Evaluate(script+`("`+kind+`")`, &got, await))
		if want := "4 Infinity 48 40 100000"; err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", kind, got, err, want)
		}
	}
}

// TestImageMagick: all frames of the GIF, and the first of the APNG, which is a PNG file to it.
func TestImageMagick(t *testing.T) {
	identify, err := exec.LookPath("identify")
	if err != nil {
		if os.Getenv("BIGGAN_CI") != "" {
			t.Fatal("ImageMagick's identify is not on the path")
		}
		t.Skip("ImageMagick's identify is not on the path")
	}
	for kind, frames := range map[string]int{"image/gif": 4, "image/png": 1} {
		path := filepath.Join(t.TempDir(), "x."+strings.TrimPrefix(kind, "image/"))
		if err := os.WriteFile(path, animations(t)[kind], 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(identify, "-format", "%wx%h\n", path).CombinedOutput()
		if want := strings.Repeat("48x40\n", frames); err != nil || string(out) != want {
			t.Errorf("%s: %q, %v, want %q", kind, out, err, want)
		}
	}
}
