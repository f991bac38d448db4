package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Client downloads from one source: hosts that it may reach on private addresses are those
// that were asked for, and those of its first requests.
type Client struct {
	options Options
	http    *http.Client

	mu    sync.Mutex
	asked map[string]bool // host:port
}

// New makes a client.
func New(o Options) *Client {
	def := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Stall, 30*time.Second)
	def(&o.Backoff, 250*time.Millisecond)
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.Parts <= 0 {
		o.Parts = 4
	}
	if o.Part <= 0 {
		o.Part = 8 << 20
	}
	c := &Client{options: o, asked: map[string]bool{}}
	for _, host := range o.Asked {
		c.asked[host] = true
	}
	c.http = &http.Client{
		CheckRedirect: c.checkRedirect,
		Transport: &http.Transport{
			Proxy:                  c.proxy,
			DialContext:            c.dial,
			DisableCompression:     true, // a file is wanted as it is
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    o.Parts,
			MaxResponseHeaderBytes: 64 << 10,
			ReadBufferSize:         64 << 10,
			IdleConnTimeout:        30 * time.Second,
			TLSHandshakeTimeout:    o.Stall,
		},
	}
	return c
}

// Close gives idle connections up.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// proxy is that of the environment; its address was named by the user.
func (c *Client) proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if u != nil {
		c.ask(u)
	}
	return u, err
}

func (c *Client) ask(u *url.URL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[HostPort(u)] = true
}

func (c *Client) wasAsked(address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[address]
}

// HostPort is what a URL is dialled at.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dial refuses private addresses, after names are resolved, of hosts that were not asked for.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.options.Dial != nil {
		return c.options.Dial(ctx, network, address)
	}
	d := net.Dialer{Timeout: c.options.Stall, KeepAlive: 15 * time.Second}
	if !c.wasAsked(address) {
		d.Control = func(_, resolved string, _ syscall.RawConn) error { return checkAddress(address, resolved) }
	}
	return d.DialContext(ctx, network, address)
}

func checkAddress(host, resolved string) error {
	a, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("%w: %s resolves to %q", ErrRefused, host, resolved)
	}
	if !public(a.Addr()) {
		return fmt.Errorf("%w: %s leads to %s, which is no public address and was not asked for", ErrRefused, host, a.Addr())
	}
	return nil
}

// special are address ranges beyond those that netip knows as loopback, private or local.
var special = func() []netip.Prefix {
	var all []netip.Prefix
	for _, p := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", // this network, carriers, protocols, benchmarks, reserved
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "fec0::/10", // IPv4 inside IPv6, site-local
	} {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}()

func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// checkRedirect refuses what leads from https to http, to other schemes, with credentials,
// or to private addresses. Names are checked again when they are resolved.
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	switch {
	case len(via) > 10:
		return fmt.Errorf("%w: %s: more than 10 redirects", ErrRefused, via[0].URL.Host)
	case r.URL.Scheme != "https" && r.URL.Scheme != "http" || r.URL.User != nil:
		return fmt.Errorf("%w: %s redirects to %s", ErrRefused, from.Host, r.URL.Redacted())
	case from.Scheme == "https" && r.URL.Scheme != "https":
		return fmt.Errorf("%w: %s redirects from https to http", ErrRefused, from.Host)
	case c.wasAsked(HostPort(r.URL)):
		return nil
	}
	if a, err := netip.ParseAddr(r.URL.Hostname()); err == nil && !public(a) || r.URL.Hostname() == "localhost" {
		return fmt.Errorf("%w: %s redirects to %s, which is no public address and was not asked for", ErrRefused, from.Host, r.URL.Host)
	}
	return nil
}

// errPermanent marks failures that trying again does not mend.
var errPermanent = errors.New("the server will not send it")

// busy is a failure after which the server wants to be left alone for a while.
type busy struct {
	error
	after time.Duration
}

func (b *busy) Unwrap() error { return b.error }

// do sends a request and judges the status. The response's body stalls into an error.
func (c *Client) do(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	c.ask(u)
	ctx, cancel := context.WithCancelCause(ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("%w: %w", errPermanent, err)
	}
	if r.Header = header; header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "biggan")
	w := watch(cancel, c.options.Stall)
	response, err := c.http.Do(r)
	if err != nil {
		w.stop()
		cause := context.Cause(ctx)
		cancel(nil)
		return nil, plain(err, cause)
	}
	response.Body = &watched{response.Body, w, ctx, cancel}
	if err := checkStatus(response); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response, nil
}

// plain takes the method and the address, which messages name anyway, off an error.
func plain(err, cause error) error {
	var stall stalled
	if errors.As(cause, &stall) {
		return stall
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func checkStatus(r *http.Response) error {
	code := r.StatusCode
	switch {
	case code == http.StatusOK || code == http.StatusPartialContent:
		if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
			return fmt.Errorf("%w: %s sends the file encoded as %.40q, which was not asked for", ErrRefused, r.Request.URL.Host, e)
		}
		return nil
	case code == http.StatusRequestedRangeNotSatisfiable:
		return restart{"the server says that its file is shorter"}
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests ||
		code >= 500 && code != http.StatusNotImplemented && code != http.StatusHTTPVersionNotSupported:
		return &busy{fmt.Errorf("HTTP status %s", r.Status), retryAfter(r.Header.Get("Retry-After"))}
	}
	return fmt.Errorf("%w: %w: %s answers HTTP status %s", ErrNetwork, errPermanent, r.Request.URL.Host, r.Status)
}

// retryAfter reads the header, up to a minute.
func retryAfter(h string) time.Duration {
	var seconds int
	if _, err := fmt.Sscanf(h, "%d", &seconds); err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 60))*time.Second, time.Minute)
}

// Small downloads a file of at most limit bytes into memory, with the client's attempts.
func (c *Client) Small(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	d := &download{Client: c, file: File{URL: u}}
	d.budget = budget{left: c.options.Attempts, full: c.options.Attempts, backoff: c.options.Backoff}
	for {
		data, err := c.small(ctx, u, limit)
		if err == nil {
			return data, nil
		}
		var changed restart
		if errors.As(err, &changed) {
			return nil, fmt.Errorf("%w: %s: %w", ErrNetwork, u.Host, err)
		}
		if err := d.afterFailure(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (c *Client) small(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	response, err := c.do(ctx, u, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s: more than %d bytes", ErrRefused, u.Redacted(), limit)
	}
	return data, nil
}

// budget counts attempts; progress renews it. It is safe for concurrent use.
type budget struct {
	mu         sync.Mutex
	left, full int
	backoff    time.Duration
}

// spend takes an attempt and says how long to wait before it.
func (b *budget) spend() (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left--; b.left <= 0 {
		return 0, false
	}
	wait := min(b.backoff<<(b.full-b.left-1), 30*time.Second)
	return wait*3/4 + rand.N(wait/2+1), true
}

func (b *budget) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = b.full
}
