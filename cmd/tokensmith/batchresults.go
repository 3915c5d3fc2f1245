package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// resultsAge is how old results may be when they are resumed. Servers keep the replies of calls for 24 hours. A call that was
// running when the results were last written cannot have begun more than an hour before that.
const resultsAge = 23 * time.Hour

// results are the results of a batch, in order. In a file they also serve as a journal: what is in them is done. Calls that were
// done and are not in them are sent again, and get their stored replies by their idempotency keys. A second file, FILE.batch,
// identifies the batch.
type results struct {
	file    *os.File // nil for the standard output
	about   string
	made    bool // this process created the files
	w       *bufio.Writer
	last    int // number of the last line of the batch that is done
	done    int
	refused int
}

// batchAbout is the content of FILE.batch.
type batchAbout struct {
	SHA256 string `json:"sha256"`
	Lines  int    `json:"lines"`
	Target string `json:"target"` // hash of the server or database, and of the caller; idempotency keys are valid only there
}

type resultLine struct {
	Line  int             `json:"line"`
	ID    json.RawMessage `json:"id,omitempty"`
	Reply json.RawMessage `json:"reply"`
}

// openResults creates the results, or finds the end of existing ones.
func (e *env) openResults(f *batchFlags, sum string, lines int) (*results, error) {
	if f.out == "" {
		return &results{w: bufio.NewWriter(e.stdout)}, nil
	}
	r := &results{about: f.out + ".batch"}
	about := batchAbout{sum, lines, f.target()}
	before, err := os.ReadFile(r.about)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if f.resume {
		var was batchAbout
		switch known := json.Unmarshal(before, &was) == nil; {
		case known && was != about:
			return nil, fmt.Errorf("%s holds the results of another file, or of another server, agent or database", f.out)
		case known:
			return r, r.resume(f.out)
		}
		// An earlier process was killed before it wrote FILE.batch, so it made no call.
		if info, err := os.Stat(f.out); err == nil && info.Size() == 0 {
			if err := os.Remove(f.out); err != nil {
				return nil, err
			}
		}
	}
	// Neither file may exist. FILE.batch is on the disk before the first result.
	if r.file, err = os.OpenFile(f.out, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s exists already: --resume continues it, if it holds the results of the same file", f.out)
		}
		return nil, err
	}
	r.w, r.made = bufio.NewWriter(r.file), true
	text, err := json.Marshal(about)
	if err == nil {
		err = writePrivate(r.about, append(text, '\n'), r.about)
	}
	if err != nil {
		return nil, errors.Join(err, r.file.Close(), os.Remove(f.out))
	}
	return r, nil
}

// resume reads the existing results, and removes an incomplete last one.
func (r *results) resume(out string) (err error) {
	if r.file, err = os.OpenFile(out, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	info, err := r.file.Stat()
	if err != nil {
		return errors.Join(err, r.file.Close())
	}
	if age := time.Since(info.ModTime()); age > resultsAge {
		return errors.Join(fmt.Errorf("%s was last written to %s ago, and servers remember calls for only a day: it cannot "+
			"be continued; its last line shows what was done",
			out, age.Round(time.Minute)), r.file.Close())
	}
	var whole int64
	in := bufio.NewReaderSize(r.file, 1<<20)
	for {
		text, err := in.ReadBytes('\n')
		if err == io.EOF {
			break // an incomplete last line
		}
		if err != nil {
			return errors.Join(err, r.file.Close())
		}
		var l resultLine
		if json.Unmarshal(text, &l) != nil || l.Line <= r.last {
			return errors.Join(fmt.Errorf("%s: result %d cannot be read", out, r.done+1), r.file.Close())
		}
		if err := r.count(&l); err != nil {
			return errors.Join(fmt.Errorf("%s: result %d: %w", out, r.done+1, err), r.file.Close())
		}
		whole += int64(len(text))
	}
	if whole < info.Size() {
		// Keep the modification time, because removing a part does not make the results newer.
		if err := errors.Join(r.file.Truncate(whole), os.Chtimes(out, info.ModTime(), info.ModTime())); err != nil {
			return errors.Join(err, r.file.Close())
		}
	}
	if _, err := r.file.Seek(whole, io.SeekStart); err != nil {
		return errors.Join(err, r.file.Close())
	}
	r.w = bufio.NewWriter(r.file)
	return nil
}

func (r *results) count(l *resultLine) error {
	code, err := codeOf(l.Reply)
	if err != nil {
		return err
	}
	r.last = l.Line
	r.done++
	if code != 0 {
		r.refused++
	}
	return nil
}

// write writes one complete result to the file. If the process is killed, at most the last result is incomplete.
func (r *results) write(j *batchJob) error {
	l := resultLine{Line: j.number, ID: j.ID, Reply: j.reply}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return err
	}
	if _, err := r.w.Write(b.Bytes()); err != nil {
		return err
	}
	if err := r.w.Flush(); err != nil {
		return err
	}
	return r.count(&l)
}

// unmake closes the results of a batch that has not begun, and removes the files if this process created them.
func (r *results) unmake() error {
	err := r.close()
	if r.made {
		err = errors.Join(err, os.Remove(r.file.Name()), os.Remove(r.about))
	}
	return err
}

func (r *results) close() error {
	err := r.w.Flush()
	if r.file == nil {
		return err
	}
	return errors.Join(err, r.file.Sync(), r.file.Close())
}
