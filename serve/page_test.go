package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/chromiumtest"
	"github.com/biggan-zoo/biggan/recipe"
)

// atRest is true once all that was wished for is shown.
const atRest = `document.querySelector("#pictures img[src], #player img[src]") && biggan.atRest() && [...document.images].every(i => i.complete)`

// TestPage operates the page in one browser.
func TestPage(t *testing.T) {
	tab := chromiumtest.Open(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T, tab *chromiumtest.Tab)
	}{
		{"shows", pageShows}, {"by keyboard", pageByKeyboard}, {"names", pageNames}, {"motion", pageMotion}, {"token", pageToken},
		{"trouble", pageTrouble}, {"cancels", pageCancels}, {"hurry", pageHurry}, {"animations", pageAnimations}, {"downloads", pageDownloads}, {"speed", pageSpeed}, {"looks", pageLooks},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab.Forget()
			c.test(t, tab)
		})
	}
}

// visit opens the page in a state.
func (r *running) visit(tab *chromiumtest.Tab, state string) {
	r.t.Helper()
	tab.Do(r.t, chromedp.Navigate("about:blank"), chromedp.Navigate(r.url+"/"+state))
	tab.Until(r.t, atRest)
}

// clean fails if the page complained or asked anybody else.
func (r *running) clean(tab *chromiumtest.Tab) {
	r.t.Helper()
	if p := tab.Problems(); len(p) > 0 {
		r.t.Errorf("the browser complains: %q", p)
	}
	if s := tab.Strangers(r.url, "blob:"+r.url, "about:", "data:"); len(s) > 0 {
		r.t.Errorf("the page asks others: %q", s)
	}
}

