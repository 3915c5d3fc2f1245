package main

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxReadme is how many lines the README may have. What a newcomer does not need is documented beside the code.
const maxReadme = 200

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > maxReadme {
		t.Errorf("README.md has %d lines: at most %d", lines, maxReadme)
	}
}

// documents returns the paths of all documents of the project.
func documents(t *testing.T) (all []string) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "node_modules"}, d.Name())):
			return filepath.SkipDir
		case strings.HasSuffix(d.Name(), ".md"):
			all = append(all, path)
		}
		return nil
	})
	if err != nil || len(all) < 5 {
		t.Fatal("documents: ", all, err)
	}
	return all
}

// prose returns the lines of a document without inline code and indented code.
func prose(t *testing.T, file string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fenced := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// anchors returns the names with which links can point to the headings of a document, as forges make them.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	heading := regexp.MustCompile(`^#{1,6} +(.*)$`)
	for _, line := range prose(t, file) {
		if m := heading.FindStringSubmatch(line); m != nil {
			name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), "")
			name = strings.ReplaceAll(name, " ", "-")
			if all[name] {
				t.Errorf("%s has two headings of the name #%s", file, name)
			}
			all[name] = true
		}
	}
	return all
}

// TestLinksLead: every relative link in a document leads to a file and, if it names one, to a heading in it.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^()\s]+)\)`)
	code := regexp.MustCompile("`[^`]*`")
	found := 0
	for _, file := range documents(t) {
		for _, line := range prose(t, file) {
			for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(line, "code"), -1) {
				to, err := url.Parse(m[1])
				if err != nil {
					t.Errorf("%s: %s: %v", file, m[1], err)
					continue
				}
				if to.IsAbs() {
					continue
				}
				found++
				target := file
				if to.Path != "" {
					target = filepath.Join(filepath.Dir(file), to.Path)
				}
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s: the link %s leads nowhere: %v", file, m[1], err)
				} else if to.Fragment != "" && !anchors(t, target)[to.Fragment] {
					t.Errorf("%s: the link %s leads to no heading", file, m[1])
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d links were found", found)
	}
}

// TestDependenciesAreNamed: the README names each direct requirement in go.mod with a reason, and no other module.
func TestDependenciesAreNamed(t *testing.T) {
	t.Parallel()
	required, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Dependencies\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var named []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| [^|]+ \|$`).FindAllStringSubmatch(table, -1) {
		named = append(named, regexp.MustCompile(`[\w.-]+/[\w./-]+|rsc\.io/qr`).FindAllString(row[1], -1)...)
	}
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^(?:require |tool )?\t?(\S+\.\S+/\S+)(?: v\S+)?$`).FindAllStringSubmatch(string(required), -1) {
		modules = append(modules, regexp.MustCompile(`^github\.com/|/v\d+$`).ReplaceAllString(m[1], ""))
	}
	for _, m := range modules {
		if !slices.ContainsFunc(named, func(n string) bool { return m == n || strings.HasPrefix(m, n+"/") }) {
			t.Errorf("go.mod requires %s, and README.md does not say why", m)
		}
	}
	for _, n := range named {
		if !slices.ContainsFunc(modules, func(m string) bool { return m == n || strings.HasPrefix(m, n+"/") }) {
			t.Errorf("README.md names %s, which go.mod does not require", n)
		}
	}
}

// TestDocumentsNameWhatIsThere: the files, and the tests and benchmarks in commands, that documents name exist.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	path := regexp.MustCompile("`((?:cmd|model|rpc|store|testdata)/[\\w./-]+\\.\\w+)`")
	command := regexp.MustCompile("`go test \\./([\\w/]+) ([^`]*)`")
	selected := regexp.MustCompile(`-(run|bench) '?(\w+)`)
	checked := 0
	for _, file := range documents(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(raw)), " ")
		for _, m := range path.FindAllStringSubmatch(text, -1) {
			checked++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s: %v", file, m[1], err)
			}
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			tests, err := filepath.Glob(filepath.Join(root, m[1], "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			var code strings.Builder
			for _, name := range tests {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				code.Write(text)
			}
			for _, s := range selected.FindAllStringSubmatch(m[2], -1) {
				checked++
				kind := map[string]string{"run": "Test", "bench": "Benchmark"}[s[1]]
				if !regexp.MustCompile(`(?m)^func ` + kind + `\w*` + strings.TrimPrefix(s[2], kind) + `\w*\(`).MatchString(code.String()) {
					t.Errorf("%s: `go test ./%s %s` runs no %s %s", file, m[1], m[2], kind, s[2])
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d names were found", checked)
	}
}
