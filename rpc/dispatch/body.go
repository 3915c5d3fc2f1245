package dispatch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/conn"
)

// What an http.Server is to have that serves a Server's connections, so that what is short needs no deadlines of its own.
const (
	HeadTime   = 10 * time.Second // ReadHeaderTimeout
	ReadTime   = HeadTime + bodyGrace
	AnswerTime = time.Minute // WriteTimeout
)

// A body has bodyGrace, and one second more for each bodyRate bytes that have come; behind each bodyPart that begins anew,
// so that what came fast is no credit for standing still.
const (
	bodyGrace = 10 * time.Second
	bodyRate  = 64 << 10
	bodyPart  = 1 << 20

	smallAnswer = 64 << 10 // bytes for which AnswerTime is enough

	atOnce = 4 << 10 // of a body's announced size are made room for before they have come

	// Bytes of bodies in memory, but for what atOnce takes of each: so that no number of callers takes more, nor strangers what
	// is for known ones.
	maxKnownBodies   = 128 << 20
	maxUnknownBodies = 48 << 20

	// What nobody wants of a body is read for so long and so far, so that its sender reads the answer before the connection
	// ends.
	unwantedTime  = 5 * time.Second
	unwantedBytes = 64 << 20
)

// bodyTime is how long a body of a size may take at most.
func bodyTime(size int64) time.Duration {
	return time.Duration(size/bodyPart+1) * (bodyGrace + rated(bodyPart))
}

// rated is how long so many bytes take at the least rate.
func rated(size int64) time.Duration { return time.Duration(size) * time.Second / bodyRate }

// bodyReader is the body of a request on its way: it must not stand still, whoever sends it and whether anybody reads it.
type bodyReader struct {
	io.ReadCloser
	conn  *http.ResponseController
	until time.Time // the deadline that is set
	began time.Time // of the part that is under way
	got   int64     // of it
	over  error     // how it ended: io.EOF when all of it has come
}

// watchBody watches over a request's body; nil when it has none. A counted connection's server has set the first deadline.
// Over HTTP/2 one that has passed cannot be moved, so there the whole call's stands until the body is read; and what is not read
// costs nothing.
func (s *Server) watchBody(w http.ResponseWriter, r *http.Request, c *Call) *bodyReader {
	if c.http2 = r.ProtoMajor != 1; c.http2 {
		answerWithin(w, s.longest())
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	a := &bodyReader{ReadCloser: r.Body, conn: http.NewResponseController(w), until: c.began.Add(bodyGrace)}
	if c.http2 {
		a.wait(c.began.Add(s.longest()))
		a.until = time.Time{}
	} else if c.Conn == nil {
		a.wait(a.until)
	}
	return a
}

// longest is how long a call may take, from its head to its answer: its body, its turn, its rows.
func (s *Server) longest() time.Duration {
	return bodyTime(s.Config.LargeBody) + 2*s.Config.LargeWait + AnswerTime
}

// answering gives the reader of an answer its time, where that of the server is over soon, or too short.
func (c *Call) answering(w http.ResponseWriter, size int64) {
	if c.http2 || size > smallAnswer || time.Since(c.began) > AnswerTime/2 {
		answerWithin(w, bodyGrace+rated(size))
	}
}

// wait sets the deadline. A writer that has none, as in a test, has none here.
func (a *bodyReader) wait(until time.Time) error {
	a.until = until
	if err := a.conn.SetReadDeadline(until); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (a *bodyReader) Read(p []byte) (int, error) {
	if a.began.IsZero() || a.got >= bodyPart {
		a.began, a.got = time.Now(), 0
	}
	// Not for each piece: who asks for little has its deadline already.
	if until := a.began.Add(bodyGrace + rated(a.got)); until.Sub(a.until) > time.Second {
		if err := a.wait(until); err != nil {
			return 0, err
		}
	}
	n, err := a.ReadCloser.Read(p)
	a.got += int64(n)
	if err != nil {
		a.over = err
	}
	return n, err
}

// drain lets go of a body when its request has been answered. Over HTTP/1, where its rest stands before the next request,
// net/http reads a little of it before the answer leaves, and closes the connection if that is not all. To close while more comes
// would take the answer away from who still sends: more is read, for a while.
func (a *bodyReader) drain(r *http.Request) {
	if a.over != nil || r.ProtoMajor != 1 {
		return // what came too slowly is not waited for again: its deadline stands
	}
	if a.conn.SetReadDeadline(time.Now().Add(unwantedTime)) != nil || a.conn.Flush() != nil {
		return
	}
	io.CopyN(io.Discard, a.ReadCloser, unwantedBytes)
}

// ReadBody reads a call's body within its method's limit. What is large lies in a file until all of it is there; then the
// call waits for the place of what needs much memory.
func (s *Server) ReadBody(w http.ResponseWriter, r *http.Request, c *Call) ([]byte, error) {
	limit := int64(SmallBody)
	if c.Method.Large {
		limit = s.Config.LargeBody
	} else if c.Method.Device {
		limit = DeviceBody
	}
	refuse := func(err error) ([]byte, error) {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // the answer leaves at once, and not behind a rest that is read
		}
		return nil, err
	}
	tooLarge := func() error { return model.Errorf(model.TooLarge, "the request is larger than %d bytes", limit) }
	if r.ContentLength > limit {
		return refuse(tooLarge())
	}
	room := &s.bodies
	if c.Method.Device {
		room = &s.unknownBodies
	}
	body, err := readAll(r.Body, r.ContentLength, min(limit, SmallBody), func(more int64) error { return c.hold(room, more) })
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, errCrowded):
		return refuse(err)
	case !errors.Is(err, errMore):
		return refuse(UnfinishedBody(err))
	case limit <= SmallBody:
		return refuse(tooLarge())
	}
	file, err := s.spool.New(c.Agent.ID)
	if err != nil {
		return refuse(err)
	}
	defer file.Close()
	if _, err = file.Write(body); err == nil {
		_, err = io.CopyN(file, r.Body, limit-int64(len(body))+1)
	}
	body = nil
	switch {
	case err == nil:
		return refuse(tooLarge())
	case errors.Is(err, conn.ErrSpool):
		return refuse(err)
	case err != io.EOF:
		return refuse(UnfinishedBody(err))
	}
	if err := c.AcquireLarge(r.Context()); err != nil {
		return nil, err
	}
	return file.All()
}

