package rpc

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
)

const (
	replyMemory = 1 << 20         // bytes of a reply that are kept in memory until it is read
	freeEvery   = 2 * time.Second // that what large calls took is given back at most
)

// reply is a result while it is made, and until it is read: nothing of it leaves before its transaction has ended, so that no
// envelope is cut short by an error, and no slow reader keeps a snapshot. What is longer than replyMemory goes to a file.
type reply struct {
	call *call
	mem  []byte
	file *spooled
}

func (c *call) reply() *reply {
	for c.outer != nil {
		c = c.outer // whose end closes the file
	}
	return &reply{call: c}
}

// add appends text; a failure is told by write or end.
func (r *reply) add(text ...string) {
	for _, t := range text {
		r.mem = append(r.mem, t...)
	}
}

func (r *reply) write(b []byte) error {
	r.mem = append(r.mem, b...)
	if len(r.mem) > replyMemory || r.file != nil && len(r.mem) > spoolBuf {
		return r.flush()
	}
	return nil
}

func (r *reply) flush() error {
	if r.file == nil {
		file, err := r.call.s.spool.new(r.call.agent.ID)
		if err != nil {
			return err
		}
		r.file = file
		r.call.atEnd = append(r.call.atEnd, func() {
			file.Close()
			r.call.s.freeSoon()
		})
		defer func() { r.mem = make([]byte, 0, spoolBuf+spoolBuf/4) }()
	}
	_, err := r.file.Write(r.mem)
	r.mem = r.mem[:0]
	return err
}

// size is how long it is by now.
func (r *reply) size() int64 {
	n := int64(len(r.mem))
	if r.file != nil {
		n += r.file.size
	}
	return n
}

// end gives the result: a jsontext.Value or, where it is in a file, a *bulky.
func (r *reply) end() (any, error) {
	if r.file == nil {
		return jsontext.Value(r.mem), nil
	}
	if err := r.flush(); err != nil {
		return nil, err
	}
	return &bulky{r.file}, nil
}

// bulky is a result in a file, which is there until its call ends.
type bulky struct{ file *spooled }

// MarshalJSON gives the result where it is needed in memory.
func (b *bulky) MarshalJSON() ([]byte, error) { return b.file.All() }

// answer writes a reply's envelope. What is large is put into a file first, so that its memory does not wait for its reader.
func (c *call) answer(w http.ResponseWriter, body []byte) {
	if len(body) > replyMemory {
		out := c.reply()
		if err := out.write(body); err == nil {
			if made, err := out.end(); err == nil {
				body = nil
				c.writeParts(w, "", made.(*bulky).file, "")
				return
			}
		}
		// It is true, and nobody else's: it leaves from memory.
	}
	c.answering(w, int64(len(body)))
	writeEnvelope(w, http.StatusOK, body)
}

// writeParts writes an envelope of which the most is in a file.
func (c *call) writeParts(w http.ResponseWriter, before string, file *spooled, behind string) {
	h, size := w.Header(), int64(len(before)+len(behind))+file.size
	maps.Copy(h, envelopeHeader)
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

// takePlaces waits for the places that a plan needs while it runs; release gives them back.
func (c *call) takePlaces(ctx context.Context, plan *Plan) (release func(), err error) {
	var held []chan struct{}
	release = func() {
		for _, place := range held {
			<-place
			c.heavy = c.heavy && place != c.s.heavy
		}
		if plan.heavy {
			c.s.freeSoon()
		}
	}
	take := func(place chan struct{}) error {
		select {
		case place <- struct{}{}:
			held = append(held, place)
			return nil
		default:
		}
		wait, cancel := context.WithTimeout(ctx, c.s.cfg.LargeWait)
		defer cancel()
		select {
		case place <- struct{}{}:
			held = append(held, place)
			return nil
		case <-wait.Done():
			return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: errors.New("other large calls are under way")}
		}
	}
	if plan.heavy && !c.heavy {
		if err = take(c.s.heavy); err == nil {
			c.heavy = true
		}
	}
	if err == nil && plan.long && plan.view != nil {
		err = take(c.s.reading)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// heavier takes a place of those that take memory for a call that turns out to, until its end. It does not wait for one, for it has
// a connection to the database that others wait for.
func (c *call) heavier() error {
	for c.outer != nil {
		c = c.outer
	}
	if c.heavy {
		return nil
	}
	select {
	case c.s.heavy <- struct{}{}:
		c.heavy = true
		c.atEnd = append(c.atEnd, func() {
			<-c.s.heavy
			c.s.freeSoon()
		})
		return nil
	default:
		return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: errors.New("other large calls are under way")}
	}
}

// freeSoon gives memory back to the system that a large call took, a little later and for all at once.
func (s *core) freeSoon() {
	if s.freeing.CompareAndSwap(false, true) {
		time.AfterFunc(freeEvery, func() {
			s.freeing.Store(false)
			debug.FreeOSMemory()
		})
	}
}

// answerPage answers what is no method's with an envelope.
func (c *call) answerPage(w http.ResponseWriter, result any) {
	body, err := success(result)
	if err != nil {
		c.fail(w, err, true)
		return
	}
	c.answer(w, body)
}
