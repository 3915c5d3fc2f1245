package seedfile

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	bufferBytes = 64 << 10
	detectBytes = 32 << 10
)

// errTooLong says that one item is larger than its limit.
var errTooLong = errors.New("item too long")

// source is a buffer before a file, the only one. It refuses files that are not text, removes byte order marks, converts UTF-16
// if the mark says so, and treats a carriage return alone as a line end. It limits how much a parser may read for one item; the
// parser must call renew before each item.
type source struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error
	left     int
}

func newSource(r io.Reader) (*source, error) {
	s := &source{r: r, buf: make([]byte, bufferBytes)}
	if reason := noText(s.peek(16)); reason != "" {
		return nil, unreadable(0, "%s", reason)
	}
	for bytes.HasPrefix(s.peek(3), []byte("\ufeff")) { // there may be several, because programs add one before that of another program
		s.pos += 3
	}
	switch head := s.peek(3); {
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}), bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		raw := &source{r: s.r, buf: s.buf, pos: s.pos, end: s.end, err: s.err, left: -1}
		utf8 := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()
		*s = source{r: transform.NewReader(&evenReader{r: raw}, utf8), buf: make([]byte, bufferBytes)}
	}
	if head := s.peek(detectBytes); bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0 {
		raw := &source{r: s.r, buf: s.buf, pos: s.pos, end: s.end, err: s.err, left: -1}
		*s = source{r: returns{raw}, buf: make([]byte, bufferBytes)}
	}
	if s.err != nil && s.err != io.EOF {
		return nil, readFault(0, s.err)
	}
	return s, nil
}

// fill reads more data. It moves unread data to the front of the buffer.
func (s *source) fill() {
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	for tries := 0; s.err == nil && tries < 100; tries++ {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 {
			return
		}
	}
	if s.err == nil {
		s.err = io.ErrNoProgress
	}
}

// peek returns up to n of the next bytes without consuming them.
func (s *source) peek(n int) []byte {
	for s.end-s.pos < n && s.err == nil {
		s.fill()
	}
	return s.buf[s.pos:min(s.end, s.pos+n)]
}

// renew allows the next item to have up to n bytes.
func (s *source) renew(n int) { s.left = n }

// ReadByte returns the next byte.
func (s *source) ReadByte() (byte, error) {
	if s.left == 0 {
		return 0, errTooLong
	}
	for s.pos == s.end {
		if s.err != nil {
			return 0, s.err
		}
		s.fill()
	}
	c := s.buf[s.pos]
	s.pos++
	s.left--
	return c, nil
}

// Read reads at least one byte, and no more than the limit of the item.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.left == 0 {
		return 0, errTooLong
	}
	for s.pos == s.end {
		if s.err != nil {
			return 0, s.err
		}
		s.fill()
	}
	if s.left > 0 && len(p) > s.left {
		p = p[:s.left]
	}
	n := copy(p, s.buf[s.pos:s.end])
	s.pos += n
	s.left -= n
	return n, nil
}

// line returns the next line without its end, or io.EOF. The bytes are valid until the next call.
func (s *source) line() ([]byte, error) {
	for from := 0; ; {
		if i := bytes.IndexByte(s.buf[s.pos+from:s.end], '\n'); i >= 0 {
			text := s.buf[s.pos : s.pos+from+i]
			s.pos += from + i + 1
			return bytes.TrimSuffix(text, []byte{'\r'}), nil
		}
		from = s.end - s.pos
		switch {
		case s.err == io.EOF && from > 0:
			text := s.buf[s.pos:s.end]
			s.pos = s.end
			return bytes.TrimSuffix(text, []byte{'\r'}), nil
		case s.err != nil:
			return nil, s.err
		case from == len(s.buf):
			return nil, errTooLong
		}
		s.fill()
	}
}

// returns is a reader for files in which a carriage return alone ends a line.
type returns struct{ r io.Reader }

func (r returns) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	for i, c := range p[:n] {
		if c == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}
