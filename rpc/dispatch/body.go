package dispatch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/limit"
)

// Timeouts for the http.Server that serves a Server's connections. With them, short requests and replies need no deadlines of
// their own.
const (
	HeadTime   = 10 * time.Second // ReadHeaderTimeout
	ReadTime   = HeadTime + limit.BodyGrace
	AnswerTime = time.Minute // WriteTimeout
)

// watchBody returns a reader that enforces deadlines on a request's body; nil if there is no body. The server of a counted
// connection has already set the first deadline. Over HTTP/2, a deadline that has passed cannot be moved. Therefore the deadline
// of the whole call applies there until the body is read. An unread body costs nothing there.
func (s *Server) watchBody(w http.ResponseWriter, r *http.Request, c *Call) *limit.BodyReader {
	if c.http2 = r.ProtoMajor != 1; c.http2 {
		answerWithin(w, s.longest())
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	var whole time.Duration
	if c.http2 {
		whole = s.longest()
	}
	return limit.NewBodyReader(w, r.Body, c.began, whole, c.Conn != nil)
}

// longest returns how long a call may take from its header to its reply, including its body and its wait for other large calls.
func (s *Server) longest() time.Duration {
	return limit.BodyTime(s.Config.LargeBody) + 2*s.Config.LargeWait + AnswerTime
}

// answering sets a new deadline for sending a reply, if the server's own would end soon or is too short.
func (c *Call) answering(w http.ResponseWriter, size int64) {
	if c.http2 || size > limit.SmallAnswer || time.Since(c.began) > AnswerTime/2 {
		answerWithin(w, limit.BodyGrace+limit.TimeFor(size))
	}
}

// ReadBody reads the body of a call, up to the limit of its method. A large body is first written to a file. When it is complete,
// the call waits until no other large call runs, and only then reads the body into memory.
func (s *Server) ReadBody(w http.ResponseWriter, r *http.Request, c *Call) ([]byte, error) {
	most := int64(SmallBody)
	if c.Method.Large {
		most = s.Config.LargeBody
	} else if c.Method.Device {
		most = DeviceBody
	}
	refuse := func(err error) ([]byte, error) {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // so that net/http replies at once instead of reading the rest of the body first
		}
		return nil, err
	}
	tooLarge := func() error { return model.Errorf(model.TooLarge, "the request is larger than %d bytes", most) }
	if r.ContentLength > most {
		return refuse(tooLarge())
	}
	room := s.bodies
	if c.Method.Device {
		room = s.unknownBodies
	}
	body, err := limit.ReadAll(r.Body, r.ContentLength, min(most, SmallBody), func(more int64) error { return c.hold(room, more) })
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, limit.ErrCrowded):
		return refuse(err)
	case !errors.Is(err, limit.ErrMore):
		return refuse(limit.Unfinished(err))
	case most <= SmallBody:
		return refuse(tooLarge())
	}
	file, err := s.spool.New(c.Agent.ID)
	if err != nil {
		return refuse(err)
	}
	defer file.Close()
	if _, err = file.Write(body); err == nil {
		_, err = io.CopyN(file, r.Body, most-int64(len(body))+1)
	}
	body = nil
	switch {
	case err == nil:
		return refuse(tooLarge())
	case errors.Is(err, conn.ErrSpool):
		return refuse(err)
	case err != io.EOF:
		return refuse(limit.Unfinished(err))
	}
	if err := c.AcquireLarge(r.Context()); err != nil {
		return nil, err
	}
	return file.All()
}

// hold reserves memory for a body until the call ends.
func (c *Call) hold(in *limit.Bodies, more int64) error {
	release, err := in.Take(more)
	if err == nil {
		c.AtEnd = append(c.AtEnd, release)
	}
	return err
}

// AcquireLarge waits until no other large call runs, and then keeps others waiting until this call ends. The calls of a batch use
// the batch's turn; only one of them may be large.
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
			go debug.FreeOSMemory() // return its memory to the system, because the next large call may be far off
		})
		return nil
	case <-wait.Done():
		return model.UnavailableError(errors.New("other large calls are running"))
	}
}

// RunAtEnd runs the functions that the call left for its end.
func (c *Call) RunAtEnd() {
	for _, f := range c.AtEnd {
		f()
	}
	c.AtEnd = nil
}
