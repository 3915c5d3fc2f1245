package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"tokensmith/model"
)

// readBody reads the body within the method's limit. Large bodies are taken one at a time, so that memory stays
// bounded; done lets the next one in.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, m *method) (body []byte, done func(), err error) {
	limit := int64(smallBody)
	if m.large {
		limit = s.cfg.LargeBody
	} else if m.device {
		limit = deviceBody
	}
	tooLarge := model.Errorf(model.TooLarge, "the request is larger than %d bytes", limit)
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, nil, tooLarge
	}
	done = func() {}
	if r.ContentLength < 0 && m.large || r.ContentLength > smallBody {
		wait, cancel := context.WithTimeout(r.Context(), largeWait)
		defer cancel()
		select {
		case s.large <- struct{}{}:
			done = func() { <-s.large }
		case <-wait.Done():
			return nil, nil, &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: errors.New("other files are being taken")}
		}
	}
	conn := http.NewResponseController(w)
	body, err = readAll(http.MaxBytesReader(w, &moving{r.Body, conn}, limit), r.ContentLength)
	// A deadline that stood would end the call as if its caller had hung up.
	conn.SetReadDeadline(time.Time{})
	if err != nil {
		done()
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return nil, nil, tooLarge
		}
		return nil, nil, &model.Error{Kind: model.Unreadable, Msg: "the request ended before its body did", Err: err}
	}
	return body, done, nil
}

// moving is a body that must not stand still: whoever sends nothing for a while does not keep others waiting.
type moving struct {
	io.ReadCloser
	conn *http.ResponseController
}

func (m *moving) Read(p []byte) (int, error) {
	// A writer that has no deadlines, as in a test, has none here.
	if err := m.conn.SetReadDeadline(time.Now().Add(bodyPause)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return m.ReadCloser.Read(p)
}

// readAll reads a body into memory of its announced size, when it announced one.
func readAll(r io.Reader, size int64) ([]byte, error) {
	if size < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return body, err
}
