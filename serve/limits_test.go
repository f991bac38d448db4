package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// TestQueue: of six at once with one place and one that waits, four are sent away at once.
func TestQueue(t *testing.T) {
	r := start(t, func(c *Config) { c.Queue = 1 })
	real := r.models[0].make
	begun, finish := make(chan struct{}), make(chan struct{})
	r.models[0].make = slow(real, begun, finish)
	statuses := make(chan answered, 6)
	send := func() {
		request := r.request("POST", "/v1/generate", `{"classes":["A"]}`)
		response, err := r.client.Do(request)
		if err != nil {
			t.Error(err)
			statuses <- answered{}
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		statuses <- answered{response.StatusCode, response.Header, body}
	}
	go send()
	<-begun
	r.models[0].make = real // of the one that waits
	for range 5 {
		go send()
	}
	for range 4 {
		a := <-statuses
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.status != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > 60 {
			t.Errorf("status %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
		}
		a.failure(t)
	}
	close(finish)
	for range 2 {
		if a := <-statuses; a.status != http.StatusOK {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	}
	if r.queue.running() != 0 || r.queue.waiting() != 0 {
		t.Errorf("%d run and %d wait after all is over", r.queue.running(), r.queue.waiting())
	}
}

// TestClientLeaves: whoever closes the connection, drawing or waiting, gives the place to the next.
func TestClientLeaves(t *testing.T) {
	r := start(t, func(c *Config) { c.Queue = 1 })
	if a := r.post("/v1/generate", `{}`); a.status != http.StatusOK { // compiles
		t.Fatal(a.status)
	}
	for round := range 3 {
		ctx, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 2 { // one draws for seconds, one waits
			group.Go(func() {
				request := r.request("POST", "/v1/generate", `{"n":1024}`).WithContext(ctx)
				if response, err := r.client.Do(request); err == nil {
					response.Body.Close()
					t.Errorf("round %d: an answer of status %d came before the client left", round, response.StatusCode)
				}
			})
		}
		until(t, func() bool { return r.queue.running() == 1 && r.queue.waiting() == 1 })
		start := time.Now()
		leave()
		until(t, func() bool { return len(r.queue.admitted) == 0 })
		if took := time.Since(start); took > 2*time.Second { // 5 to 20 ms when the machine is idle
			t.Errorf("round %d: the places were free after %v", round, took)
		} else {
			t.Logf("free after %v", took)
		}
		group.Wait()
	}
}

// until waits for a condition, at most 5 s.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	for range 5000 {
		if condition() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("waited 5 s in vain")
}

// TestLeavingWhileEncoding: an encoding that goes on holds no place of a client that left,
// but of no more clients than there are places.
func TestLeavingWhileEncoding(t *testing.T) {
	q := newQueue(1, 0)
	nothing := func() error { return nil }
	finish, done := make(chan struct{}), make(chan error)
	begin := func() (leave func()) {
		ctx, leave := context.WithCancel(t.Context())
		encoding := make(chan struct{})
		go func() { done <- q.do(ctx, nothing, func() error { close(encoding); <-finish; return nil }) }()
		<-encoding
		if err := q.do(t.Context(), nothing, nothing); err != errBusy {
			t.Errorf("a place that is taken: %v", err)
		}
		return leave
	}
	begin()()
	until(t, func() bool { return len(q.admitted) == 0 })
	begin()()
	time.Sleep(20 * time.Millisecond)
	if err := q.do(t.Context(), nothing, nothing); err != errBusy {
		t.Errorf("a second one that left: %v", err)
	}
	close(finish)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(q.admitted)+len(q.slots)+len(q.gone) != 0 {
		t.Errorf("%d, %d and %d places are taken by nobody", len(q.admitted), len(q.slots), len(q.gone))
	}
	if err := q.do(t.Context(), nothing, nothing); err != nil {
		t.Error(err)
	}
}

// TestLongDrawing: a drawing may take longer than the sending of a request, and than another
// answer on the same connection.
func TestLongDrawing(t *testing.T) {
	const limit = 2 * time.Second // which a busy machine must keep to as well
	r := start(t, func(c *Config) {
		c.timeouts = timeouts{header: limit, request: limit, idle: time.Minute, answer: limit}
	})
	real := r.models[0].make
	for range 2 {
		begun, finish := make(chan struct{}), make(chan struct{})
		r.models[0].make = slow(real, begun, finish)
		time.AfterFunc(limit+limit/4, func() { close(finish) })
		if a := r.post("/v1/generate", `{}`); a.status != http.StatusOK {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	}
}

// TestSlowAndGreedy: 500 connections that dribble and bodies without end hurt no good client.
func TestSlowAndGreedy(t *testing.T) {
	r := start(t, func(c *Config) {
		c.timeouts = usualTimeouts
		c.timeouts.header, c.timeouts.request = time.Second, 2*time.Second
	})
	addr := strings.TrimPrefix(r.url, "http://")
	var closed atomic.Int32
	for i := range 500 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		head := "POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
		if i%2 == 0 { // the other half dribbles the body
			head = "POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
		}
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			closed.Add(1)
		}()
	}
	for path, kind := range map[string]string{"announced": fmt.Sprintf("Content-Length: %d", 1<<30), "chunked": "Transfer-Encoding: chunked"} {
		t.Run("1 GB "+path, func(t *testing.T) { greedy(t, addr, kind) })
	}
	for range 20 {
		start := time.Now()
		if a := r.post("/v1/generate", `{"n":1}`); a.status != http.StatusOK {
			t.Fatalf("a good client gets status %d: %s", a.status, a.body)
		}
		if took := time.Since(start); took > 2*time.Second { // 20 ms when the machine is idle
			t.Errorf("a good client waits %v", took)
		}
	}
	until(t, func() bool { return closed.Load() == 500 })
}

// greedy sends a body of 1 GB, or what of it the server takes, and wants 413.
func greedy(t *testing.T, addr, kind string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var sent atomic.Int64
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		fmt.Fprintf(conn, "POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n\r\n", kind)
		block := []byte(strings.Repeat(" ", 1<<16))
		for sent.Load() < 1<<30 {
			if strings.HasPrefix(kind, "Transfer") {
				fmt.Fprintf(conn, "%x\r\n", len(block))
			}
			n, err := conn.Write(block)
			if sent.Add(int64(n)); err != nil {
				return
			}
			if strings.HasPrefix(kind, "Transfer") {
				io.WriteString(conn, "\r\n")
			}
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
	<-stopped
	if n := sent.Load(); n > 64<<20 { // what the sockets' buffers hold
		t.Errorf("the server took %d bytes", n)
	}
}

func TestHeaderLimit(t *testing.T) {
	r := start(t, nil)
	a := r.do(r.request("GET", "/healthz", "", "X-Long", strings.Repeat("x", 2*maxHeader)))
	if a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", a.status)
	}
}
