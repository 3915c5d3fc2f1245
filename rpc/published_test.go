package rpc_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"tokensmith/rpc/wire"
)

const publishedCodes = "../testdata/errors.txt"

// An error code never changes its meaning and is never removed. -update adds new codes to testdata/errors.txt. A manual change of
// a line breaks clients that depend on it.
func TestCodesAreAppendOnly(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(publishedCodes)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	now := map[string]string{}
	for _, e := range wire.Errors() {
		number := fmt.Sprint(e.Code)
		now[number] = fmt.Sprintf("%s\t%d\t%s", number, e.Status, e.Meaning)
	}
	for _, line := range lines {
		number, _, _ := strings.Cut(line, "\t")
		if now[number] != line {
			t.Errorf("published: %q, now: %q", line, now[number])
		}
		delete(now, number)
	}
	if *update && !t.Failed() {
		for _, line := range now {
			lines = append(lines, line)
		}
		slices.SortFunc(lines, func(a, b string) int {
			var m, n int
			fmt.Sscan(a, &m)
			fmt.Sscan(b, &n)
			return m - n
		})
		if err := os.WriteFile(publishedCodes, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, line := range now {
		t.Errorf("not published yet: %q; go test ./rpc -run AppendOnly -update", line)
	}
}
