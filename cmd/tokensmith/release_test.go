package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"tokensmith/model/modeltest"
)

// released is a release that was made for the tests, in a copy of this project, by the command that the README names.
type released struct {
	source string // the folder of the copy
	folder string // bin/release in it
	key    string // the file of the private key that has signed it
}

// firstRelease makes a release once, for all tests. It is deleted with the program that is built for them.
var firstRelease = sync.OnceValues(func() (r released, err error) {
	if _, err := build(); err != nil { // makes the folder built
		return r, err
	}
	r = released{source: filepath.Join(built, "a"), key: filepath.Join(built, "release-key")}
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a test's", "-f", r.key).CombinedOutput(); err != nil {
		return r, fmt.Errorf("%w\n%s", err, out)
	}
	r.folder, err = release(r.source, "v0.1.0+first", "TZ=UTC", "KEY="+r.key)
	return r, err
})

// release copies the project into a new folder and makes a release there. settings are further environment variables.
func release(source, version string, settings ...string) (folder string, err error) {
	if err := os.MkdirAll(source, 0o755); err != nil {
		return "", err
	}
	const script = `set -e
tar -C ../.. --exclude=./bin --exclude=./.git -c . | (umask ${UMASK:-022} && tar -C "$0" --no-same-permissions -x)
exec make -C "$0" release VERSION="$1"`
	cmd := exec.Command("bash", "-o", "pipefail", "-c", script, source, version)
	// Without a commit there is no other date.
	cmd.Env = slices.Concat(os.Environ(), []string{"SOURCE_DATE_EPOCH=1798000000"}, settings)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make release: %w\n%s", err, out)
	}
	return filepath.Join(source, "bin", "release"), nil
}

