// Package modeltest has what the tests of every package share: what is left out when, and how long they wait.
package modeltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
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

// Run runs a program that a test needs and returns what it printed. A program that fails ends the test.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// KeyFileSecret is the pre-shared key of KeyFiles, in hexadecimal.
const KeyFileSecret = "000102030405060708090a0b0c0d0e0f"

// KeyFiles makes a file of two tokens, keys.csv, and python-pskc has it as PSKC: plain.xml, psk.xml with the pre-shared key
// KeyFileSecret, pbe.xml with the password s3cret. It returns the path of each by its name. 1001 is of HOTP, 1002 of TOTP; their seeds
// are those of the examples of RFC 4226 and RFC 6238.
func KeyFiles(t testing.TB) (path func(name string) string) {
	t.Helper()
	dir := t.TempDir()
	path = func(name string) string { return filepath.Join(dir, name) }
	table := "id,serial,secret,algorithm,response_length,counter,time_interval,issuer,manufacturer\n" +
		"a1,1001,3132333435363738393031323334353637383930,hotp,6,5,,Example,oath.EX\n" +
		"a2,1002,3132333435363738393031323334353637383930313233343536373839303132,totp,8,,60,Example,oath.EX\n"
	if err := os.WriteFile(path("keys.csv"), []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, "csv2pskc", "-o", path("plain.xml"), path("keys.csv"))
	Run(t, "csv2pskc", "-s", KeyFileSecret, "-o", path("psk.xml"), path("keys.csv"))
	Run(t, "pskc2pskc", "--new-password", "s3cret", "-o", path("pbe.xml"), path("plain.xml"))
	return path
}

// SmallDisk mounts a disk of its own on dir, of a size as mount(8) takes it, until the test ends, and fills so many bytes of it.
// What it returns makes room again.
func SmallDisk(t testing.TB, dir, size string, fill int) (room func()) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		Missing(t, "a full disk: cannot mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, fill), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
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
