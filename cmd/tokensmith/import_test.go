package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tokensmith/model/modeltest"
)

// importPeak imports a file of so many tokens, a kilobyte each, with the binary, and gives the megabytes it took at most.
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
	cmd.Env = append(os.Environ(), "GOGC=25") // what is kept counts, and not what waits to be collected, on a busy machine for long
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), fmt.Sprintf("%d tokens: %d would be created", tokens, tokens)) {
		t.Fatalf("%v: %s", err, &out)
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
}

// A file of 100 MB (40 but in the long tests) takes about the memory of one of 10 MB: what is left to the collector varies with what else runs.
func TestImportMemoryStaysBounded(t *testing.T) {
	t.Parallel()
	modeltest.NotShort(t)
	dir := t.TempDir()
	size := modeltest.Size(100, 40)
	small, large := importPeak(t, dir, 10_000), importPeak(t, dir, size*1000)
	t.Logf("10 MB: %d MB, %d MB: %d MB", small, size, large)
	if large > small*3/2 {
		t.Errorf("a file of 10 MB takes %d MB of memory, one of %d MB takes %d MB", small, size, large)
	}
}
