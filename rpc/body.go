package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"tokensmith/model"
)

// readBody reads a call's body within its method's limit. Large bodies are taken one at a time, so that memory stays
// bounded; the end of the call lets the next one in.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, c *call) ([]byte, error) {
	limit := int64(smallBody)
	if c.method.large {
		limit = s.cfg.LargeBody
	} else if c.method.device {
		limit = deviceBody
	}
	tooLarge := func() error { return model.Errorf(model.TooLarge, "the request is larger than %d bytes", limit) }
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, tooLarge()
	}
	if r.ContentLength < 0 && c.method.large || r.ContentLength > smallBody {
		if err := c.takeTurn(r.Context()); err != nil {
			return nil, err
		}
	}
	conn := http.NewResponseController(w)
	body, err := readAll(http.MaxBytesReader(w, &moving{r.Body, conn}, limit), r.ContentLength)
	// A deadline that stood would end the call as if its caller had hung up.
	conn.SetReadDeadline(time.Time{})
	if err != nil {
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return nil, tooLarge()
		}
		return nil, &model.Error{Kind: model.Unreadable, Msg: "the request ended before its body did", Err: err}
	}
	return body, nil
}

// takeTurn waits for the place of what needs much memory, which one call has at a time, until its end. The calls of a
// batch share their batch's, and only one of them may need it.
func (c *call) takeTurn(ctx context.Context) error {
	if c.outer != nil {
		if c.outer.large {
			return model.Errorf(model.TooLarge, "only one call of a batch may be as large as this")
		}
		c.outer.large = true
		c = c.outer
	}
	if c.turn {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, c.s.cfg.LargeWait)
	defer cancel()
	select {
	case c.s.large <- struct{}{}:
		c.turn = true
		c.atEnd = append(c.atEnd, func() {
			<-c.s.large
			go debug.FreeOSMemory() // what it took is not needed until the next one
		})
		return nil
	case <-wait.Done():
		return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: errors.New("other large calls are under way")}
	}
}

// ended runs what a call left for its end.
func (c *call) ended() {
	for _, f := range c.atEnd {
		f()
	}
	c.atEnd = nil
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