// bodies counts bytes of bodies in memory.
type bodies struct {
	most int64
	now  atomic.Int64
}

var errCrowded = errors.New("too many bodies are in memory")

// hold takes room for a body until the call's end.
func (c *Call) hold(in *bodies, more int64) error {
	if in.now.Add(more) > in.most {
		in.now.Add(-more)
		return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: errCrowded}
	}
	c.AtEnd = append(c.AtEnd, func() { in.now.Add(-more) })
	return nil
}

// UnfinishedBody is the refusal of a body that has no end.
func UnfinishedBody(err error) error {
	msg := "the request ended before its body did"
	if errors.Is(err, os.ErrDeadlineExceeded) {
		msg = "the request's body came too slowly"
	}
	return &model.Error{Kind: model.Unreadable, Msg: msg, Err: err}
}

// AcquireLarge waits for the place of what needs much memory, which one call has at a time, until its end. The calls of a
// batch share their batch's, and only one of them may need it.
func (c *Call) AcquireLarge(ctx context.Context) error {
	if c.Outer != nil {
		if c.Outer.large {
			return model.Errorf(model.TooLarge, "only one call of a batch may be as large as this")
		}
		c.Outer.large = true
		c = c.Outer
	}
	if c.HasLarge {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, c.Server.Config.LargeWait)
	defer cancel()
	select {
	case c.Server.large <- struct{}{}:
		c.HasLarge = true
		c.AtEnd = append(c.AtEnd, func() {
			<-c.Server.large
			go debug.FreeOSMemory() // what it took is not needed until the next one
		})
		return nil
	case <-wait.Done():
		return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: errors.New("other large calls are under way")}
	}
}

// Ended runs what a call left for its end.
func (c *Call) Ended() {
	for _, f := range c.AtEnd {
		f()
	}
	c.AtEnd = nil
}

// errMore says that a body is longer than may be read of it into memory.
var errMore = errors.New("there is more")

// readAll reads a body of an announced size, -1 for none, into memory, which grows with what comes. Of one that is longer than
// most it gives the beginning, a byte more than most, and errMore. Before it takes more memory than atOnce it asks hold.
func readAll(r io.Reader, size, most int64, hold func(more int64) error) ([]byte, error) {
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
			return body, errMore
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
