package serve

import (
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// route is a path of the API. A handler that returns an error has written nothing.
type route struct {
	method, path string
	handle       func(w http.ResponseWriter, r *http.Request) error
}

// routes are all there is; openapi.json describes each.
func (s *Server) routes() []route {
	return []route{
		{"POST", "/v1/generate", s.generate},
		{"POST", "/v1/interpolate", s.interpolate},
		{"GET", "/v1/models", s.listModels},
		{"GET", "/v1/classes", s.listClasses},
		{"GET", "/healthz", s.health},
		{"GET", "/metrics", s.metrics.expose},
		{"GET", "/openapi.json", openapi},
		{"GET", "/", page},
		{"GET", pagePrefix + "{file}", page},
	}
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// handler joins the routes and what holds for all of them.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		pattern := r.path
		if pattern == "/" {
			pattern = "/{$}"
		}
		mux.Handle(pattern, s.on(r))
	}
	other := s.on(route{path: "other", handle: func(_ http.ResponseWriter, r *http.Request) error {
		return &failure{status: http.StatusNotFound, Message: fmt.Sprintf("there is no %s", r.URL.Path), Hint: "/openapi.json lists what there is"}
	}})
	mux.Handle("/", other)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path.Clean("/"+r.URL.Path) || r.Method == http.MethodConnect {
			other.ServeHTTP(w, r) // the mux would redirect, whoever asks
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// on wraps a route: who asks, with which method, what comes of it.
func (s *Server) on(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w, limit: s.config.timeouts.answer}
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				s.panicked(a, p)
			}
			s.finished(route, r, a, time.Since(start))
		}()
		protect(a.Header())
		if err := s.serve(a, r, route); err != nil {
			f := s.failureOf(err)
			if f.status == http.StatusInternalServerError {
				s.log.Error("failed", "path", r.URL.Path, "error", err)
			}
			f.write(a)
		}
	})
}

func (s *Server) serve(a *answer, r *http.Request, route route) error {
	if f := s.guard.check(r); f != nil {
		return f
	}
	methods := []string{route.method}
	if route.method == "GET" {
		methods = append(methods, "HEAD")
	}
	if route.method != "" && !slices.Contains(methods, r.Method) {
		a.Header().Set("Allow", strings.Join(methods, ", "))
		return &failure{status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("%s takes %s, not %s", route.path, route.method, r.Method)}
	}
	return route.handle(a, r)
}

// panicked answers 500 where nothing was answered yet, and leaves the server alive.
func (s *Server) panicked(a *answer, p any) {
	s.metrics.panics.Inc()
	s.log.Error("panic", "value", fmt.Sprint(p), "stack", string(debug.Stack()))
	if a.status == 0 {
		(&failure{status: http.StatusInternalServerError, Message: "the server failed", Hint: "its log says why"}).write(a)
	}
}

func (s *Server) finished(route route, r *http.Request, a *answer, took time.Duration) {
	s.metrics.finished(route.path, r.Method, a.status, took)
	level := slog.LevelInfo
	if a.status >= 500 {
		level = slog.LevelWarn
	}
	s.log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", a.status, "bytes", a.bytes,
		"ms", float64(took.Microseconds())/1000, "from", r.RemoteAddr)
}

// answer remembers what was answered.
type answer struct {
	http.ResponseWriter
	limit  time.Duration // to take it
	status int
	bytes  int64
}

// WriteHeader gives the client the limit from now to take the answer.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		// A writer without deadlines is a test's.
		_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(a.limit))
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
