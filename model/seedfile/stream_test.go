package seedfile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/unicode"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// TestEveryFormatIsRecognised reads a vector of each format without naming it: in one piece, byte by byte, with a byte order
// mark, with CRLF, and in UTF-16. The keys are always the same.
func TestEveryFormatIsRecognised(t *testing.T) {
	t.Parallel()
	files := map[seedfile.Format]string{
		seedfile.VendorXML: "vendor-hex.xml", seedfile.PSKC: "rfc6030-figure3.xml", seedfile.OATHCSV: "oath-plain.csv",
		seedfile.YubicoCSV: "yubico.csv", seedfile.EntraCSV: "entra.csv", seedfile.SafeNetXML: "safenet.xml",
		seedfile.SafeNetDAT: "safenet.dat", seedfile.Feitian: "feitian.txt", seedfile.OTPAuth: "otpauth.txt", seedfile.Migration: "migration.txt",
	}
	for _, format := range seedfile.Formats() {
		data, err := os.ReadFile(vectors + "/" + files[format])
		if err != nil {
			t.Fatal(format, err)
		}
		if got := seedfile.Detect(data); got != format {
			t.Errorf("%s is taken for %q", files[format], got)
		}
		want := transcript(read(data, seedfile.Options{Format: format}))
		utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes(data)
		if err != nil {
			t.Fatal(err)
		}
		for how, r := range map[string]io.Reader{
			"one byte at a time": iotest.OneByteReader(bytes.NewReader(data)),
			"data with EOF":      iotest.DataErrReader(bytes.NewReader(data)),
			"byte order mark":    io.MultiReader(strings.NewReader("\ufeff"), bytes.NewReader(data)),
			"crlf":               bytes.NewReader(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))),
			"utf-16":             bytes.NewReader(utf16),
		} {
			var keys []seedfile.Key
			f, err := seedfile.Read(r, seedfile.Options{}, func(_ *seedfile.File, k seedfile.Key) error {
				keys = append(keys, k)
				return nil
			})
			if got := transcript(f, keys, err); got != want {
				t.Errorf("%s, %s: got\n%s\nwant\n%s", format, how, got, want)
			}
		}
	}
}

// TestReadEnds covers the ways in which reading ends before the file does.
func TestReadEnds(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	file := vendorFile(10)
	f, err := seedfile.Read(bytes.NewReader(file), seedfile.Options{}, func(*seedfile.File, seedfile.Key) error { return stop })
	if err != stop || f.Keys != 1 {
		t.Errorf("a callback's error: %d keys, %v", f.Keys, err)
	}
	if f, _, err := read(file, seedfile.Options{MaxRows: 9}); !isKind(err, model.TooLarge) || f.Keys != 9 {
		t.Errorf("more rows than allowed: %d keys, %v", f.Keys, err)
	}
	if f, _, err := read(file, seedfile.Options{MaxRows: 10}); err != nil || f.Keys != 10 {
		t.Errorf("as many rows as allowed: %d keys, %v", f.Keys, err)
	}
	if _, _, err := read(file, seedfile.Options{Format: "tarot"}); !isKind(err, model.Invalid) {
		t.Errorf("an unknown format: %v", err)
	}
	if _, _, err := read(file, seedfile.Options{Encoding: "ROT13"}); !isKind(err, model.Invalid) {
		t.Errorf("an unknown encoding: %v", err)
	}
	if _, _, err := read(file, seedfile.Options{Format: seedfile.PSKC}); !isKind(err, model.FileUnreadable) {
		t.Errorf("a file of another format: %v", err)
	}
	broken := io.MultiReader(bytes.NewReader(file[:300]), iotest.ErrReader(stop))
	if _, err := seedfile.Read(broken, seedfile.Options{}, func(*seedfile.File, seedfile.Key) error { return nil }); !isKind(err, model.FileUnreadable) || !errors.Is(err, stop) {
		t.Errorf("a reader's error: %v", err)
	}
}

// rowsReader produces a file of any size while it is read.
type rowsReader struct {
	head, row, tail string
	rows            int
	pending         string
	started, ended  bool
}

func (r *rowsReader) Read(p []byte) (int, error) {
	for r.pending == "" {
		switch {
		case !r.started:
			r.started, r.pending = true, r.head
		case r.rows > 0:
			n := min(r.rows, 100)
			r.rows -= n
			r.pending = strings.Repeat(r.row, n)
		case !r.ended:
			r.ended, r.pending = true, r.tail
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

// TestMemoryStaysBounded reads files of tens of megabytes with a heap of a few.
func TestMemoryStaysBounded(t *testing.T) {
	const rows = 200_000
	pskcRow := pskcKey(pskcNS+":hotp", sixDigits, plainSecret, "")
	whole := pskc("", pskcRow, "1.0")
	head, tail, _ := strings.Cut(whole, pskcRow)
	vendorWhole := vendor("", goodToken)
	vendorHead, vendorTail, _ := strings.Cut(vendorWhole, goodToken)
	for _, r := range []*rowsReader{
		{head: vendorHead, row: goodToken + "\n", tail: vendorTail, rows: rows},
		{head: head, row: pskcRow, tail: tail, rows: rows / 4},
		{row: "71358472,3132333435363738393031323334353637383930,totp,6,30\n", rows: rows},
		{row: "71358472,31\"bad\n", rows: rows},
	} {
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		most, n, want := uint64(0), 0, r.rows
		f, err := seedfile.Read(r, seedfile.Options{Format: map[bool]seedfile.Format{true: seedfile.OATHCSV}[r.head == ""]}, func(*seedfile.File, seedfile.Key) error {
			if n++; n%20_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
			return nil
		})
		if err != nil || f.Keys+f.Bad.Count() != want {
			t.Fatalf("%d keys of %d: %v", f.Keys, want, err)
		}
		if most > before.HeapAlloc+4<<20 {
			t.Errorf("reading needed %d KiB", (most-before.HeapAlloc)>>10)
		}
	}
}
