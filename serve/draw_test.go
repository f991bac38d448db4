package serve

import (
	"bytes"
	"encoding/json"
	"image"
	"image/draw"
	"image/gif"
	"image/png"
	"reflect"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/render"
)

// pixels makes pictures comparable whatever their type.
func pixels(m image.Image) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(out, out.Rect, m, m.Bounds().Min, draw.Src)
	return out
}

func decodePNG(t *testing.T, data []byte) *image.NRGBA {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return pixels(m)
}

func (r *running) document(path, body string) picturesJSON {
	r.t.Helper()
	a := r.post(path, body, "Accept", "application/json")
	var doc picturesJSON
	if err := json.Unmarshal(a.body, &doc); err != nil || a.status != 200 {
		r.t.Fatalf("%s: status %d, %v: %.300s", body, a.status, err, a.body)
	}
	return doc
}

// TestPictures: every form of an answer holds the pictures of the Go API.
func TestPictures(t *testing.T) {
	r := start(t, nil)
	m := r.models[0]
	seed := uint32(9)
	request := biggan.Request{
		Classes: []string{"A", "B:1,C:3"}, N: 5, Seed: 7, Truncation: 0.4, Backend: "cpu", Mix: []biggan.Mix{{From: 2, To: 4, Seed: &seed, Keep: 0.25}},
	}
	want, err := m.Generate(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"classes":["A","B:1,C:3"],"n":5,"seed":7,"truncation":0.4,"mix":["2-4=seed:9,keep:0.25"],"fps":20}`
	sheet := decodePNG(t, r.post("/v1/generate", body).body)
	if !reflect.DeepEqual(sheet, pixels(render.Grid(want, 3))) {
		t.Error("the sheet is not that of the Go API")
	}
	doc := r.document("/v1/generate", body)
	for i, p := range doc.Pictures {
		if !reflect.DeepEqual(decodePNG(t, p.PNG), pixels(want[i])) || p.Index != i {
			t.Errorf("picture %d is not that of the Go API", i)
		}
	}
	digest, _ := m.Digest()
	if len(doc.Pictures) != 5 || doc.Columns != 3 || doc.Model != "letters" || doc.SHA256 != digest || doc.Truncation != 0.4 || doc.Pictures[1].Class != "B:0.25,C:0.75" {
		t.Errorf("%d pictures, %+v", len(doc.Pictures), doc.Model)
	}
	moving, err := gif.DecodeAll(bytes.NewReader(r.post("/v1/generate", body, "Accept", "image/gif").body))
	if err != nil || len(moving.Image) != 5 || moving.Delay[0] != 5 {
		t.Errorf("GIF: %v", err)
	}
	info, err := render.ReadPNG(r.post("/v1/generate", body, "Accept", "image/apng").body)
	if err != nil || info.Frames != 5 {
		t.Errorf("APNG: %+v, %v", info, err)
	}
	part := r.document("/v1/generate", strings.Replace(body, `"n":5`, `"n":2,"first":3`, 1))
	if !reflect.DeepEqual(decodePNG(t, part.Pictures[1].PNG), pixels(want[4])) || part.Pictures[1].Index != 4 {
		t.Error("the last picture alone differs")
	}
}

func TestInterpolation(t *testing.T) {
	r := start(t, nil)
	want, err := r.models[0].Interpolate(t.Context(), biggan.Interpolation{
		From: "A", To: "B", SeedA: 3, SeedB: 4, Rows: 2, Steps: 3, Truncation: 0.5, Loop: true, Path: "slerp", Backend: "cpu",
	})
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"from":"A","to":"B","seed_a":3,"seed_b":4,"rows":2,"steps":3,"loop":true,"path":"slerp"}`
	doc := r.document("/v1/interpolate", body)
	if len(doc.Pictures) != 8 || doc.Columns != 4 {
		t.Fatalf("%d pictures in %d columns", len(doc.Pictures), doc.Columns)
	}
	for _, p := range doc.Pictures {
		if !reflect.DeepEqual(decodePNG(t, p.PNG), pixels(want[*p.Row][*p.Step])) {
			t.Errorf("row %d, step %d is not that of the Go API", *p.Row, *p.Step)
		}
	}
	if last := doc.Pictures[2]; *last.T != 1 || last.Class != "B" {
		t.Errorf("third step: %v, %s", *last.T, last.Class)
	}
	moving, err := gif.DecodeAll(bytes.NewReader(r.post("/v1/interpolate", body, "Accept", "image/gif").body))
	if err != nil || len(moving.Image) != 4 || moving.Config.Width != 65 {
		t.Errorf("GIF of %d frames, %v", len(moving.Image), err)
	}
}