// shown are the pictures on the page, as PNG files.
func shown(t *testing.T, tab *chromiumtest.Tab) [][]byte {
	t.Helper()
	texts := chromiumtest.Value[[]string](t, tab, `Promise.all([...document.querySelectorAll("#pictures img")].map(async i => {
		const bytes = new Uint8Array(await i.picture.blob.arrayBuffer());
		return btoa(String.fromCharCode(...bytes));
	}))`)
	var all [][]byte
	for _, text := range texts {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

// pageShows: what the page shows is what the Go API draws, in all modes.
func pageShows(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	seed := uint32(9)
	m := r.models[0].Model.Model
	for state, want := range map[string]func() ([]*biggan.Request, *biggan.Interpolation){
		"": func() ([]*biggan.Request, *biggan.Interpolation) {
			return []*biggan.Request{{N: 10, Truncation: 0.4}}, nil
		},
		"#classes=A&classes=B&n=5&seed=7&t=0.8": func() ([]*biggan.Request, *biggan.Interpolation) {
			return []*biggan.Request{{Classes: []string{"A", "B"}, N: 5, Seed: 7, Truncation: 0.8}}, nil
		},
		"#mode=interpolate&from=A&to=B&a=3&b=4&steps=3": func() ([]*biggan.Request, *biggan.Interpolation) {
			return nil, &biggan.Interpolation{From: "A", To: "B", SeedA: 3, SeedB: 4, Rows: 2, Steps: 3, Truncation: 0.4}
		},
		"#mode=mix&from=A&to=B&a=3&b=9&amount=0.25&blocks=0,1,2,5": func() ([]*biggan.Request, *biggan.Interpolation) {
			a := &biggan.Request{Classes: []string{"A"}, Seed: 3, Truncation: 0.4}
			mix, b := *a, &biggan.Request{Classes: []string{"B"}, Seed: 9, Truncation: 0.4}
			mix.Mix = []biggan.Mix{{To: 2, Seed: &seed, Class: "B", Keep: 0.75}, {From: 5, To: 5, Seed: &seed, Class: "B", Keep: 0.75}}
			return []*biggan.Request{a, &mix, b}, nil
		},
	} {
		r.visit(tab, state)
		requests, way := want()
		var pictures []*image.NRGBA
		for _, q := range requests {
			images, err := m.Generate(t.Context(), *q)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range images {
				pictures = append(pictures, pixels(i))
			}
		}
		if way != nil {
			rows, err := m.Interpolate(t.Context(), *way)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				for _, i := range row {
					pictures = append(pictures, pixels(i))
				}
			}
		}
		got := shown(t, tab)
		if len(got) != len(pictures) {
			t.Fatalf("%q shows %d pictures, want %d", state, len(got), len(pictures))
		}
		for i := range got {
			if !reflect.DeepEqual(decodePNG(t, got[i]), pictures[i]) {
				t.Errorf("%q: picture %d is not that of the Go API", state, i)
			}
		}
	}
	r.clean(tab)
}

// pageByKeyboard changes everything without a pointer.
func pageByKeyboard(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	r.visit(tab, "")
	press := func(selector string, keys ...string) {
		t.Helper()
		tab.Do(t, chromedp.Focus(selector, chromedp.ByQuery))
		for _, k := range keys {
			tab.Do(t, chromedp.KeyEvent(k))
		}
	}
	address := func(want string) {
		t.Helper()
		tab.Until(t, fmt.Sprintf("location.hash === %q", want))
		tab.Until(t, atRest)
	}
	slider := func(label string) string {
		id := chromiumtest.Value[string](t, tab, fmt.Sprintf(`[...document.querySelectorAll("label")].find(l => l.textContent === %q).htmlFor`, label))
		return "#" + id
	}
	press(slider("Truncation"), kb.ArrowRight, kb.ArrowRight)
	address("#t=0.44")
	press(slider("Noise seed")+"-number", kb.Backspace, "4294967295")
	address("#seed=4294967295&t=0.44")
	press("#controls [role=combobox]", "b", "\r")
	address("#classes=B&seed=4294967295&t=0.44")
	press("#controls [role=combobox]", kb.ArrowDown, kb.ArrowDown, "\r")
	address("#classes=B&classes=B&seed=4294967295&t=0.44") // the list begins with A; the second entry is B
	press("#controls [role=combobox]", kb.Backspace)
	address("#classes=B&seed=4294967295&t=0.44")
	press("#controls [role=combobox]", kb.Escape)
	if got := chromiumtest.Value[bool](t, tab, `document.querySelector("[role=listbox]").hidden`); !got {
		t.Error("Escape leaves the list open")
	}
	press("#tab-samples", kb.ArrowRight)
	tab.Until(t, `document.activeElement.id === "tab-interpolate" && document.activeElement.getAttribute("aria-selected") === "true"`)
	press("#tab-interpolate", kb.End)
	tab.Until(t, `location.hash.startsWith("#mode=mix")`)
	press(".blocks button:last-child", " ")
	tab.Until(t, `location.hash.endsWith("blocks=0%2C1%2C2%2C3%2C4%2C5")`)
	if got := chromiumtest.Value[string](t, tab, `document.getElementById("command").textContent`); got != "biggan generate -n 1 --seed 0 --mix 0-5=seed:1,keep:0.5 --truncation 0.44 -o biggan.png" {
		t.Errorf("the command line: %s", got)
	}
	tab.Do(t, chromedp.Reload())
	tab.Until(t, atRest)
	if got := chromiumtest.Value[string](t, tab, `document.querySelector(".blocks button:last-child").getAttribute("aria-pressed") + document.querySelectorAll("[role=tab][aria-selected=true]")[0].id`); got != "falsetab-mix" {
		t.Errorf("a reload forgets: %s", got)
	}
	r.clean(tab)
}

// pageNames: whatever can be operated has a name, in every mode.
func pageNames(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	operable := map[string]bool{"button": true, "slider": true, "spinbutton": true, "combobox": true, "tab": true, "checkbox": true, "textbox": true, "listbox": true, "image": true, "link": true, "tabpanel": true}
	for _, state := range []string{"#classes=A", "#mode=interpolate&from=A", "#mode=interpolate&loop=true", "#mode=mix&from=A&to=B"} {
		r.visit(tab, state)
		seen := 0
		tab.Do(t, chromedp.ActionFunc(func(ctx context.Context) error {
			nodes, err := accessibility.GetFullAXTree().Do(ctx)
			for _, n := range nodes {
				if n.Ignored || n.Role == nil || !operable[strings.Trim(string(n.Role.Value), `"`)] {
					continue
				}
				seen++
				if n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "" {
					t.Errorf("%s: a %s without a name", state, n.Role.Value)
				}
			}
			return err
		}))
		if seen < 15 {
			t.Errorf("%s: only %d elements", state, seen)
		}
	}
}

// looks are what the page is looked at with.
var looks = []struct {
	name, state, scheme string
	width, height       int64
	phone               bool
}{
	{"desktop-light", "#n=16&seed=3", "light", 1280, 880, false},
	{"desktop-dark", "#mode=mix&from=A&to=B&a=3&b=7", "dark", 1280, 880, false},
	{"desktop-interpolate", "#mode=interpolate&from=G&to=Q&a=3&b=7&rows=3&steps=7", "light", 1280, 880, false},
	{"desktop-loop", "#mode=interpolate&from=G&to=Q&a=3&b=7&loop=true", "dark", 1280, 880, false},
	{"wide", "#n=20&classes=B&classes=I&classes=G&classes=G&classes=A&classes=N", "dark", 1920, 1080, false},
	{"tablet", "#n=9", "light", 820, 1180, true},
	{"phone-light", "#n=9&seed=5", "light", 390, 844, true},
	{"phone-dark", "#mode=interpolate&from=A&to=B", "dark", 390, 844, true},
	{"phone-mix", "#mode=mix&from=A&to=B&a=3&b=7", "light", 360, 740, true},
}

// pageLooks: nothing sticks out at any size, in light and dark; BIGGAN_SCREENSHOTS names a
// folder for pictures of it.
func pageLooks(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	for _, l := range looks {
		tab.Do(t, emulation.SetDeviceMetricsOverride(l.width, l.height, 1, l.phone), emulation.SetTouchEmulationEnabled(l.phone),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}))
		r.visit(tab, l.state)
		if over := chromiumtest.Value[[]string](t, tab, `[...document.body.querySelectorAll("*")].filter(e => {
			const b = e.getBoundingClientRect();
			return b.width && (b.right > innerWidth + 1 || b.left < -1) && getComputedStyle(e).clipPath === "none" && !e.matches(".skip");
		}).map(e => e.outerHTML.slice(0, 80))`); len(over) > 0 {
			t.Errorf("%s: sticks out: %q", l.name, over)
		}
		light := chromiumtest.Value[float64](t, tab, `getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 765`)
		if (light > 0.5) != (l.scheme == "light") {
			t.Errorf("%s: the background's lightness is %.2f", l.name, light)
		}
		if folder := os.Getenv("BIGGAN_SCREENSHOTS"); folder != "" {
			var picture []byte
			tab.Do(t, chromedp.Sleep(300*time.Millisecond), chromedp.CaptureScreenshot(&picture))
			if err := os.WriteFile(filepath.Join(folder, l.name+".png"), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.clean(tab)
}

// pageMotion: the loop moves, and stands still for those who want it so.
func pageMotion(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	const frame = `document.querySelector("#player output").textContent`
	for _, motion := range []string{"no-preference", "reduce"} {
		tab.Do(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: motion}}))
		r.visit(tab, "#mode=interpolate&loop=true")
		if motion == "no-preference" {
			tab.Until(t, frame+` === "5 of 8"`)
			continue
		}
		before := chromiumtest.Value[string](t, tab, frame)
		tab.Do(t, chromedp.Sleep(500*time.Millisecond))
		if after := chromiumtest.Value[string](t, tab, frame); after != before {
			t.Errorf("moves from %s to %s", before, after)
		}
		tab.Do(t, chromedp.Click("#player button"))
		tab.Until(t, frame+` === "5 of 8"`)
	}
	r.clean(tab)
}

