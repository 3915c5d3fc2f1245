package dispatch

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/wire"
)

const (
	replyMemory = 1 << 20         // largest reply, in bytes, that stays in memory until it is sent
	freeEvery   = 2 * time.Second // the memory of large calls is returned to the system at most this often
)

// Reply is a result while it is made and until it is sent. It is sent only after its transaction has ended. So an error cannot
// truncate an envelope, and a slow reader does not hold a snapshot. A Reply larger than replyMemory is stored in a file.
type Reply struct {
	call *Call
	mem  []byte
	file *conn.SpoolFile
}

// Reply returns a new Reply for the call.
func (c *Call) Reply() *Reply {
	for c.Outer != nil {
		c = c.Outer // the batch closes the file at its end
	}
	return &Reply{call: c}
}

// Add appends text. Write or End returns its error.
func (r *Reply) Add(text ...string) {
	for _, t := range text {
		r.mem = append(r.mem, t...)
	}
}

func (r *Reply) Write(b []byte) error {
	r.mem = append(r.mem, b...)
	if len(r.mem) > replyMemory || r.file != nil && len(r.mem) > conn.SpoolBuffer {
		return r.flush()
	}
	return nil
}

func (r *Reply) flush() error {
	if r.file == nil {
		file, err := r.call.Server.spool.New(r.call.Agent.ID)
		if err != nil {
			return err
		}
		r.file = file
		r.call.AtEnd = append(r.call.AtEnd, func() {
			file.Close()
			r.call.Server.freeSoon()
		})
		defer func() { r.mem = make([]byte, 0, conn.SpoolBuffer+conn.SpoolBuffer/4) }()
	}
	_, err := r.file.Write(r.mem)
	r.mem = r.mem[:0]
	return err
}

// Size returns the current length in bytes.
func (r *Reply) Size() int64 {
	n := int64(len(r.mem))
	if r.file != nil {
		n += r.file.Size
	}
	return n
}

// End returns the result: a jsontext.Value or, if it is in a file, a *FileResult.
func (r *Reply) End() (any, error) {
	if r.file == nil {
		return jsontext.Value(r.mem), nil
	}
	if err := r.flush(); err != nil {
		return nil, err
	}
	return &FileResult{r.file}, nil
}

// FileResult is a result in a spool file. The file exists until the call ends.
type FileResult struct{ File *conn.SpoolFile }

// MarshalJSON returns the result, for a caller that needs it in memory.
func (b *FileResult) MarshalJSON() ([]byte, error) { return b.File.All() }

// answer sends an envelope. A large one is moved to a file first, so that it does not occupy memory while a slow client reads it.
func (c *Call) answer(w http.ResponseWriter, body []byte) {
	if len(body) > replyMemory {
		out := c.Reply()
		if err := out.Write(body); err == nil {
			if made, err := out.End(); err == nil {
				body = nil
				c.writeParts(w, "", made.(*FileResult).File, "")
				return
			}
		}
		// No file could be written. Send the reply from memory, because it is correct.
	}
	c.answering(w, int64(len(body)))
	wire.WriteEnvelope(w, http.StatusOK, body)
}

// writeParts sends an envelope whose largest part is in a file.
func (c *Call) writeParts(w http.ResponseWriter, before string, file *conn.SpoolFile, behind string) {
	h, size := w.Header(), int64(len(before)+len(behind))+file.Size
	maps.Copy(h, wire.EnvelopeHeader)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	c.answering(w, size)
	w.WriteHeader(http.StatusOK)
	if _, err := io.WriteString(w, before); err != nil {
		return
	}
	if _, err := file.WriteTo(w); err != nil {
		return // the client sees an incomplete reply, shorter than its Content-Length
	}
	io.WriteString(w, behind)
}

// Acquire waits for the slots that a plan needs while it runs. release frees them.
func (c *Call) Acquire(ctx context.Context, plan *Plan) (release func(), err error) {
	var held []chan struct{}
	release = func() {
		for _, place := range held {
			<-place
			c.heavy = c.heavy && place != c.Server.heavy
		}
		if plan.Heavy {
			c.Server.freeSoon()
		}
	}
	take := func(place chan struct{}) error {
		select {
		case place <- struct{}{}:
			held = append(held, place)
			return nil
		default:
		}
		wait, cancel := context.WithTimeout(ctx, c.Server.Config.LargeWait)
		defer cancel()
		select {
		case place <- struct{}{}:
			held = append(held, place)
			return nil
		case <-wait.Done():
			return model.UnavailableError(errors.New("other large calls are running"))
		}
	}
	if plan.Heavy && !c.heavy {
		if err = take(c.Server.heavy); err == nil {
			c.heavy = true
		}
	}
	if err == nil && plan.Long && plan.View != nil {
		err = take(c.Server.reading)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// AcquireHeavy takes a slot for calls that need much memory, and keeps it until the call ends. It is for a call that finds out
// only while it runs. It does not wait for a slot, because the call holds a database connection that others wait for.
func (c *Call) AcquireHeavy() error {
	for c.Outer != nil {
		c = c.Outer
	}
	if c.heavy {
		return nil
	}
	select {
	case c.Server.heavy <- struct{}{}:
		c.heavy = true
		c.AtEnd = append(c.AtEnd, func() {
			<-c.Server.heavy
			c.Server.freeSoon()
		})
		return nil
	default:
		return model.UnavailableError(errors.New("other large calls are running"))
	}
}

// freeSoon returns the memory of large calls to the system, after a short delay and for all of them together.
func (s *Server) freeSoon() {
	if s.freeing.CompareAndSwap(false, true) {
		time.AfterFunc(freeEvery, func() {
			s.freeing.Store(false)
			debug.FreeOSMemory()
		})
	}
}

// AnswerPage sends the envelope of a result that does not come from a method.
func (c *Call) AnswerPage(w http.ResponseWriter, result any) {
	body, err := wire.Success(result)
	if err != nil {
		c.Fail(w, err, true)
		return
	}
	c.answer(w, body)
}

// NotAllowed refuses a request because of its HTTP method. allowed lists the HTTP methods that are allowed.
func (c *Call) NotAllowed(w http.ResponseWriter, allowed, why string) {
	w.Header().Set("Allow", allowed)
	c.Code = wire.Codes[model.NoMethod].Number
	wire.WriteEnvelope(w, http.StatusMethodNotAllowed, wire.Failure(model.Errorf(model.NoMethod, "%s", why)))
}
