// Package serve is the HTTP API and the page: pictures of the models it was given, to the
// clients it was told to trust. docs/serve.md describes the API and its limits.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
)

// ErrConfig means that a server cannot be meant: no models, an address beyond this machine without a token.
var ErrConfig = errors.New("refused to serve")

// Config is what a server serves, to whom, and how much at once.
type Config struct {
	Models   []Model  // at least one; the first is the default
	Token    string   // that clients must show; "" = none, on loopback only
	Hosts    []string // names that clients may call the server by, beside those of its address
	Parallel int      // drawings at once, at least 1
	Queue    int      // further ones that wait, from 0
	Drain    time.Duration
	Backend  string // "" = auto
	Options  backend.Options
	Flags    []string     // of the command line that draws the same, for the page to show
	Log      *slog.Logger // nil = none

	timeouts timeouts // zero = usualTimeouts
}

// Model is an open generator under the name that clients know it by. The server does not close it.
type Model struct {
	Name string
	*biggan.Model
}

// Server answers on one listener.
type Server struct {
	config  Config
	models  []*served
	queue   *queue
	metrics *metrics
	log     *slog.Logger
	guard   guard
}

// maxHeader bounds a request's header, in bytes.
const maxHeader = 16 << 10

// timeouts are how long a client may take.
type timeouts struct {
	header, request time.Duration // to send its header, and all
	idle            time.Duration // between requests
	answer          time.Duration // to take an answer, from when it is ready
}

var usualTimeouts = timeouts{header: 5 * time.Second, request: 15 * time.Second, idle: time.Minute, answer: time.Minute}

// New checks a configuration. Errors wrap ErrConfig.
func New(c Config) (*Server, error) {
	if c.Parallel < 1 || c.Queue < 0 {
		return nil, fmt.Errorf("serve: %w: %d at once and %d waiting, want at least 1 and 0", ErrConfig, c.Parallel, c.Queue)
	}
	models, err := serveAll(c.Models)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.timeouts == (timeouts{}) {
		c.timeouts = usualTimeouts
	}
	q := newQueue(c.Parallel, c.Queue)
	return &Server{config: c, models: models, queue: q, metrics: newMetrics(q), log: c.Log}, nil
}

// Listen opens an address, host:port; without a host that is 127.0.0.1, and port 0 is any free
// one. Without a token it refuses addresses that other machines reach: that error, and those
// about the address's form, wrap ErrConfig.
func Listen(ctx context.Context, addr, token string) (net.Listener, error) {
	if strings.HasPrefix(addr, ":") {
		addr = "127.0.0.1" + addr
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, explain(addr, err)
	}
	if !isLoopback(l.Addr()) && token == "" {
		l.Close()
		return nil, fmt.Errorf("serve: %w: %s is reached from other machines: give a token with --token or BIGGAN_TOKEN, or stay on 127.0.0.1", ErrConfig, addr)
	}
	return l, nil
}

// Serve answers until the context ends, then lets what is under way finish, for as long as
// Config.Drain, and returns an error that wraps the context's. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.guard = newGuard(l.Addr(), s.config.Hosts, s.config.Token)
	base, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	t := s.config.timeouts
	h := &http.Server{
		Handler: s.handler(), BaseContext: func(net.Listener) context.Context { return base },
		MaxHeaderBytes: maxHeader, ReadHeaderTimeout: t.header, ReadTimeout: t.request, IdleTimeout: t.idle,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.log.Info("stopping", "running", s.queue.running(), "waiting", s.queue.waiting())
	limit, cancel := context.WithTimeout(base, s.config.Drain)
	defer cancel()
	if err := h.Shutdown(limit); err != nil {
		s.log.Warn("cut off", "running", s.queue.running(), "waiting", s.queue.waiting(), "after", s.config.Drain)
		abandon()
		h.Close()
	}
	<-done
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("serve: stopped by %v: %w", cause, ctx.Err())
	}
	return fmt.Errorf("serve: stopped: %w", ctx.Err())
}

// URL is the address of a listener for a browser on this machine.
func URL(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(addr.Port)) + "/"
}
