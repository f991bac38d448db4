package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/recipe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server under test and a client of it.
type running struct {
	*Server
	t      *testing.T
	url    string
	client *http.Client
	stop   context.CancelFunc
	done   chan error // what Serve returned
}

// start serves letters on a free port of the loopback, until the test ends.
func start(t *testing.T, change func(c *Config)) *running {
	t.Helper()
	m, err := biggan.Open(t.Context(), "letters")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Models: []Model{{"letters", m}}, Parallel: 1, Queue: 16, Drain: 5 * time.Second, Backend: "cpu"}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(t.Context(), "127.0.0.1:0", c.Token)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, t: t, url: strings.TrimSuffix(URL(l), "/"), client: &http.Client{Transport: &http.Transport{}}, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-r.done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
		r.client.CloseIdleConnections()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// end stops the server and waits for it; what it returned is left for the end of the test.
func (r *running) end() {
	r.stop()
	r.done <- <-r.done
}

// answered is an answer that was read whole.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// failure is the error that an answer holds.
func (a answered) failure(t *testing.T) failure {
	t.Helper()
	var doc struct{ Error failure }
	if err := json.Unmarshal(a.body, &doc); err != nil || doc.Error.Message == "" {
		t.Fatalf("status %d, no error document: %.200s", a.status, a.body)
	}
	return doc.Error
}

// request builds one with headers as pairs; a body makes it JSON.
func (r *running) request(method, path, body string, headers ...string) *http.Request {
	r.t.Helper()
	request, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		} else {
			request.Header.Set(headers[i], headers[i+1])
		}
	}
	return request
}

func (r *running) do(request *http.Request) answered {
	r.t.Helper()
	response, err := r.client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, body}
}

func (r *running) post(path, body string, headers ...string) answered {
	r.t.Helper()
	return r.do(r.request("POST", path, body, headers...))
}

func (r *running) get(path string, headers ...string) answered {
	r.t.Helper()
	return r.do(r.request("GET", path, "", headers...))
}

// painter is a maker of a test's, which paints nothing.
func painter(f func(ctx context.Context) error) maker {
	return func(ctx context.Context, _ *recipe.Recipe, _ recipe.Kitchen, _ recipe.Each) (*recipe.Sheet, error) {
		return nil, f(ctx)
	}
}

// slow makes once it is told to, or its context ends.
func slow(real maker, begun, finish chan struct{}) maker {
	return func(ctx context.Context, r *recipe.Recipe, k recipe.Kitchen, each recipe.Each) (*recipe.Sheet, error) {
		close(begun)
		select {
		case <-finish:
			return real(ctx, r, k, each)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func TestListen(t *testing.T) {
	for addr, config := range map[string]bool{
		"0.0.0.0:0": true, "[::]:0": true, "foo": true, "127.0.0.1:99999": true, "127.0.0.1:http7": true, "nowhere.invalid:80": true, "192.0.2.7:0": true,
	} {
		l, err := Listen(t.Context(), addr, "")
		if err == nil {
			l.Close()
		}
		if errors.Is(err, ErrConfig) != config {
			t.Errorf("%s: %v", addr, err)
		}
	}
	l, err := Listen(t.Context(), ":0", "")
	if err != nil || !isLoopback(l.Addr()) {
		t.Fatalf("without a host: %v, %v", l, err)
	}
	defer l.Close()
	if _, err := Listen(t.Context(), l.Addr().String(), ""); err == nil || errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "is taken by another program") {
		t.Errorf("an address in use: %v", err)
	}
	public, err := Listen(t.Context(), "0.0.0.0:0", "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer public.Close()
	if got := URL(public); !strings.HasPrefix(got, "http://localhost:") || strings.HasSuffix(got, ":0/") {
		t.Errorf("URL %s", got)
	}
}

func TestNewRefuses(t *testing.T) {
	m, err := biggan.Open(t.Context(), "letters")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	one := []Model{{"letters", m}}
	for name, c := range map[string]Config{
		"no models": {Parallel: 1}, "no places": {Models: one}, "a negative queue": {Models: one, Parallel: 1, Queue: -1},
		"one name twice": {Models: append(one, one...), Parallel: 1},
	} {
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDrain: a signal lets a drawing finish, and cuts it off after the limit.
func TestDrain(t *testing.T) {
	for name, limit := range map[string]time.Duration{"in time": 5 * time.Second, "too late": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *Config) { c.Drain = limit })
			begun, finish := make(chan struct{}), make(chan struct{})
			real := r.models[0].make
			r.models[0].make = slow(real, begun, finish)
			status := make(chan int, 1)
			go func() {
				response, err := r.client.Do(r.request("POST", "/v1/generate", `{}`))
				if err != nil {
					status <- 0
					return
				}
				defer response.Body.Close()
				_, _ = io.Copy(io.Discard, response.Body)
				status <- response.StatusCode
			}()
			<-begun
			r.stop()
			if name == "in time" {
				time.AfterFunc(50*time.Millisecond, func() { close(finish) })
			}
			got := <-status
			if name == "in time" && got != http.StatusOK || name == "too late" && got == http.StatusOK {
				t.Errorf("status %d", got)
			}
			if _, err := net.DialTimeout("tcp", strings.TrimPrefix(r.url, "http://"), time.Second); err == nil {
				t.Error("a stopped server still takes connections")
			}
		})
	}
}

// TestPanic: one panic is one 500, and the server lives.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	r := start(t, func(c *Config) { c.Log = logTo(&log) })
	real := r.models[0].make
	r.models[0].make = painter(func(context.Context) error { panic("no paint") })
	a := r.post("/v1/generate", `{}`)
	if f := a.failure(t); a.status != http.StatusInternalServerError || strings.Contains(f.Message+f.Hint, "paint") {
		t.Errorf("status %d, %+v", a.status, f)
	}
	r.models[0].make = real
	if a := r.post("/v1/generate", `{}`); a.status != http.StatusOK {
		t.Errorf("afterwards: status %d, %s", a.status, a.body)
	}
	if !strings.Contains(string(r.get("/metrics").body), "biggan_panics_total 1") {
		t.Error("the panic was not counted")
	}
	r.end()
	if !strings.Contains(log.String(), "no paint") || !strings.Contains(log.String(), "status=500") {
		t.Errorf("the log does not tell: %s", log.String())
	}
}
