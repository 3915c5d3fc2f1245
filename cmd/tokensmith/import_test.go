package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tokensmith/model/modeltest"
)

// liveHeap finds the megabytes in use after a garbage collection, in the output of GODEBUG=gctrace=1.
var liveHeap = regexp.MustCompile(`(?m)^gc \d+ .* \d+->\d+->(\d+) MB`)

// importPeak imports a file with that many tokens, of one kilobyte each, with the binary. It returns the largest heap, in MB,
// after a garbage collection. Uncollected garbage, and the memory of the race detector, depend on the machine and not on the
// import.
func importPeak(t *testing.T, dir string, tokens int) int64 {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("%d.xml", tokens))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprint(w, "<data><header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode><encode>HEX</encode></header><tokens>\n")
	text := strings.Repeat("x", 900)
	for i := range tokens {
		fmt.Fprintf(w, "<token><serial>%08d</serial><seed>%040X</seed><description>%s</description></token>\n", i, i+1, text)
	}
	fmt.Fprint(w, "</tokens></data>\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "tokensmith")
	if err := os.Symlink(self, binary); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "import", path, "--db", filepath.Join(dir, "t.db"), "--dry-run", "--part", "2000")
	cmd.Env = append(os.Environ(), "GOGC=25", "GODEBUG=gctrace=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), fmt.Sprintf("%d tokens: %d would be created", tokens, tokens)) {
		t.Fatalf("%v: %s", err, &out)
	}
	var peak int64
	for _, m := range liveHeap.FindAllStringSubmatch(out.String(), -1) {
		mb, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		peak = max(peak, mb)
	}
	if peak == 0 {
		t.Fatalf("no collection was traced: %s", &out)
	}
	return peak
}

// TestImportMemoryStaysBounded: importing a file of 100 MB (40 MB without the long tests) needs about the same memory as one of
// 10 MB.
func TestImportMemoryStaysBounded(t *testing.T) {
	t.Parallel()
	modeltest.NotShort(t)
	dir := t.TempDir()
	size := modeltest.Size(100, 40)
	small, large := importPeak(t, dir, 10_000), importPeak(t, dir, size*1000)
	// What is allocated during a collection counts as live. A busy machine collects slowly, so the smallest of a few runs counts.
	for try := 0; try < 3 && large > small*3/2+4; try++ {
		large = min(large, importPeak(t, dir, size*1000))
	}
	t.Logf("10 MB: %d MB of heap, %d MB: %d MB of heap", small, size, large)
	if large > small*3/2+4 {
		t.Errorf("a file of 10 MB takes %d MB of heap, one of %d MB takes %d MB", small, size, large)
	}
}