// pageToken: a token from the address, or from the login, opens the page and leaves no trace in the address.
func pageToken(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, func(c *Config) { c.Token = "s3cret+/=" })
	tab.Do(t, chromedp.Navigate(r.url+"/#n=3"))
	tab.Until(t, `document.getElementById("login").open`)
	tab.Do(t, chromedp.SendKeys("#token", "wrong\r", chromedp.ByQuery))
	tab.Until(t, `document.getElementById("login").open && document.getElementById("token").value === ""`)
	tab.Do(t, chromedp.SendKeys("#token", "s3cret+/=\r", chromedp.ByQuery))
	tab.Until(t, atRest)
	tab.Do(t, chromedp.Evaluate(`sessionStorage.clear()`, nil))
	r.visit(tab, "#n=3&token=s3cret%2B%2F%3D")
	if got := chromiumtest.Value[string](t, tab, `location.href`); got != r.url+"/#n=3" {
		t.Errorf("the address is %s", got)
	}
}

// pageTrouble: errors are said, and go away.
func pageTrouble(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	tab.Do(t, chromedp.Navigate(r.url+"/#classes=nope"))
	tab.Until(t, `!document.getElementById("trouble").hidden && document.getElementById("trouble").textContent.includes('unknown class "nope"')`)
	tab.Do(t, chromedp.Click(".chip button"))
	tab.Until(t, atRest+` && document.getElementById("trouble").hidden`)
}