// TestBadRequests: each is refused, with the field that is to blame.
func TestBadRequests(t *testing.T) {
	r := start(t, nil)
	for _, c := range []struct {
		path, body, field string
		status            int
	}{
		{"generate", `{"n":0}`, "n", 400}, {"generate", `{"n":-1}`, "n", 400}, {"generate", `{"n":1025}`, "n", 400}, {"generate", `{"n":"2"}`, "n", 400},
		{"generate", `{"seed":-1}`, "seed", 400}, {"generate", `{"seed":4294967296}`, "seed", 400}, {"generate", `{"seed":0.5}`, "seed", 400},
		{"generate", `{"truncation":1.01}`, "truncation", 400}, {"generate", `{"truncation":-0.1}`, "truncation", 400}, {"generate", `{"truncation":"NaN"}`, "truncation", 400},
		{"generate", `{"classes":["nope"]}`, "classes", 404}, {"generate", `{"classes":[26]}`, "classes", 404}, {"generate", `{"classes":"A"}`, "classes", 400},
		{"generate", `{"classes":["A:0,B:1"]}`, "classes", 400}, {"generate", `{"classes":["` + strings.Repeat("x", 1001) + `"]}`, "classes", 400},
		{"generate", `{"classes":[null]}`, "classes", 400}, {"generate", `{"classes":[""]}`, "classes", 400}, {"generate", `{"classes":[1.5]}`, "classes", 400},
		{"generate", `{"classes":[-1]}`, "classes", 400}, {"generate", `{"classes":[{}]}`, "classes", 400}, {"interpolate", `{"from":true}`, "from", 400},
		{"generate", `{"model":"/etc/passwd"}`, "model", 404}, {"generate", `{"model":"http://example.org/x"}`, "model", 404},
		{"generate", `{"noise":"pink"}`, "noise", 400}, {"generate", `{"stats":"cubic"}`, "stats", 400}, {"generate", `{"mix":["0-99=seed:1"]}`, "mix", 400},
		{"generate", `{"mix":["x"]}`, "mix", 400}, {"generate", `{"mix":["0=class:nope"]}`, "mix", 404},
		{"generate", `{"first":-1}`, "first", 400}, {"generate", `{"drawn":27}`, "drawn", 400}, {"generate", `{"fps":0}`, "fps", 400},
		{"generate", `{"sed":1}`, "sed", 400}, {"generate", `{`, "", 400}, {"generate", `[]`, "", 400}, {"generate", `{} {}`, "", 400}, {"generate", `null x`, "", 400},
		{"interpolate", `{"steps":1}`, "steps", 400}, {"interpolate", `{"rows":0}`, "rows", 400}, {"interpolate", `{"rows":400,"steps":3}`, "steps", 400},
		{"interpolate", `{"from":"nope"}`, "from", 404}, {"interpolate", `{"to":"nope"}`, "to", 404}, {"interpolate", `{"path":"spiral"}`, "path", 400},
		{"interpolate", `{"noise":"resampled","truncation":0.00001}`, "", 400}, {"interpolate", `{"fps":51}`, "fps", 400},
	} {
		a := r.post("/v1/"+c.path, c.body)
		if f := a.failure(t); a.status != c.status || f.Field != c.field {
			t.Errorf("%.60s: status %d, field %q; want %d, %q: %s", c.body, a.status, f.Field, c.status, c.field, f.Message)
		}
	}
}

// TestNulls: null is as if left out.
func TestNulls(t *testing.T) {
	r := start(t, nil)
	for path, fields := range map[string]string{
		"/v1/generate":    `{"model":null,"classes":null,"n":null,"seed":null,"truncation":null,"mix":null,"noise":null,"columns":null,"drawn":null,"fps":null}`,
		"/v1/interpolate": `{"from":null,"to":null,"rows":null,"steps":null,"loop":null,"path":null}`,
	} {
		if got, want := r.post(path, fields), r.post(path, `{}`); got.status != 200 || !bytes.Equal(got.body, want.body) {
			t.Errorf("%s: status %d: %.200s", path, got.status, got.body)
		}
	}
}

func TestAccept(t *testing.T) {
	for accept, want := range map[string]string{
		"": "image/png", "*/*": "image/png", "image/*": "image/png", "application/json": "application/json", "image/gif": "image/gif",
		"image/apng,image/*;q=0.8": "image/apng", "image/png;q=0.1, application/json;q=0.2": "application/json", "image/webp": "",
		"image/avif,image/webp,image/apng,*/*;q=0.8": "image/apng", "*/*;q=0": "", "image/png;q=0,*/*": "application/json", "application/json;q=x": "", "garbage": "",
	} {
		if got, f := choose(accept, kinds()); got != want || (f == nil) != (want != "") {
			t.Errorf("%q: %q, %v", accept, got, f)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{}`, `{"classes":["A",3],"n":2,"seed":1,"truncation":0.5,"mix":["0=seed:1"],"fps":8}`, `{"from":"A","to":3,"seed_a":1,"rows":2,"steps":3}`, `[[[[`, `{"n":1e999}`} {
		f.Add([]byte(text))
	}
	m, err := biggan.Open(f.Context(), "letters")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { m.Close() })
	all, err := serveAll([]Model{{"letters", m}})
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{models: all}
	f.Fuzz(func(t *testing.T, body []byte) {
		check := func(err error) {
			if err == nil {
				return
			}
			if answer := s.failureOf(err); answer.status != 400 && answer.status != 404 {
				t.Errorf("status %d: %v", answer.status, err)
			}
		}
		var g generateRequest
		if err := decode(body, &g); err != nil {
			check(err)
		} else {
			r, err := g.recipe(all[0])
			check(err)
			if err == nil && (len(r.Indices) < 1 || len(r.Indices) > maxPictures) {
				t.Errorf("%d pictures", len(r.Indices))
			}
		}
		var i interpolateRequest
		if err := decode(body, &i); err != nil {
			check(err)
		} else {
			r, err := i.recipe(all[0])
			check(err)
			if err == nil && r.Rows*r.Steps > maxPictures {
				t.Errorf("%d rows of %d steps", r.Rows, r.Steps)
			}
		}
	})
}
