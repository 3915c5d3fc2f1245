// Package modeltest has what the tests of every package share: what is left out when, and how long they wait.
package modeltest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Patience bounds a wait for what must happen. It says nothing of how long that may take: only a test that fails waits as
// long, and a machine that does much else besides must not make one fail.
const Patience = 5 * time.Minute

// Until asks until done says yes, and fails the test when Patience is over. what says what did not come.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > Patience {
			t.Fatalf("%s: not after %v", what, Patience)
		}
	}
}

// Missing ends a test for want of something on this machine. With CI set nothing is left out, and it fails.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	what := "NOT TESTED: " + fmt.Sprintf(format, args...)
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	fmt.Fprintln(os.Stderr, "***", what) // also where a skipped test is not shown
	t.Skip(what)
}

// Tool returns the path of a program that a test needs, or ends the test as Missing does.
func Tool(t testing.TB, name string) (path string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed: make tools", name)
	}
	return path
}

// NotShort leaves a test out of go test -short: what needs a server, a browser or the built binary, or takes seconds. With CI
// set nothing is left out, and it fails.
func NotShort(t testing.TB) {
	t.Helper()
	switch {
	case !testing.Short():
	case os.Getenv("CI") != "":
		t.Fatal("left out by -short")
	default:
		t.Skip("left out by -short")
	}
}

// Long says whether TOKENSMITH_TEST_LONG is set, as make test LONG=1 does.
func Long() bool { return os.Getenv("TOKENSMITH_TEST_LONG") != "" }

// Size returns how many of something a test takes: long when Long, and else plain, which shows the same in less time.
func Size(long, plain int) int {
	if Long() {
		return long
	}
	return plain
}