// pageCancels: a slider that moves on cancels a slow drawing, and the newest wish is drawn.
func pageCancels(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	r.visit(tab, "")
	real := r.models[0].make
	begun, cancelled := make(chan bool, 1), make(chan bool, 1)
	r.models[0].make = painter(func(ctx context.Context) error {
		begun <- true
		<-ctx.Done()
		cancelled <- true
		return ctx.Err()
	})
	seed := `document.querySelectorAll("input[type=range]")[2]`
	turn := func(to int) {
		tab.Do(t, chromedp.Evaluate(fmt.Sprintf(`(e => { e.value = %d; e.dispatchEvent(new Event("input", { bubbles: true })); })(%s)`, to, seed), nil))
	}
	turn(5)
	<-begun
	r.models[0].make = real // of the next
	turn(6)
	turn(7)
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		t.Fatal("the stale request goes on")
	}
	tab.Until(t, atRest)
	want, err := r.models[0].Generate(t.Context(), biggan.Request{N: 10, Seed: 7, Truncation: 0.4})
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(t, tab); !reflect.DeepEqual(decodePNG(t, got[0]), pixels(want[0])) {
		t.Error("what is shown is not the newest wish")
	}
}

// pageHurry switches between all modes faster than anything is drawn.
func pageHurry(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	r.visit(tab, "#n=20&loop=true")
	real := r.models[0].make
	r.models[0].make = func(ctx context.Context, q *recipe.Recipe, k recipe.Kitchen, each recipe.Each) (*recipe.Sheet, error) {
		time.Sleep(30 * time.Millisecond) // an answer comes when the mode is another one
		return real(ctx, q, k, each)
	}
	tab.Do(t, chromedp.Evaluate(`(async () => {
		globalThis.hurried = false;
		globalThis.troubles = [];
		const trouble = document.getElementById("trouble");
		new MutationObserver(() => troubles.push(trouble.textContent)).observe(trouble, { childList: true });
		for (let i = 0; i < 12; i++) {
			for (const mode of ["samples", "interpolate", "mix"].slice(i % 2)) {
				document.getElementById("tab-" + mode).click();
				await new Promise(resolve => setTimeout(resolve, i % 3 * 15));
			}
		}
		globalThis.hurried = true;
	})()`, nil))
	tab.Until(t, "globalThis.hurried && "+atRest)
	if got := chromiumtest.Value[string](t, tab, `[troubles.length, document.querySelectorAll("#pictures img").length, document.getElementById("tab-mix").getAttribute("aria-selected")].join()`); got != "0,3,true" {
		t.Errorf("no trouble, 3 pictures, mix: %s", got)
	}
	r.clean(tab)
}

