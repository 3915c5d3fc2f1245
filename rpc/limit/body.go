package limit

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"tokensmith/model"
)

// A body may take BodyGrace, plus one second for each bodyRate bytes that have arrived. After each bodyPart bytes this starts
// again, so that a client that was fast at first cannot pause for long later.
const (
	BodyGrace = 10 * time.Second
	bodyRate  = 64 << 10
	bodyPart  = 1 << 20

	SmallAnswer = 64 << 10 // size in bytes up to which the server's WriteTimeout is enough

	atOnce = 4 << 10 // memory that is allocated for a body before any of it has arrived

	// Limits for the memory of all bodies together, beyond the first atOnce bytes of each. So the number of callers does not
	// matter, and unknown callers cannot use the memory for known ones.
	MaxKnownBodies   = 128 << 20
	MaxUnknownBodies = 48 << 20

	// An unwanted rest of a body is read for this long, and up to this size, so that its sender can read the reply before the
	// connection is closed.
	unwantedTime  = 5 * time.Second
	unwantedBytes = 64 << 20
)

// BodyTime returns how long a body of that size may take.
func BodyTime(size int64) time.Duration {
	return time.Duration(size/bodyPart+1) * (BodyGrace + TimeFor(bodyPart))
}

// TimeFor returns how long that many bytes take at the lowest allowed rate.
func TimeFor(size int64) time.Duration { return time.Duration(size) * time.Second / bodyRate }

// BodyReader reads the body of a request and enforces that it keeps arriving.
type BodyReader struct {
	io.ReadCloser
	conn  *http.ResponseController
	until time.Time // the current deadline
	began time.Time // when the current part began
	got   int64     // bytes of the current part
	ended error     // how it ended; io.EOF if it is complete
}

// NewBodyReader returns a reader for the body of a request that began at began. whole is the time for the whole body; 0 if each
// part has its own deadline. counted says that the connection's server has already set the first deadline.
func NewBodyReader(w http.ResponseWriter, body io.ReadCloser, began time.Time, whole time.Duration, counted bool) *BodyReader {
	a := &BodyReader{ReadCloser: body, conn: http.NewResponseController(w), until: began.Add(BodyGrace)}
	if whole > 0 {
		a.wait(began.Add(whole))
		a.until = time.Time{}
	} else if !counted {
		a.wait(a.until)
	}
	return a
}

// wait sets the deadline. A writer without deadlines, as in a test, has none.
func (a *BodyReader) wait(until time.Time) error {
	a.until = until
	if err := a.conn.SetReadDeadline(until); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// Read reads, and moves the deadline as data arrives.
func (a *BodyReader) Read(p []byte) (int, error) {
	if a.began.IsZero() || a.got >= bodyPart {
		a.began, a.got = time.Now(), 0
	}
	// Do not set it on each read: after a small read the current deadline is still good.
	if until := a.began.Add(BodyGrace + TimeFor(a.got)); until.Sub(a.until) > time.Second {
		if err := a.wait(until); err != nil {
			return 0, err
		}
	}
	n, err := a.ReadCloser.Read(p)
	a.got += int64(n)
	if err != nil {
		a.ended = err
	}
	return n, err
}

// Drain reads the rest of the body after the reply. It matters for HTTP/1, where the rest comes before the next request. By
// itself, net/http reads a little of it before it sends the reply, and closes the connection if that is not all. If data still
// arrives when the connection is closed, a client that is still sending loses the reply. Therefore Drain reads more, for a while.
func (a *BodyReader) Drain(r *http.Request) {
	if a.ended != nil || r.ProtoMajor != 1 {
		return // after an error, such as a missed deadline, do not wait again
	}
	if a.conn.SetReadDeadline(time.Now().Add(unwantedTime)) != nil || a.conn.Flush() != nil {
		return
	}
	io.CopyN(io.Discard, a.ReadCloser, unwantedBytes)
}

// Bodies counts the memory of bodies, in bytes.
type Bodies struct {
	most int64
	now  atomic.Int64
}

// ErrCrowded says that other bodies leave no memory for this one.
var ErrCrowded = errors.New("too many bodies are in memory")

// NewBodies returns Bodies that allow most bytes.
func NewBodies(most int64) *Bodies { return &Bodies{most: most} }

// Take reserves more bytes until release is called.
func (b *Bodies) Take(more int64) (release func(), err error) {
	if b.now.Add(more) > b.most {
		b.now.Add(-more)
		return nil, model.UnavailableError(ErrCrowded)
	}
	return func() { b.now.Add(-more) }, nil
}

// Unfinished returns the error for a body that did not arrive completely.
func Unfinished(err error) error {
	msg := "the request ended before its body did"
	if errors.Is(err, os.ErrDeadlineExceeded) {
		msg = "the request's body came too slowly"
	}
	return &model.Error{Kind: model.Unreadable, Msg: msg, Err: err}
}

// ErrMore says that a body is larger than the limit for memory.
var ErrMore = errors.New("there is more")

// ReadAll reads a body of a known size, or -1, into memory. The memory grows as data arrives. Before it allocates more than
// atOnce bytes, it calls hold. If the body is longer than most, ReadAll returns its beginning, at least one byte more than most,
// and ErrMore.
func ReadAll(r io.Reader, size, most int64, hold func(more int64) error) ([]byte, error) {
	room := int64(atOnce)
	if size >= 0 {
		room = min(room, size)
	}
	if size == 0 {
		return nil, nil
	}
	body := make([]byte, 0, room)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > most:
			return body, ErrMore
		case int64(len(body)) == size, err == io.EOF && size < 0:
			return body, nil
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		if len(body) == cap(body) {
			room = min(2*int64(cap(body)), most+1)
			if size > 0 {
				room = min(room, size)
			}
			if err := hold(room - int64(cap(body))); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, room), body...)
		}
	}
}
