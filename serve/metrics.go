package serve

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics shows.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	pictures *prometheus.CounterVec
	panics   prometheus.Counter
	handler  http.Handler
}

func newMetrics(q *queue) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "biggan_http_requests_total", Help: "Requests answered.",
		}, []string{"path", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "biggan_http_request_seconds", Help: "Time to answer, the wait for a place included.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 15),
		}, []string{"path"}),
		pictures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "biggan_pictures_total", Help: "Pictures drawn.",
		}, []string{"model"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "biggan_panics_total", Help: "Requests that panicked and were answered with 500."}),
	}
	r := prometheus.NewRegistry()
	r.MustRegister(
		m.requests, m.seconds, m.pictures, m.panics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("biggan_drawings_running", "Drawings under way.", q.running), gauge("biggan_drawings_waiting", "Drawings that wait for a place.", q.waiting),
	)
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{DisableCompression: true})
	return m
}

func gauge(name, help string, value func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
}

// methods that may become labels: a client could invent others without end.
var knownMethods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

func (m *metrics) finished(path, method string, status int, took time.Duration) {
	if !knownMethods[method] {
		method = "other"
	}
	m.requests.WithLabelValues(path, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(path).Observe(took.Seconds())
}

func (m *metrics) expose(w http.ResponseWriter, r *http.Request) error {
	m.handler.ServeHTTP(w, r)
	return nil
}