// aRelease returns the release for the tests.
func aRelease(t *testing.T) released {
	t.Helper()
	modeltest.NotShort(t)
	for _, tool := range []string{"ssh-keygen", "jq", "dpkg-deb", "make"} {
		modeltest.Tool(t, tool)
	}
	r, err := firstRelease()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReleaseIsReproducible: who makes a release of the same files elsewhere, at another time, with another umask, time zone and
// language, gets the same bytes. With the long tests nothing is taken from the cache of the first, so that SQLite is compiled again.
func TestReleaseIsReproducible(t *testing.T) {
	t.Parallel()
	first := aRelease(t)
	settings := []string{"TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8", "UMASK=077"}
	if modeltest.Long() {
		settings = append(settings, "GOCACHE="+t.TempDir())
	}
	again, err := release(filepath.Join(t.TempDir(), "deeper", "still"), "v0.1.0+first", settings...)
	if err != nil {
		t.Fatal(err)
	}
	var sums [2]string
	for i, folder := range []string{first.folder, again} {
		text, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") < 9 {
		t.Errorf("two releases of the same files differ, or lack something:\n%s\n%s", sums[0], sums[1])
	}
}

// TestReleaseIsSigned: the commands with which the README has a release checked find that it is whole and from whom it is, and
// refuse one that was changed or signed by another.
func TestReleaseIsSigned(t *testing.T) {
	t.Parallel()
	r := aRelease(t)
	_, chapter, _ := strings.Cut(contents(t, "README.md"), "\n## A release\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	var checks strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^    \$ (ssh-keygen -Y verify .*|sha256sum .*)$`).FindAllStringSubmatch(chapter, -1) {
		fmt.Fprintln(&checks, m[1])
	}
	if strings.Count(checks.String(), "\n") != 2 {
		t.Fatalf("README.md checks a release by %q", checks.String())
	}
	public := contents(t, r.key+".pub")
	for name, spoil := range map[string]struct {
		script string
		good   bool
	}{
		"as it is":               {"", true},
		"a byte more":            {"echo >>tokensmith.service", false},
		"another sum":            {"echo >>tokensmith.service; sha256sum -- [!S]* >SHA256SUMS", false},
		"no signature":           {"rm SHA256SUMS.sig", false},
		"signed by somebody":     {"ssh-keygen -q -t ed25519 -N '' -f other; rm SHA256SUMS.sig; ssh-keygen -q -Y sign -f other -n tokensmith-release SHA256SUMS", false},
		"signed for another use": {"rm SHA256SUMS.sig; ssh-keygen -q -Y sign -f " + r.key + " -n git SHA256SUMS", false},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(r.folder)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tokensmith.signers"), []byte("release namespaces=\"tokensmith-release\" "+public), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", "-e", "-c", spoil.script+"\n"+checks.String())
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); (err == nil) != spoil.good {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func contents(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// allowed are the licences that let whoever has the binary use, change, give away and sell it. The copyleft among them is of single
// files (MPL), of a library that may be linked anew (LGPL), or does not reach what a compiler links in (the exception of GCC).
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "blessing", "LGPL-2.1-or-later",
	"GPL-3.0-or-later WITH GCC-exception-3.1"}

// notModules are the parts of the binary that licences.txt names and that are no Go modules.
var notModules = []string{"glibc", "libgcc", "sqlite", "std"}

// licences returns what packaging/licences.txt says of each part of the binary.
func licences(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(contents(t, "packaging/licences.txt")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, expression, _ := strings.Cut(strings.TrimSpace(line), " ")
		if all[name] != "" {
			t.Errorf("licences.txt names %s twice", name)
		}
		all[name] = expression
	}
	return all
}

// parts returns the licences that an expression joins by AND, in order.
func parts(expression string) []string {
	return slices.Sorted(slices.Values(regexp.MustCompile(` (?:AND|and/or) `).Split(expression, -1)))
}

// TestLicences: licences.txt names the licence of each module in the binary, and no other; Debian's licensecheck finds it in the
// module's own file; and it is allowed.
func TestLicences(t *testing.T) {
	t.Parallel()
	check := modeltest.Tool(t, "licensecheck")
	info, err := buildinfo.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	named := licences(t)
	for name, expression := range named {
		for _, licence := range parts(expression) {
			if !slices.Contains(allowed, licence) {
				t.Errorf("%s: the licence %s is not allowed", name, licence)
			}
		}
	}
	modules := []string{"list", "-m", "-f", "{{.Path}} {{.Dir}}"}
	for _, m := range info.Deps {
		modules = append(modules, m.Path)
	}
	found, err := exec.Command("go", modules...).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{} // of licences, and the module that each is of
	args := []string{"--shortname-scheme=spdx", "--lines=0", "--machine", "--check=."}
	for line := range strings.Lines(string(found)) {
		module, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		inside, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range inside {
			if f.Type().IsRegular() && regexp.MustCompile(`(?i)^(licen[sc]e|copying)`).MatchString(f.Name()) {
				file := filepath.Join(dir, f.Name())
				files[file], args = module, append(args, file)
			}
		}
	}
	out, err := exec.Command(check, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		file, licence, _ := strings.Cut(strings.TrimSpace(line), "\t")
		module := files[file]
		if checked[module] = true; !slices.Equal(parts(licence), parts(named[module])) {
			t.Errorf("%s: licensecheck finds %q, licences.txt says %q", file, licence, named[module])
		}
	}
	for _, m := range info.Deps {
		if !checked[m.Path] {
			t.Errorf("%s has no licence that licensecheck has read", m.Path)
		}
		delete(named, m.Path)
	}
	for _, name := range notModules {
		delete(named, name)
	}
	for name := range named {
		t.Errorf("licences.txt names %s, which is not in the binary", name)
	}
}

// TestNoModuleIsReplaced: what go.mod requires is what is compiled: nothing is replaced by a folder or a fork, and no version is passed
// over in silence.
func TestNoModuleIsReplaced(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Module           struct{ Path string }
		Require          []any
		Replace, Exclude []any
	}
	if err := json.Unmarshal(out, &file); err != nil || file.Module.Path != "tokensmith" || len(file.Require) < 20 {
		t.Fatal("go.mod: ", err, file)
	}
	if len(file.Replace)+len(file.Exclude) > 0 {
		t.Errorf("go.mod replaces %v and excludes %v", file.Replace, file.Exclude)
	}
}

// TestVulnerableIsFound: the gate fails where the database of vulnerabilities names something that the binary has, passes where it
// does not, and fails where the database that it was given cannot be read.
func TestVulnerableIsFound(t *testing.T) {
	t.Parallel()
	exe := binary(t)
	for name, c := range map[string]struct {
		module string
		status int
	}{"of the binary": {"rsc.io/qr", 3}, "of another": {"rsc.io/none", 0}, "": {"", 1}} {
		dir := t.TempDir()
		if c.module != "" {
			for file, text := range map[string]string{
				"index/db.json":      `{"modified":"2026-01-01T00:00:00Z"}`,
				"index/modules.json": `[{"path":"` + c.module + `","vulns":[{"id":"GO-0000-0001","modified":"2026-01-01T00:00:00Z"}]}]`,
				"ID/GO-0000-0001.json": `{"schema_version":"1.3.1","id":"GO-0000-0001","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Go",
					"name":"` + c.module + `"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":"` + c.module + `","symbols":["Encode"]}]}}],
					"database_specific":{"url":"https://example.com"}}`,
			} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd := exec.Command("bash", "../../.ci/vulnerable", exe)
		cmd.Env = append(os.Environ(), "VULNDB=file://"+dir)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.status {
			t.Errorf("a vulnerability %s: status %d, not %d\n%s", name, got, c.status, out)
		}
	}
}

// TestBillOfMaterials: the bill of materials of a release names its binary by its hash, and each part of it with version and
// licence; and the file of licences has the whole text of each.
func TestBillOfMaterials(t *testing.T) {
	t.Parallel()
	r := aRelease(t)
	file := filepath.Join(r.folder, "tokensmith-linux-amd64")
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Metadata struct {
			Component struct {
				Version string
				Hashes  []struct{ Alg, Content string }
			}
		}
		Components []struct {
			Name, Version, Purl string
			Licenses            []struct{ Expression string }
		}
	}
	if err := json.Unmarshal([]byte(contents(t, file+".cdx.json")), &bill); err != nil {
		t.Fatal(err)
	}
	sum, _, _ := strings.Cut(modeltest.Run(t, "sha256sum", file), " ")
	if c := bill.Metadata.Component; c.Version != "v0.1.0+first" || len(c.Hashes) != 1 || c.Hashes[0].Content != sum {
		t.Errorf("the bill of materials is of %v, the binary is %s", c, sum)
	}
	want := map[string]string{"std": strings.TrimPrefix(info.GoVersion, "go"), "sqlite": `3\.\d+\.\d+`, `libc6-dev`: `2\.\d+.*`, `libgcc-\d+-dev`: `\d+\..*`}
	for _, m := range info.Deps {
		if m.Replace != nil {
			t.Errorf("%s is replaced by %s", m.Path, m.Replace.Path)
		}
		want[regexp.QuoteMeta(m.Path)] = regexp.QuoteMeta(m.Version)
	}
	texts := contents(t, filepath.Join(r.folder, "tokensmith-licences.txt"))
	for name, version := range want {
		fits := 0
		for _, c := range bill.Components {
			if regexp.MustCompile("^"+name+"$").MatchString(c.Name) && regexp.MustCompile("^"+version+"$").MatchString(c.Version) &&
				strings.Contains(c.Purl, "@"+c.Version) && len(c.Licenses) == 1 && c.Licenses[0].Expression != "" {
				fits++
			}
		}
		if fits != 1 {
			t.Errorf("the bill of materials has %s %s %d times", name, version, fits)
		}
	}
	if len(bill.Components) != len(want) {
		t.Errorf("the bill of materials has %d parts, the binary %d", len(bill.Components), len(want))
	}
	for name, expression := range licences(t) {
		_, text, found := strings.Cut(texts, "\n==== "+name)
		text, _, _ = strings.Cut(text, "\n==== ")
		if !found || !strings.Contains(text, expression) || !regexp.MustCompile(`(?i)copyright|MPL|public domain`).MatchString(text) || len(text) < 50 {
			t.Errorf("tokensmith-licences.txt has of %s: %.200s", name, text)
		}
	}
}

// debian is a Debian system of its own, with a service manager, that the test has made and started.
type debian struct {
	t    *testing.T
	root string
	pid  string // of its first process
}

// newDebian installs a Debian system from nothing, in a folder, and starts it in namespaces of its own, until the test ends.
func newDebian(t *testing.T) *debian {
	t.Helper()
	if os.Geteuid() != 0 {
		modeltest.Missing(t, "a Debian system: only root makes one")
	}
	for _, tool := range []string{"mmdebstrap", "systemd-nspawn", "nsenter", "curl"} {
		modeltest.Tool(t, tool)
	}
	d := &debian{t: t, root: filepath.Join(t.TempDir(), "root")}
	// This machine has the keys of its own release.
	suite := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`).FindStringSubmatch(contents(t, "/etc/os-release"))
	if suite == nil {
		modeltest.Missing(t, "a Debian system: this machine is none")
	}
	modeltest.Run(t, "mmdebstrap", "--quiet", "--variant=essential", "--include=systemd-sysv,dbus", suite[1], d.root)
	// It ends with its first process, which the shell kills when its input ends, also where the test is killed.
	const boot = `systemd-nspawn --quiet --directory="$0" --boot --register=no --keep-unit --private-network --link-journal=no --console=pipe \
	--machine=tokensmith-$$ </dev/null >"$0.log" 2>&1 &
# Its first child is another process, for a moment.
until first=$(cat /proc/$!/task/$!/children) && [ "$(cat /proc/${first% }/comm)" = systemd ]; do kill -0 $!; sleep 0.05; done
echo $first
read line || true
kill -KILL $first
wait`
	cmd := exec.Command("bash", "-e", "-c", boot, d.root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	life, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		life.Close()
		cmd.Wait()
	})
	if _, err := fmt.Fscan(out, &d.pid); err != nil {
		t.Fatalf("the system does not start: %v\n%s", err, contents(t, d.root+".log"))
	}
	modeltest.Until(t, "the system has started", func() bool {
		state, _ := d.try("systemctl", "is-system-running")
		return strings.Contains(state, "running") || strings.Contains(state, "degraded")
	})
	return d
}

// try runs a command in the system.
func (d *debian) try(command ...string) (string, error) {
	out, err := exec.Command("nsenter", append([]string{"-t", d.pid, "-m", "-u", "-i", "-n", "-p", "--"}, command...)...).CombinedOutput()
	return string(out), err
}

// run is try of what must succeed.
func (d *debian) run(command ...string) string {
	d.t.Helper()
	out, err := d.try(command...)
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return out
}

// install installs a package with dpkg.
func (d *debian) install(file string) {
	d.t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(d.root, "root/package.deb"), text, 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.run("dpkg", "--install", "/root/package.deb")
}

// post calls the service in the system as the first agent that it has made there, and returns the reply.
func (d *debian) post(method, body string) string {
	d.t.Helper()
	var agent struct{ ClientID, ClientSecret string }
	text := d.run("cat", "/var/lib/tokensmith/tokensmith.first-agent.json")
	if err := json.Unmarshal([]byte(text), &agent); err != nil {
		d.t.Fatal(err)
	}
	return modeltest.Run(d.t, "nsenter", "-t", d.pid, "-n", "curl", "-s", "-u", agent.ClientID+":"+agent.ClientSecret, "http://127.0.0.1:8070/das5/rest/"+method, "-d", body)
}

// serves waits until the service is ready, by another process than the one given, and returns its process.
func (d *debian) serves(not string) (pid string) {
	d.t.Helper()
	modeltest.Until(d.t, "the service is ready", func() bool {
		ready, err := exec.Command("nsenter", "-t", d.pid, "-n", "curl", "-s", "http://127.0.0.1:8070/readyz").Output()
		pid, _ = d.try("systemctl", "show", "--property=MainPID", "--value", "tokensmith")
		pid = strings.TrimSpace(pid)
		return err == nil && string(bytes.TrimSpace(ready)) == "ready" && pid != "0" && pid != not
	})
	return pid
}

// TestPackage: on a clean Debian system with a service manager the package installs, and the service starts under its hardened unit; it
// is upgraded, removed, installed again and purged, and the data are kept all the time. Who has stopped it for good finds it stopped
// behind an upgrade.
func TestPackage(t *testing.T) {
	t.Parallel()
	r := aRelease(t)
	all, err := filepath.Glob(filepath.Join(r.folder, "*_amd64.deb"))
	if err != nil || len(all) != 1 {
		t.Fatal("packages: ", all, err)
	}
	old := all[0]
	// The same program as another version of the package.
	newer := filepath.Join(t.TempDir(), "newer.deb")
	modeltest.Run(t, "sh", "-ec", `dpkg-deb -R "$0" "$1.d"; sed -i 's/^Version: 0\.1\.0/Version: 0.1.1/' "$1.d/DEBIAN/control"; dpkg-deb -Znone -b "$1.d" "$1"`, old, newer)
	d := newDebian(t)
	kept := func(when string) {
		t.Helper()
		if got := d.post("token/search", `{"return":["serial"]}`); got != `{"error":0,"result":{"total":1,"rows":[{"serial":"kept"}]}}` {
			t.Fatalf("%s: %s", when, got)
		}
	}
	there := func(path string) bool {
		_, err := d.try("test", "-e", path)
		return err == nil
	}

	d.install(old)
	first := d.serves("")
	if got := d.run("tokensmith", "--version"); got != "tokensmith v0.1.0+first\n" {
		t.Errorf("installed is %q", got)
	}
	if got := d.post("token/create", `{"attrs":{"product.productCode":"SE","serial":"kept"}}`); !strings.HasPrefix(got, `{"error":0,`) {
		t.Fatal(got)
	}
	for _, path := range []string{"/usr/share/man/man1/tokensmith-serve.1.gz", "/usr/share/bash-completion/completions/tokensmith", "/usr/share/doc/tokensmith/copyright"} {
		if !there(path) {
			t.Errorf("%s is not there", path)
		}
	}
	if got := d.run("systemctl", "is-enabled", "tokensmith"); got != "enabled\n" {
		t.Errorf("behind the installation the service is %s", got)
	}

	d.install(newer)
	d.serves(first)
	kept("behind the upgrade")

	d.run("dpkg", "--remove", "tokensmith")
	if there("/usr/bin/tokensmith") || there("/usr/lib/systemd/system/tokensmith.service") || !there("/var/lib/tokensmith/tokensmith.db") {
		t.Error("behind remove the program is there, or the data are not")
	}
	if _, err := d.try("systemctl", "is-active", "tokensmith"); err == nil {
		t.Error("behind remove the service runs")
	}
	d.install(newer)
	d.serves("")
	kept("installed again")

	d.run("dpkg", "--purge", "tokensmith")
	d.install(old)
	d.serves("")
	kept("installed behind a purge")

	d.run("systemctl", "disable", "--now", "tokensmith")
	d.install(newer)
	if got, err := d.try("systemctl", "is-active", "tokensmith"); err == nil {
		t.Errorf("a service that was disabled is %s behind an upgrade", got)
	}
}