// pageAnimations: Chromium decodes the GIF and the APNG of the API, all frames of them.
func pageAnimations(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	r.visit(tab, "")
	for kind, decoder := range map[string]string{"image/gif": "image/gif", "image/apng": "image/png"} {
		got := chromiumtest.Value[string](t, tab, fmt.Sprintf(`(async () => {
			const response = await fetch("/v1/interpolate", { method: "POST", body: '{"from":"A","to":"B","steps":5,"loop":true}',
				headers: { "Content-Type": "application/json", Accept: %q } });
			const decoder = new ImageDecoder({ data: await response.arrayBuffer(), type: %q });
			await decoder.tracks.ready;
			const { image } = await decoder.decode({ frameIndex: decoder.tracks.selectedTrack.frameCount - 1 });
			return [response.headers.get("Content-Type"), decoder.tracks.selectedTrack.frameCount, decoder.tracks.selectedTrack.animated,
				image.displayWidth, image.displayHeight].join(" ");
		})()`, kind, decoder))
		if want := kind + " 8 true 32 32"; got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

// pageDownloads saves the three kinds of files, and copies the command line.
func pageDownloads(t *testing.T, tab *chromiumtest.Tab) {
	r := start(t, nil)
	r.visit(tab, "#mode=interpolate&from=A&to=B&steps=3&loop=true")
	folder := t.TempDir()
	tab.Do(t, browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(folder))
	const body = `{"from":"A","to":"B","seed_b":1,"rows":2,"steps":3,"loop":true,"truncation":0.4}`
	for _, kind := range []string{"png", "gif", "apng"} {
		tab.Do(t, chromedp.Click(fmt.Sprintf(".downloads [data-kind=%s]", kind), chromedp.ByQuery))
		want := r.post("/v1/interpolate", body, "Accept", "image/"+kind).body
		path := filepath.Join(folder, "biggan-interpolate."+kind)
		until(t, func() bool {
			got, err := os.ReadFile(path)
			return err == nil && bytes.Equal(got, want)
		})
	}
	tab.Do(t, chromedp.Click("#copy", chromedp.ByQuery))
	tab.Until(t, `document.getElementById("status").textContent === "Copied" && document.getElementById("copy").textContent === "Copied"`)
	r.clean(tab)
}

// pageSpeed reports; nothing of it is judged.
func pageSpeed(t *testing.T, tab *chromiumtest.Tab) {
	if os.Getenv("BIGGAN_PAGE_SPEED") == "" {
		t.Skip("a measurement: set BIGGAN_PAGE_SPEED")
	}
	r := start(t, nil)
	for round := range 3 {
		r.visit(tab, fmt.Sprintf("#seed=%d", round))
		first := chromiumtest.Value[[]float64](t, tab, `[performance.getEntriesByType("navigation")[0].loadEventEnd, biggan.drawn.first]`)
		t.Logf("loaded after %.0f ms, first picture after %.0f ms", first[0], first[1])
	}
	for _, n := range []int{1, 10} {
		r.visit(tab, fmt.Sprintf("#n=%d", n))
		box := chromiumtest.Value[[]float64](t, tab, `(b => [b.left, b.top + b.height / 2, b.width])(document.querySelectorAll("input[type=range]")[1].getBoundingClientRect())`)
		before := chromiumtest.Value[[]float64](t, tab, `[biggan.drawn.answers, biggan.drawn.pictures]`)
		begin := time.Now()
		tab.Do(t, input.DispatchMouseEvent(input.MousePressed, box[0]+10, box[1]).WithButton(input.Left).WithClickCount(1))
		for step := 0; time.Since(begin) < 3*time.Second; step++ {
			x := box[0] + 10 + float64(step%100)/100*(box[2]-20)
			tab.Do(t, input.DispatchMouseEvent(input.MouseMoved, x, box[1]).WithButton(input.Left).WithButtons(1))
			time.Sleep(12 * time.Millisecond)
		}
		took := time.Since(begin).Seconds()
		after := chromiumtest.Value[[]float64](t, tab, `[biggan.drawn.answers, biggan.drawn.pictures]`)
		tab.Do(t, input.DispatchMouseEvent(input.MouseReleased, box[0]+10, box[1]).WithButton(input.Left).WithClickCount(1))
		t.Logf("dragging, %d samples: %.1f answers, %.1f pictures a second", n, (after[0]-before[0])/took, (after[1]-before[1])/took)
	}
}
