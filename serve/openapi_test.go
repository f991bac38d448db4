package serve

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// contract checks answers against openapi.json, and remembers which documented ones it saw.
type contract struct {
	document *openapi3.T
	router   routers.Router
	seen     map[string]bool // "POST /v1/generate 200 image/png"
}

func newContract(t *testing.T) *contract {
	t.Helper()
	data, err := assets.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"image/png", "image/gif", "image/apng", "image/svg+xml", "text/html", "text/css", "text/javascript"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	return &contract{document, router, map[string]bool{}}
}

// documented are all answers of the document.
func (c *contract) documented() map[string]bool {
	all := map[string]bool{}
	for path, item := range c.document.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, response := range operation.Responses.Map() {
				kinds := slices.Collect(maps.Keys(response.Value.Content))
				if len(kinds) == 0 {
					kinds = []string{""}
				}
				for _, kind := range kinds {
					all[fmt.Sprintf("%s %s %s %s", method, path, status, kind)] = true
				}
			}
		}
	}
	return all
}

// check holds a request and its answer against the operation that is documented at its path.
func (c *contract) check(t *testing.T, request *http.Request, body string, a answered) {
	t.Helper()
	documented := request.Clone(context.Background())
	if item := c.document.Paths.Find(request.URL.Path); item != nil && item.GetOperation(request.Method) == nil || strings.HasPrefix(request.URL.Path, pagePrefix) {
		documented.Method = "GET"
		if item != nil && item.Post != nil {
			documented.Method = "POST"
		}
	}
	documented.Body = io.NopCloser(strings.NewReader(body))
	route, params, err := c.router.FindRoute(documented)
	if err != nil {
		t.Fatal(err)
	}
	in := &openapi3filter.RequestValidationInput{Request: documented, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
	}}
	if a.status == http.StatusOK {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			t.Errorf("the server takes a request that the document does not allow: %v", err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.status, Header: a.header, Options: in.Options}
	out.SetBodyBytes(bytes.Clone(a.body))
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s %s answers %d: %v", request.Method, request.URL, a.status, err)
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	c.seen[fmt.Sprintf("%s %s %d %s", route.Method, route.Path, a.status, kind)] = true
}

// TestRoutesAreDocumented: every route is in the document, and no other.
func TestRoutesAreDocumented(t *testing.T) {
	c := newContract(t)
	var served, documented []string
	for _, r := range (&Server{metrics: newMetrics(newQueue(1, 0))}).routes() {
		served = append(served, r.method+" "+r.path)
	}
	for path, item := range c.document.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if !slices.Equal(served, documented) {
		t.Errorf("served %v\ndocumented %v", served, documented)
	}
}

// TestContract provokes every documented answer of every route and validates it.
func TestContract(t *testing.T) {
	c := newContract(t)
	r := start(t, func(c *Config) { c.Token, c.Queue = "secret", 0 })
	real := r.models[0].make
	const token = "Authorization"
	ask := func(want int, method, path, body string, headers ...string) {
		t.Helper()
		request := r.request(method, path, body, append([]string{token, "Bearer secret"}, headers...)...)
		a := r.do(request)
		if a.status != want {
			t.Fatalf("%s %s %s: status %d, want %d: %.300s", method, path, body, a.status, want, a.body)
		}
		c.check(t, request, body, a)
	}
	for path, ok := range map[string]string{"/v1/generate": `{"classes":["A",1],"n":2,"mix":["0-2=seed:4"]}`, "/v1/interpolate": `{"from":"A","to":2,"steps":3,"rows":2,"loop":true}`} {
		for _, kind := range kinds() {
			ask(200, "POST", path, ok, "Accept", kind)
		}
		ask(400, "POST", path, `{"truncation":2}`)
		ask(401, "POST", path, ok, token, "Bearer wrong")
		ask(403, "POST", path, ok, "Origin", "http://evil.example")
		ask(404, "POST", path, `{"model":"../letters"}`)
		ask(405, "PUT", path, ok)
		ask(406, "POST", path, ok, "Accept", "image/webp")
		ask(413, "POST", path, `{"model":"`+strings.Repeat("x", maxBody)+`"}`)
		ask(415, "POST", path, ok, "Content-Type", "text/plain")
		r.models[0].make = painter(func(context.Context) error { panic("no paint") })
		ask(500, "POST", path, ok)
		begun, finish := make(chan struct{}), make(chan struct{})
		r.models[0].make = painter(func(context.Context) error { close(begun); <-finish; return context.Canceled })
		left := make(chan error)
		go func() {
			response, err := r.client.Do(r.request("POST", path, ok, token, "Bearer secret"))
			if err == nil {
				err = response.Body.Close()
			}
			left <- err
		}()
		<-begun
		ask(503, "POST", path, ok)
		close(finish)
		if err := <-left; err != nil {
			t.Error(err)
		}
		r.models[0].make = real
	}
	ask(400, "GET", "/v1/classes?limit=0", "")
	ask(404, "GET", "/v1/classes?model=nope", "")
	ask(404, "GET", "/page/nope.js", "")
	for _, path := range []string{"/v1/models", "/v1/classes", "/v1/classes?q=a", "/v1/classes?q=nope", "/healthz", "/metrics", "/openapi.json", "/", "/page/style.css", "/page/app.js", "/page/icon.svg", "/page/index.html"} {
		ask(200, "GET", path, "")
		ask(403, "GET", path, "", "Host", "evil.example")
		ask(405, "DELETE", path, "")
		if route, _, _ := strings.Cut(path, "?"); !open(route) {
			ask(401, "GET", path, "", token, "")
		}
		if tag := r.get(path, token, "Bearer secret").header.Get("ETag"); tag != "" {
			ask(304, "GET", path, "", "If-None-Match", tag)
		}
	}
	for answer := range c.documented() {
		if !c.seen[answer] {
			t.Errorf("documented and never seen: %s", answer)
		}
	}
}
