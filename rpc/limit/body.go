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

// A body has bodyGrace, and one second more for each bodyRate bytes that have come; behind each bodyPart that begins anew,
// so that what came fast is no credit for standing still.
const (
	BodyGrace = 10 * time.Second
	bodyRate  = 64 << 10
	bodyPart  = 1 << 20

	SmallAnswer = 64 << 10 // bytes for which AnswerTime is enough

	atOnce = 4 << 10 // of a body's announced size are made room for before they have come

	// Bytes of bodies in memory, but for what atOnce takes of each: so that no number of callers takes more, nor strangers what
	// is for known ones.
	MaxKnownBodies   = 128 << 20
	MaxUnknownBodies = 48 << 20

	// What nobody wants of a body is read for so long and so far, so that its sender reads the answer before the connection
	// ends.
	unwantedTime  = 5 * time.Second
	unwantedBytes = 64 << 20
)

// BodyTime is how long a body of a size may take at most.
func BodyTime(size int64) time.Duration {
	return time.Duration(size/bodyPart+1) * (BodyGrace + TimeFor(bodyPart))
}

// TimeFor is how long so many bytes take at the least rate.
func TimeFor(size int64) time.Duration { return time.Duration(size) * time.Second / bodyRate }

// BodyReader is the body of a request on its way: it must not stand still, whoever sends it and whether anybody reads it.
type BodyReader struct {
	io.ReadCloser
	conn  *http.ResponseController
	until time.Time // the deadline that is set
	began time.Time // of the part that is under way
	got   int64     // of it
	ended error     // how it ended: io.EOF when all of it has come
}

// NewBodyReader watches over a body of a request that began then. whole is the time that all of it has, or 0 where each part has its own; the
// server of a counted connection has set the first deadline.
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

// wait sets the deadline. A writer that has none, as in a test, has none here.
func (a *BodyReader) wait(until time.Time) error {
	a.until = until
	if err := a.conn.SetReadDeadline(until); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// Read reads, and moves the deadline on with what comes.
func (a *BodyReader) Read(p []byte) (int, error) {
	if a.began.IsZero() || a.got >= bodyPart {
		a.began, a.got = time.Now(), 0
	}
	// Not for each piece: who asks for little has its deadline already.
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

// Drain drains what is left of a body after the answer. Over HTTP/1, where its rest stands before the next request,
// net/http reads a little of it before the answer leaves, and closes the connection if that is not all. To close while more comes
// would take the answer away from who still sends: more is read, for a while.
func (a *BodyReader) Drain(r *http.Request) {
	if a.ended != nil || r.ProtoMajor != 1 {
		return // what came too slowly is not waited for again: its deadline stands
	}
	if a.conn.SetReadDeadline(time.Now().Add(unwantedTime)) != nil || a.conn.Flush() != nil {
		return
	}
	io.CopyN(io.Discard, a.ReadCloser, unwantedBytes)
}

// Bodies counts bytes of bodies in memory.
type Bodies struct {
	most int64
	now  atomic.Int64
}

// ErrCrowded says that bodies in memory leave no room for another.
var ErrCrowded = errors.New("too many bodies are in memory")

// NewBodies returns a count of at most so many bytes.
func NewBodies(most int64) *Bodies { return &Bodies{most: most} }

// Take takes room for more bytes until release.
func (b *Bodies) Take(more int64) (release func(), err error) {
	if b.now.Add(more) > b.most {
		b.now.Add(-more)
		return nil, model.UnavailableError(ErrCrowded)
	}
	return func() { b.now.Add(-more) }, nil
}

// Unfinished is the refusal of a body that has no end.
func Unfinished(err error) error {
	msg := "the request ended before its body did"
	if errors.Is(err, os.ErrDeadlineExceeded) {
		msg = "the request's body came too slowly"
	}
	return &model.Error{Kind: model.Unreadable, Msg: msg, Err: err}
}

// ErrMore says that a body is longer than may be read of it into memory.
var ErrMore = errors.New("there is more")

// ReadAll reads a body of an announced size, -1 for none, into memory, which grows with what comes. Of one that is longer than
// most it gives the beginning, a byte more than most, and errMore. Before it takes more memory than atOnce it asks hold.
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
