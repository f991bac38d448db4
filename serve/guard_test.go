package serve

import (
	"net"
	"os"
	"strings"
	"testing"
)

// TestHosts is the matrix of addresses that are bound and names that clients use.
func TestHosts(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	everywhere := &net.TCPAddr{IP: net.IPv4zero, Port: 8080}
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host             string
		loopback, public bool
	}{
		{"127.0.0.1:8080", true, true}, {"127.0.0.1", true, true}, {"127.1.2.3:1", true, true}, {"localhost:8080", true, true}, {"LOCALHOST", true, true},
		{"localhost.:8080", true, true}, {"[::1]:8080", true, true}, {"[::ffff:127.0.0.1]:8080", true, true}, {"pictures.example.org", true, true},
		{"Pictures.Example.ORG:443", true, true},
		{"192.168.1.7:8080", false, true}, {"0.0.0.0:8080", false, true}, {"[2001:db8::1]:8080", false, true}, {own, false, true}, {own + ".local:8080", false, true},
		{"", false, false}, {"evil.example", false, false}, {"evil.example:8080", false, false}, {"localhost.evil.example", false, false},
		{"127.0.0.1.evil.example", false, false}, {"127.0.0.1.nip.io:8080", false, false}, {"localhost:8080:80", false, false}, {"2130706433", false, false},
		{"[fe80::1%25eth0]:8080", false, false}, {"pictures.example.org.evil.example", false, false}, {"0x7f.1", false, false},
	} {
		for bound, want := range map[net.Addr]bool{loopback: c.loopback, everywhere: c.public} {
			g := newGuard(bound, []string{"pictures.example.org"}, "secret")
			if got := g.names(c.host); got != want {
				t.Errorf("bound to %v, called %q: %v, want %v", bound, c.host, got, want)
			}
		}
	}
}

// TestOrigin: pages of other origins may not draw, others may.
func TestOrigin(t *testing.T) {
	r := start(t, nil)
	host := strings.TrimPrefix(r.url, "http://")
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 200},
		{[]string{"Origin", r.url}, 200},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", r.url}, 200},
		{[]string{"Sec-Fetch-Site", "none"}, 200},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "http://" + host + ".evil.example"}, 403},
		{[]string{"Origin", "http://127.0.0.1:1"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"}, 403},
	} {
		if a := r.post("/v1/generate", `{"n":1}`, c.headers...); a.status != c.want {
			t.Errorf("%v: status %d, want %d", c.headers, a.status, c.want)
		}
	}
}

func TestToken(t *testing.T) {
	r := start(t, func(c *Config) { c.Token = "s3cret" })
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/", "", 200}, {"/page/app.js", "", 200}, {"/healthz", "", 200},
		{"/v1/models", "", 401}, {"/metrics", "", 401}, {"/openapi.json", "", 401}, {"/nothing", "", 401},
		{"/v1/models", "Bearer s3cret", 200}, {"/v1/models", "bearer s3cret", 200},
		{"/v1/models", "Bearer s3cre", 401}, {"/v1/models", "Bearer s3crett", 401}, {"/v1/models", "Bearer ", 401}, {"/v1/models", "Basic s3cret", 401},
		{"/v1/models", "s3cret", 401}, {"/v1/models?token=s3cret", "", 401}, {"//v1/models", "", 401}, {"/page/../v1/models", "", 404}, {"/v1/models/", "Bearer s3cret", 404},
	} {
		if a := r.get(c.path, "Authorization", c.token); a.status != c.want {
			t.Errorf("%s with %q: status %d, want %d", c.path, c.token, a.status, c.want)
		}
	}
}

// TestHeaders: what every answer says to a browser.
func TestHeaders(t *testing.T) {
	r := start(t, nil)
	for _, a := range []answered{r.get("/"), r.get("/nothing"), r.get("/", "Host", "evil.example"), r.post("/v1/generate", `{}`)} {
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.header.Get(name); !strings.Contains(got, want) {
				t.Errorf("status %d: %s is %q, want %q", a.status, name, got, want)
			}
		}
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("status %d: %s invites other origins", a.status, name)
			}
		}
	}
}
