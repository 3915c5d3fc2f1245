// Package modeltest contains what the tests of all packages share: when a test is skipped, and how long it waits.
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

// Patience is how long a test waits for something that must happen. It does not say how long that may take: only a failing test
// waits that long, and a busy machine must not make a test fail.
const Patience = 5 * time.Minute

// Until calls done until it returns true, and fails the test after Patience. what names the awaited event for the error.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > Patience {
			t.Fatalf("%s: not after %v", what, Patience)
		}
	}
}

// Missing skips a test because the machine lacks something. If CI is set, the test fails instead.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	what := "NOT TESTED: " + fmt.Sprintf(format, args...)
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	fmt.Fprintln(os.Stderr, "***", what) // visible even if skipped tests are not shown
	t.Skip(what)
}

// Tool returns the path of a program that a test needs. Without that program it calls Missing.
func Tool(t testing.TB, name string) (path string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed: make tools", name)
	}
	return path
}

// Run runs a program that a test needs and returns its output. If the program fails, the test fails.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// KeyFileSecret is the pre-shared key of KeyFiles, in hex.
const KeyFileSecret = "000102030405060708090a0b0c0d0e0f"

// KeyFiles creates a file with two tokens, keys.csv, and converts it with python-pskc to PSKC files: plain.xml, psk.xml with the
// pre-shared key KeyFileSecret, and pbe.xml with the password s3cret. path returns the path of each file. Token 1001 uses HOTP,
// token 1002 TOTP. Their seeds are those of the examples in RFC 4226 and RFC 6238.
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

// SmallDisk mounts a separate disk on dir until the test ends, and fills that many bytes of it. size is in the format of
// mount(8). room frees the space again.
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

// NotShort skips a test under go test -short: one that needs a server, a browser or the built binary, or takes seconds. If CI is
// set, the test fails instead.
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

// Long returns whether TOKENSMITH_TEST_LONG is set, as make test LONG=1 does.
func Long() bool { return os.Getenv("TOKENSMITH_TEST_LONG") != "" }

// Size returns the size of a test: long if Long, else plain, which shows the same in less time.
func Size(long, plain int) int {
	if Long() {
		return long
	}
	return plain
}
