package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/biggan-zoo/biggan/chromiumtest"
	"github.com/biggan-zoo/biggan/zoo"
)

// serving is a biggan serve in a process of its own.
type serving struct {
	*exec.Cmd
	out    *bufio.Reader
	stderr bytes.Buffer
}

func startServing(t *testing.T, args ...string) *serving {
	t.Helper()
	// The test's own binary is biggan under that name: see TestMain.
	program := filepath.Join(t.TempDir(), "biggan")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, program); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	s := &serving{Cmd: exec.Command(program, append([]string{"serve", "--addr", ":0", "--backend", "cpu"}, args...)...)}
	s.Cmd.Stderr = &s.stderr
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	t.Cleanup(func() { _ = s.Process.Kill() })
	return s
}

// end sends a signal and returns the exit code.
func (s *serving) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := s.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := s.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return s.ProcessState.ExitCode()
}

func ask(t *testing.T, url, body, accept string) []byte {
	t.Helper()
	request, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", response.StatusCode, err, data)
	}
	return data
}

func pixelsOf(t *testing.T, data []byte) *image.NRGBA {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewNRGBA(m.Bounds())
	draw.Draw(out, out.Rect, m, m.Bounds().Min, draw.Src)
	return out
}

// TestServe: the printed URL is the real one, the pictures are those of the command line, and
// signals end the server with their exit codes.
func TestServe(t *testing.T) {
	s := startServing(t)
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, &s.stderr)
	}
	url := strings.TrimSpace(line)
	folder := t.TempDir()
	for i, c := range []struct{ path, body, args string }{
		{"v1/generate", `{"classes":["A",1],"n":5,"seed":7,"truncation":0.4}`, "generate -c A -c 1 -n 5 --seed 7 --truncation 0.4"},
		{"v1/generate", `{"n":6,"seed":4294967295}`, "generate -n 6 --seed 4294967295"},
		{"v1/generate", `{"classes":["A"],"seed":3,"mix":["0-2=seed:9,class:B","4-=seed:2,keep:0.5"],"noise":"normal"}`, "generate -c A --seed 3 --mix 0-2=seed:9,class:B --mix 4-=seed:2,keep:0.5 --noise normal"},
		{"v1/interpolate", `{"from":"A","to":"B","seed_a":1,"seed_b":2,"rows":2,"steps":3,"labels":true}`, "interpolate --from A --to B --seed-a 1 --seed-b 2 --rows 2 --steps 3 --labels"},
		{"v1/interpolate", `{}`, "interpolate"},
	} {
		out := filepath.Join(folder, string(rune('a'+i))+".png")
		if code, _, stderr := command(append(strings.Fields(c.args), "-o", out, "--backend", "cpu")...); code != exitOK {
			t.Fatal(stderr)
		}
		want, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, url+c.path, c.body, "*/*")
		if !reflect.DeepEqual(pixelsOf(t, got), pixelsOf(t, want)) {
			t.Errorf("%s: the server's picture is not that of biggan %s", c.body, c.args)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the server's file is not that of biggan %s", c.body, c.args)
		}
	}
	if code := s.end(t, syscall.SIGTERM); code != 143 {
		t.Errorf("SIGTERM: exit code %d: %s", code, &s.stderr)
	}
	if log := s.stderr.String(); !strings.Contains(log, "path=/v1/generate status=200") {
		t.Errorf("no access log: %s", log)
	}
}

// TestServeJSON: the document of --json, a quiet log, and a store with a pulled model and a damaged one.
func TestServeJSON(t *testing.T) {
	letters, _ := zoo.Embedded("letters")
	store := t.TempDir()
	for name, bytes := range map[string]int{"biggan-deep-128": len(letters), "biggan-256": 1} {
		record := fmt.Sprintf(`{"format":1,"model":%q,"file":"%s.safetensors","bytes":%d,"sha256":"%064d","source":"a test","source_format":"hf","files":[],"pulled":"2026-01-01T00:00:00Z"}`, name, name, bytes, 1)
		if err := os.Mkdir(filepath.Join(store, name), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, data := range map[string][]byte{"provenance.json": []byte(record), name + ".safetensors": letters} {
			if err := os.WriteFile(filepath.Join(store, name, file), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := startServing(t, "--json", "--quiet", "--store", store)
	var doc serveJSON
	if err := json.NewDecoder(s.out).Decode(&doc); err != nil {
		t.Fatalf("%v: %s", err, &s.stderr)
	}
	if !strings.HasPrefix(doc.URL, "http://127.0.0.1:") || !reflect.DeepEqual(doc.Models, []string{"letters", "biggan-deep-128"}) || doc.Backend != "cpu" {
		t.Errorf("%+v", doc)
	}
	ask(t, doc.URL+"v1/generate", `{"model":"biggan-deep-128"}`, "*/*")
	if code := s.end(t, os.Interrupt); code != 130 {
		t.Errorf("SIGINT: exit code %d: %s", code, &s.stderr)
	}
	if log := s.stderr.String(); strings.Contains(log, "request") {
		t.Errorf("--quiet logs what went well: %s", log)
	}
}

// TestPageCommand: the command line that the page shows draws what the page asks the server for.
func TestPageCommand(t *testing.T) {
	tab := chromiumtest.Open(t)
	s := startServing(t, "--quiet")
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, &s.stderr)
	}
	url := strings.TrimSpace(line)
	t.Chdir(t.TempDir())
	for _, state := range []string{
		"", "#classes=A&classes=B%3A1%2CC%3A3&n=5&seed=7&t=0.83", "#mode=interpolate", "#mode=interpolate&from=A&to=Q&a=1&b=2&rows=3&steps=4&path=slerp",
		"#mode=interpolate&from=A&loop=true", "#mode=mix", "#mode=mix&from=A&to=B&amount=0.3&blocks=0,1,4,6", "#mode=mix&from=A&to=B&amount=1", "#mode=mix&amount=0.1&blocks=",
	} {
		tab.Do(t, chromedp.Navigate("about:blank"), chromedp.Navigate(url+state))
		tab.Until(t, `document.getElementById("command").textContent`)
		shown := strings.Fields(chromiumtest.Value[string](t, tab, `document.getElementById("command").textContent`))
		wanted := chromiumtest.Value[[]string](t, tab, `(async () => {
			const { wanted } = await import("/page/request.js");
			const { models } = await (await fetch("/v1/models")).json();
			const { path, body } = wanted(models[0]);
			return [path.slice(1), JSON.stringify(body)];
		})()`)
		out := shown[len(shown)-1]
		if !strings.Contains(strings.Join(shown, " "), "--backend cpu") {
			t.Errorf("%s does not name the server's backend", shown)
		}
		if code, _, stderr := command(append(shown[1:], "--force")...); code != exitOK {
			t.Fatalf("%s: %s", shown, stderr)
		}
		want, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if kind := strings.TrimPrefix(filepath.Ext(out), "."); !bytes.Equal(ask(t, url+wanted[0], wanted[1], "image/"+kind), want) {
			t.Errorf("%q: %s draws something else", state, shown)
		}
	}
}
