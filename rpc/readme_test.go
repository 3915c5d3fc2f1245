package rpc_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokensmith/rpc"
)

// The README's tables of methods, codes and attributes are made from the declarations; -update writes them.
func TestReadmeTables(t *testing.T) {
	t.Parallel()
	const file = "../README.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"methods": rpc.MethodTable(), "errors": rpc.ErrorTable(), "attributes": rpc.AttributeTables()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
		head, rest, ok := strings.Cut(want, begin)
		_, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("README.md lacks the place for its table of %s", name)
		}
		want = head + begin + table + end + tail
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("README.md differs from the declarations; go test ./rpc -run Readme -update (-want +got):\n%s", diff)
	}
}
