package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listed returns, for each package, what a template of go list returns.
func listed(t *testing.T, template string, packages ...string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-f", "{{.ImportPath}} {{join " + template + " \" \"}}"}, packages...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		all[words[0]] = words[1:]
	}
	return all
}

// rooms are the packages inside rpc. Each imports only those before it.
var rooms = []string{"dialect", "wire", "conn", "limit", "sender", "caller", "dispatch", "batch", "object", "tree", "message", "people", "logon", "token", "emergency", "seeds",
	"session", "guessing", "login", "device", "installation", "admin", "radius", "apidoc", "console", "page"}

// TestRoomsAreSmall: whoever reads a package inside rpc can read all of it. One that has grown too large is to be split.
func TestRoomsAreSmall(t *testing.T) {
	t.Parallel()
	const most = 2600 // lines, without tests
	for _, room := range rooms {
		files, err := filepath.Glob("../../rpc/" + room + "/*.go")
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no files: %v", room, err)
		}
		lines := 0
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines += strings.Count(string(text), "\n")
		}
		if lines > most {
			t.Errorf("rpc/%s has %d lines, more than %d: split it where the fewest names cross", room, lines, most)
		}
	}
}

// TestImportsRunOneWay: imports go in one direction: model ← store ← the packages inside rpc, in their order ← rpc ← cmd.
func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	order := []string{"tokensmith/model", "tokensmith/store/durable", "tokensmith/store/keyring", "tokensmith/store"}
	for _, room := range rooms {
		order = append(order, "tokensmith/rpc/"+room)
	}
	order = append(order, "tokensmith/rpc", "tokensmith/cmd")
	rank := func(pkg string) int {
		return slices.IndexFunc(order, func(o string) bool {
			return pkg == o || strings.HasPrefix(pkg, o+"/")
		})
	}
	for pkg, deps := range listed(t, ".Deps", "./...") {
		at := rank(pkg)
		if at < 0 || order[at] == "tokensmith/rpc" && pkg != "tokensmith/rpc" {
			t.Errorf("%s stands outside the house", pkg)
			continue
		}
		for _, dep := range deps {
			if strings.HasPrefix(dep, "tokensmith/") && rank(dep) > at {
				t.Errorf("%s needs %s", pkg, dep)
			}
		}
	}
}

// TestWhoImportsWhat: only store uses SQL, only rpc uses gorilla, and model imports nothing of this project outside itself.
func TestWhoImportsWhat(t *testing.T) {
	t.Parallel()
	only := map[string]string{
		"github.com/mattn/go-sqlite3":    "tokensmith/store",
		"github.com/jackc/pgx":           "tokensmith/store",
		"github.com/jmoiron/sqlx":        "tokensmith/store",
		"database/sql":                   "tokensmith/store",
		"github.com/gorilla/rpc":         "tokensmith/rpc/dispatch",
		"github.com/spf13/cobra":         "tokensmith/cmd",
		"net/http":                       "tokensmith/rpc tokensmith/cmd",
		"github.com/go-json-experiment/": "tokensmith/rpc",
	}
	for pkg, imports := range listed(t, ".Imports", "./...") {
		for _, imported := range imports {
			for what, who := range only {
				if strings.HasPrefix(imported, what) && !slices.ContainsFunc(strings.Fields(who), func(w string) bool { return pkg == w || strings.HasPrefix(pkg, w+"/") }) {
					t.Errorf("%s imports %s", pkg, imported)
				}
			}
		}
	}
}

// TestWhatIsImported: the packages that the project is based on are used: store uses go-sqlite3 through sqlx, and rpc uses
// gorilla.
func TestWhatIsImported(t *testing.T) {
	t.Parallel()
	imports := listed(t, ".Imports", "tokensmith/store", "tokensmith/rpc/dispatch", "tokensmith/cmd/tokensmith")
	for pkg, want := range map[string][]string{
		"tokensmith/store":          {"github.com/jmoiron/sqlx", "github.com/mattn/go-sqlite3"},
		"tokensmith/rpc/dispatch":   {"github.com/gorilla/rpc/v2", "github.com/rs/zerolog"},
		"tokensmith/cmd/tokensmith": {"github.com/rs/zerolog"},
	} {
		for _, w := range want {
			if !slices.Contains(imports[pkg], w) {
				t.Errorf("%s does not import %s", pkg, w)
			}
		}
	}
}

// TestLongTestsAreRun: the checks that every change must pass include the long tests at full length.
func TestLongTestsAreRun(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../.ci/run")
	if err != nil || !strings.Contains(string(text), "\nmake test LONG=1\n") {
		t.Error("no make test LONG=1 in .ci/run: ", err)
	}
}

// TestTopLevel: the files at the top level are fixed.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("git", "-C", "../..", "ls-tree", "--name-only", "HEAD").Output()
	if err != nil {
		entries, err := os.ReadDir("../..")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Name()+"\n"...)
		}
	}
	known := strings.Fields("cmd rpc store model testdata go.mod go.sum Makefile README.md CHANGELOG.md LICENSE .ci .gitignore .git bin")
	for _, name := range strings.Fields(string(out)) {
		if !slices.Contains(known, name) {
			t.Errorf("%s does not belong to the top level", name)
		}
	}
}

// TestNoSchemaInRPC: only store knows what is in tables. rpc contains no name of a column or table.
func TestNoSchemaInRPC(t *testing.T) {
	t.Parallel()
	column := regexp.MustCompile(`"[a-z]+(_[a-z]+)+"`)
	files, err := filepath.Glob("../../rpc/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no rooms: ", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "oauth.go" { // these contain the names of RFC 6749
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			if code, _, _ := strings.Cut(line, "//"); column.MatchString(code) && !strings.Contains(code, "json:") && !strings.Contains(code, "tokensmith_") {
				t.Errorf("%s:%d: %s", file, n+1, strings.TrimSpace(line))
			}
		}
	}
}
