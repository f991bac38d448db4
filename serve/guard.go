package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
)

// guard decides who may ask: by the name in Host, by Origin, by token.
type guard struct {
	loopback bool
	hosts    []string // lower case
	token    string
	origin   *http.CrossOriginProtection
}

func newGuard(bound net.Addr, hosts []string, token string) guard {
	g := guard{loopback: isLoopback(bound), hosts: []string{"localhost"}, token: token, origin: http.NewCrossOriginProtection()}
	for _, h := range hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	if name, err := os.Hostname(); err == nil && !g.loopback {
		name = strings.ToLower(name)
		g.hosts = append(g.hosts, name, name+".local")
	}
	return g
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// names reports whether clients may call the server so (RFC 9110, 7.2). A web page that has
// its own name resolve to this machine (DNS rebinding) comes with that name: a server on
// loopback answers to loopback's names and addresses, another one to any address, and to
// the names it was given. Ports do not matter: forwarding changes them.
func (g *guard) names(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if slices.Contains(g.hosts, name) {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && ip.Zone() == "" && (!g.loopback || ip.Unmap().IsLoopback())
}

// open are the paths that need no token: the page, which has to ask for one, and the pulse.
func open(path string) bool {
	return path == "/" || path == "/healthz" || strings.HasPrefix(path, pagePrefix)
}

// check is what is wrong with a request's sender, nil if nothing.
func (g *guard) check(r *http.Request) *failure {
	if !g.names(r.Host) {
		return &failure{
			status: http.StatusForbidden, Message: fmt.Sprintf("this server does not answer to the name %q", r.Host),
			Hint: "call it by the address it printed, or start it with --host NAME",
		}
	}
	if err := g.origin.Check(r); err != nil {
		return &failure{status: http.StatusForbidden, Message: "a page of another origin may not ask this server", Hint: err.Error()}
	}
	if g.token != "" && !open(r.URL.Path) && !g.shows(r) {
		return &failure{
			status: http.StatusUnauthorized, Message: "this server wants a token",
			Hint: "send the header Authorization: Bearer TOKEN, with what --token or BIGGAN_TOKEN gave the server",
		}
	}
	return nil
}

// shows compares the token in constant time, whatever its length.
func (g *guard) shows(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(g.token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// contentPolicy lets the page load its own files and show pictures that its script made; nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// protect sets the headers of every answer.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// explain says what is wrong with an address to listen on.
func explain(addr string, err error) error {
	var form *net.AddrError
	var name *net.DNSError
	switch {
	case errors.As(err, &form), errors.As(err, &name), errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("serve: %w: --addr %s: %w; want HOST:PORT of this machine, as in 127.0.0.1:8080", ErrConfig, addr, err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("serve: %s is taken by another program; --addr 127.0.0.1:0 takes a free port: %w", addr, err)
	}
	return fmt.Errorf("serve: %w", err)
}
