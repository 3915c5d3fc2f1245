package seedfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tokensmith/model/seedfile"
)

// TestOATHTable reads back what was written: the keys of every vector, and some that are difficult to write.
func TestOATHTable(t *testing.T) {
	t.Parallel()
	keys := exportKeys()
	keys = append(keys, seedfile.Key{Serial: "#1", Secret: []byte("12345678901234567890"), User: `a"b,c;d`, Description: "two\nlines", Line: 99},
		seedfile.Key{User: "kim", Issuer: "Example, Inc.", Secret: []byte("12345678901234567890"), Algorithm: seedfile.TOTP})
	files, err := filepath.Glob(vectors + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".want") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, some, _ := read(data, seedfile.Options{Password: []byte("qwerty"), PreSharedKey: unhex("12345678901234567890123456789012")})
		keys = append(keys, some...)
	}
	if len(keys) < 20 {
		t.Fatalf("only %d keys", len(keys))
	}
	for i := range keys {
		keys[i].Line = max(keys[i].Line, 1)
	}
	var table seedfile.OATHTable
	for range 2 { // a table may be reused
		table.Reset()
		for _, k := range keys {
			table.Add(k)
		}
		f, got, err := read([]byte(table.Text()), seedfile.Options{Format: seedfile.OATHCSV, Encoding: seedfile.Hex})
		if err != nil || f.Bad.Count() > 0 || table.Rows() != len(keys) {
			t.Fatal(err, f.Bad)
		}
		if diff := cmp.Diff(keys, got, cmpopts.IgnoreFields(seedfile.Key{}, "Notes")); diff != "" {
			t.Error(diff)
		}
	}
}
