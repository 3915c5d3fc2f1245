package rpc_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokensmith/rpc"
	"tokensmith/rpc/apidoc"
)

// The tables of methods, codes and attributes in the documents are generated from the declarations. -update writes them.
func TestReadmeTables(t *testing.T) {
	t.Parallel()
	for _, place := range []struct{ file, name, table string }{
		{"README.md", "errors", apidoc.ErrorTable()},
		{"METHODS.md", "methods", rpc.MethodTable()},
		{"METHODS.md", "attributes", rpc.AttributeTables()},
	} {
		text, err := os.ReadFile(place.file)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := "<!-- "+place.name+" -->\n", "<!-- end of "+place.name+" -->"
		head, rest, ok := strings.Cut(string(text), begin)
		_, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s lacks the place for its table of %s", place.file, place.name)
		}
		want := head + begin + place.table + end + tail
		if *update {
			if err := os.WriteFile(place.file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s differs from the declarations; go test ./rpc -run Readme -update (-want +got):\n%s", place.file, diff)
		}
	}
}
