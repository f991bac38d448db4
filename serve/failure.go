package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
)

// failure is an answer that is no picture.
type failure struct {
	status     int
	retryAfter int // seconds; 0 = not said

	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Field   string `json:"field,omitempty"` // of the request that is to blame
}

func (f *failure) Error() string { return f.Message }

// statusClientLeft is the status of a client that left, or was cut off by the end of the
// server: nobody reads it but the log (nginx's number).
const statusClientLeft = 499

// refuse is a bad value in a field of the request.
func refuse(field, message, hint string) *failure {
	return &failure{status: http.StatusBadRequest, Message: message, Hint: hint, Field: field}
}

// failureOf maps what the packages report to answers; what nobody foresaw is a 500.
func (s *Server) failureOf(err error) *failure {
	var f *failure
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &large):
		return &failure{status: http.StatusRequestEntityTooLarge, Message: "the request is larger than " + strconv.FormatInt(large.Limit, 10) + " bytes"}
	case errors.Is(err, errBusy):
		wait := s.queue.retryAfter()
		return &failure{
			status: http.StatusServiceUnavailable, retryAfter: wait, Message: "the server is busy: all places are taken",
			Hint: "try again in " + strconv.Itoa(wait) + " s; --parallel and --queue set the number of places",
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &failure{status: statusClientLeft, Message: "cut off"}
	case errors.Is(err, biggan.ErrRequest), errors.Is(err, labels.ErrUnknown), errors.Is(err, labels.ErrWeight):
		return &failure{status: http.StatusBadRequest, Message: err.Error()}
	case errors.Is(err, backend.ErrUnavailable):
		return &failure{status: http.StatusServiceUnavailable, Message: err.Error()}
	}
	return &failure{status: http.StatusInternalServerError, Message: "the server failed", Hint: "its log says why"}
}

// write answers with the failure as JSON.
func (f *failure) write(w http.ResponseWriter) {
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="biggan"`)
	}
	writeJSON(w, f.status, struct {
		Error *failure `json:"error"`
	}{f})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text := marshal(v)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that left is seen by its context
}

// marshal encodes a document of ours.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return b.Bytes()
}
