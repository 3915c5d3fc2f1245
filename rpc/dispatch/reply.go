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
	replyMemory = 1 << 20         // bytes of a reply that are kept in memory until it is read
	freeEvery   = 2 * time.Second // that what large calls took is given back at most
)

// Reply is a result while it is made, and until it is read: nothing of it leaves before its transaction has ended, so that no
// envelope is cut short by an error, and no slow reader keeps a snapshot. What is longer than replyMemory goes to a file.
type Reply struct {
	call *Call
	mem  []byte
	file *conn.SpoolFile
}

// Reply begins the call's result.
func (c *Call) Reply() *Reply {
	for c.Outer != nil {
		c = c.Outer // whose end closes the file
	}
	return &Reply{call: c}
}

// Add appends text; Write or End returns the failure.
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

// Size is how long it is by now.
func (r *Reply) Size() int64 {
	n := int64(len(r.mem))
	if r.file != nil {
		n += r.file.Size
	}
	return n
}

// End returns the result: a jsontext.Value or, where it is in a file, a *FileResult.
func (r *Reply) End() (any, error) {
	if r.file == nil {
		return jsontext.Value(r.mem), nil
	}
	if err := r.flush(); err != nil {
		return nil, err
	}
	return &FileResult{r.file}, nil
}

// FileResult is a result that lies in a spool file; the file lasts until the call ends.
type FileResult struct{ File *conn.SpoolFile }

// MarshalJSON returns the result where it is needed in memory.
func (b *FileResult) MarshalJSON() ([]byte, error) { return b.File.All() }

// answer writes a reply's envelope. What is large is put into a file first, so that its memory does not wait for its reader.
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
		// It is true, and nobody else's: it leaves from memory.
	}
	c.answering(w, int64(len(body)))
	wire.WriteEnvelope(w, http.StatusOK, body)
}

// writeParts writes an envelope of which the most is in a file.
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
		return // it is shorter than it said, and so no answer
	}
	io.WriteString(w, behind)
}

// Acquire waits for the places that a plan needs while it runs; release gives them back.
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
			return model.UnavailableError(errors.New("other large calls are under way"))
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

// AcquireHeavy takes a place of those that take memory for a call that turns out to, until its end. It does not wait for one, for it has
// a connection to the database that others wait for.
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
		return model.UnavailableError(errors.New("other large calls are under way"))
	}
}

// freeSoon gives memory back to the system that a large call took, a little later and for all at once.
func (s *Server) freeSoon() {
	if s.freeing.CompareAndSwap(false, true) {
		time.AfterFunc(freeEvery, func() {
			s.freeing.Store(false)
			debug.FreeOSMemory()
		})
	}
}

// AnswerPage answers what is no method's with an envelope.
func (c *Call) AnswerPage(w http.ResponseWriter, result any) {
	body, err := wire.Success(result)
	if err != nil {
		c.Fail(w, err, true)
		return
	}
	c.answer(w, body)
}

// NotAllowed refuses a request for its HTTP method; allowed names those that it could have.
func (c *Call) NotAllowed(w http.ResponseWriter, allowed, why string) {
	w.Header().Set("Allow", allowed)
	c.Code = wire.Codes[model.NoMethod].Number
	wire.WriteEnvelope(w, http.StatusMethodNotAllowed, wire.Failure(model.Errorf(model.NoMethod, "%s", why)))
}
